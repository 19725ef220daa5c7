use std::num::NonZeroU32;
use std::time::Duration;

use lumina_enrichment::credits::{CreditPrice, Credits};
use toml::Value;

use super::check::Findings;
use super::read::{FromValue, refuse};
use super::values::Values;
use super::{FullenrichConfig, Key};

pub(super) const KEYS: &[Key] = &[
    Key::text(
        "enrichment.deadline",
        "24h",
        "How long an answer is waited for, from the request on; at least 1s. A later one is still applied.",
    ),
    Key::text(
        "enrichment.linger",
        "2s",
        "How long a batch that is not full waits for more subscribers.",
    ),
    Key::text(
        "enrichment.reconcile_window",
        "2h",
        "How long a request whose outcome is unknown is watched for signs of acceptance before it is sent once more; \
         at least 1s.",
    ),
    Key::literal(
        "enrichment.max_in_flight_batches",
        "3",
        "How many batches are out at FullEnrich at a time; 1 to 100. It works on one at a time, so more only wait there.",
    ),
    Key::text(
        "enrichment.poll.without_webhook",
        "5m",
        "How often an answer is asked for when there is no callback URL; at least 5m with FullEnrich itself, else 100ms.",
    ),
    Key::text(
        "enrichment.poll.first",
        "10m",
        "With a callback URL: when an answer that has not come is first asked for; the same limits.",
    ),
    Key::text(
        "enrichment.poll.every",
        "15m",
        "With a callback URL: how often after that; the same limits.",
    ),
    Key::text(
        "enrichment.schedule",
        "15m",
        "How often batches are made of whatever is pending; at least 100ms.",
    ),
    Key::literal(
        "enrichment.budget.per_day",
        "500",
        "How many credits may be spent on a UTC day, what is out included; or \"unlimited\".",
    ),
    Key::literal(
        "enrichment.budget.per_month",
        "unlimited",
        "How many credits may be spent in a UTC month, what is out included; or \"unlimited\".",
    ),
    Key::text(
        "enrichment.retry.first",
        "5s",
        "How long after a call to FullEnrich that failed it is made again; doubles each time; at least 10ms.",
    ),
    Key::text(
        "enrichment.retry.unreachable",
        "60s",
        "How long a batch waits that found FullEnrich out of reach before it asks again; at least 10ms.",
    ),
    Key::text(
        "enrichment.probe",
        "15m",
        "How often it is looked whether what keeps lookups from being bought has gone; at least 100ms.",
    ),
    Key::text(
        "enrichment.late_poll",
        "1h",
        "When the answer of a batch that was given up is first asked for; then after twice as long each time, up to a \
         day; the same limits as for poll.",
    ),
    Key::text(
        "enrichment.refresh_after",
        "90d",
        "How old a finding may be before its address may be looked up again; at least 1s.",
    ),
    Key::text(
        "enrichment.credit_price",
        "0.058",
        "What one credit costs, in dollars: only for what is said before lookups are bought.",
    ),
    Key::text(
        "enrichment.sweep",
        "1m",
        "How often pending jobs that no run takes care of are looked for; at least 100ms.",
    ),
];

/// FullEnrich asks not to be polled more often.
const PROVIDERS_POLL: Duration = Duration::from_secs(5 * 60);

/// Below this a timer is a busy loop.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// Below this a failure is hardly over.
const MIN_RETRY: Duration = Duration::from_millis(10);

/// Below this no answer comes in time.
const MIN_WINDOW: Duration = Duration::from_secs(1);

/// A hundred batches are 10,000 contacts of which the provider works on 100.
const MAX_BATCHES: u32 = 100;

/// Below this the first sign of an accepted batch may not have come yet: a batch takes minutes, a failed callback is
/// repeated for five more, and batches queue behind each other.
const CAREFUL_WINDOW: Duration = Duration::from_secs(30 * 60);

/// Below this a queued batch may not have been worked on yet.
const CAREFUL_DEADLINE: Duration = Duration::from_secs(3600);

/// How lookups are made, and what they may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrichmentConfig {
    /// How long an answer is waited for, from the request on.
    pub deadline: Duration,
    /// How long a batch that is not full waits for more.
    pub linger: Duration,
    /// How long a request of unknown outcome is watched before it is sent once more.
    pub reconcile_window: Duration,
    /// How many batches are out at a time.
    pub max_in_flight_batches: NonZeroU32,
    /// How often answers are asked for.
    pub poll: PollConfig,
    /// How often batches are made of whatever is pending.
    pub schedule: Duration,
    /// What a day and a month may cost.
    pub budget: BudgetConfig,
    /// How soon a call that failed is made again.
    pub retry: RetryConfig,
    /// How often it is looked whether what is in the way of buying has gone.
    pub probe: Duration,
    /// When the answer of a batch that was given up is first asked for.
    pub late_poll: Duration,
    /// How old a finding may be before the address may be looked up again.
    pub refresh_after: Duration,
    /// What one credit costs, in dollars.
    pub credit_price: CreditPrice,
    /// How often jobs without an owner are looked for.
    pub sweep: Duration,
}

/// How often answers are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollConfig {
    /// Without a callback URL.
    pub without_webhook: Duration,
    /// With one: for the first time.
    pub first: Duration,
    /// With one: after that.
    pub every: Duration,
}

/// What may be spent, and in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetConfig {
    /// On a UTC day.
    pub per_day: Budget,
    /// In a UTC month.
    pub per_month: Budget,
}

/// How soon a call that failed is made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryConfig {
    /// The first time; it doubles after that.
    pub first: Duration,
    /// When FullEnrich cannot be reached at all.
    pub unreachable: Duration,
}

/// What may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// At most so many.
    AtMost(Credits),
    /// Whatever the account holds; somebody wrote it down.
    Unlimited,
}

impl Budget {
    /// The number of credits, if there is one.
    #[must_use]
    pub const fn limit(self) -> Option<u64> {
        match self {
            Self::AtMost(credits) => Some(credits.get()),
            Self::Unlimited => None,
        }
    }
}

impl FromValue for Budget {
    fn from_value(value: &Value) -> Result<Self, String> {
        const EXPECTED: &str = "a whole number of credits, such as 500, or \"unlimited\"";
        match value {
            Value::String(text) if text == "unlimited" => Ok(Self::Unlimited),
            Value::String(_) => Err(format!("write {EXPECTED}")),
            Value::Integer(credits) => {
                let credits = u64::try_from(*credits).map_err(|_| format!("write {EXPECTED}"))?;
                Ok(Self::AtMost(Credits::new(credits)))
            }
            other => Err(refuse(other, EXPECTED)),
        }
    }
}

impl BudgetConfig {
    fn check(self, findings: &mut Findings) {
        if (self.per_day, self.per_month) == (Budget::Unlimited, Budget::Unlimited) {
            findings.warning(
                "enrichment.budget.per_day",
                "nothing limits what a day costs but the account's balance; write a number of credits",
            );
        }
        let budgets = [
            ("enrichment.budget.per_day", self.per_day),
            ("enrichment.budget.per_month", self.per_month),
        ];
        for (path, budget) in budgets {
            if budget == Budget::AtMost(Credits::ZERO) {
                findings.warning(path, "a budget of 0 credits: nothing is looked up");
            }
        }
    }
}

impl EnrichmentConfig {
    pub(super) fn read(values: &mut Values, fullenrich: &FullenrichConfig) -> Self {
        Self {
            deadline: values.duration("enrichment.deadline", MIN_WINDOW),
            linger: values.duration("enrichment.linger", Duration::ZERO),
            reconcile_window: values.duration("enrichment.reconcile_window", MIN_WINDOW),
            max_in_flight_batches: values.count("enrichment.max_in_flight_batches", 1..=MAX_BATCHES),
            poll: PollConfig {
                without_webhook: read_poll(values, "enrichment.poll.without_webhook", fullenrich),
                first: read_poll(values, "enrichment.poll.first", fullenrich),
                every: read_poll(values, "enrichment.poll.every", fullenrich),
            },
            schedule: values.duration("enrichment.schedule", MIN_INTERVAL),
            budget: BudgetConfig {
                per_day: values.get("enrichment.budget.per_day"),
                per_month: values.get("enrichment.budget.per_month"),
            },
            retry: RetryConfig {
                first: values.duration("enrichment.retry.first", MIN_RETRY),
                unreachable: values.duration("enrichment.retry.unreachable", MIN_RETRY),
            },
            probe: values.duration("enrichment.probe", MIN_INTERVAL),
            late_poll: read_poll(values, "enrichment.late_poll", fullenrich),
            refresh_after: values.duration("enrichment.refresh_after", MIN_WINDOW),
            credit_price: values.get("enrichment.credit_price"),
            sweep: values.duration("enrichment.sweep", MIN_INTERVAL),
        }
    }

    pub(super) fn check(&self, fullenrich: &FullenrichConfig, findings: &mut Findings) {
        self.budget.check(findings);
        if fullenrich.is_real_provider() {
            self.check_windows(findings);
        }
    }

    fn check_windows(&self, findings: &mut Findings) {
        if self.reconcile_window < CAREFUL_WINDOW {
            let message = "under 30m a request whose answer was lost may be sent again while FullEnrich still works on \
                           it, and be paid for twice";
            findings.warning("enrichment.reconcile_window", message);
        }
        if self.deadline < CAREFUL_DEADLINE {
            let message = "under 1h lookups that wait in FullEnrich's queue are given up as stale before their answer";
            findings.warning("enrichment.deadline", message);
        }
    }
}

fn read_poll(values: &mut Values, path: &str, fullenrich: &FullenrichConfig) -> Duration {
    let given = values.duration(path, MIN_INTERVAL);
    if given < PROVIDERS_POLL && fullenrich.is_real_provider() {
        let detail = "FullEnrich asks not to be polled more often than every 5m; write at least 5m".to_owned();
        values.refuse(path, detail);
    }
    given
}
