//! Everything that a run is set to: times, limits, moods, and how fast it goes. The values stand here and nowhere else.

use std::ops::Range;
use std::time::Duration;

use crate::moods::Moods;

/// What a run is set to.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The times of Lumina's pipeline.
    pub times: Times,
    /// How many batches Lumina may have out.
    pub max_in_flight: u32,
    /// What may be spent, one after the other: each is found used up before Lumina is started with the next.
    pub budgets: Vec<Budget>,
    /// How often each mood comes over the sandbox.
    pub moods: Moods,
    /// How the sandbox works when no mood is over it.
    pub provider: Provider,
    /// Who is killed, and when.
    pub kills: Kills,
    /// How subscribers come in.
    pub feeding: Feeding,
    /// How long everything may take to come to rest once the faults are over.
    pub patience: Duration,
}

/// The times of Lumina's pipeline.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// `enrichment.deadline`
    pub deadline: Duration,
    /// `enrichment.reconcile_window`
    pub window: Duration,
    /// `fullenrich.timeout`
    pub timeout: Duration,
    /// `enrichment.linger`
    pub linger: Duration,
    /// `enrichment.poll.first`
    pub poll_first: Duration,
    /// `enrichment.poll.every`
    pub poll_every: Duration,
    /// `enrichment.late_poll`
    pub late_poll: Duration,
    /// `enrichment.sweep`, and `enrichment.schedule`
    pub sweep: Duration,
    /// `enrichment.probe`
    pub probe: Duration,
    /// `enrichment.retry.first`
    pub retry: Duration,
    /// `enrichment.retry.unreachable`
    pub unreachable: Duration,
    /// `worker.lease`, which counts where several processes are
    pub lease: Duration,
}

/// What may be spent on a UTC day and in a UTC month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// `enrichment.budget.per_day`
    pub per_day: u64,
    /// `enrichment.budget.per_month`
    pub per_month: u64,
}

/// How the sandbox works when no mood is over it.
#[derive(Debug, Clone, Copy)]
pub struct Provider {
    /// The shortest lookup.
    pub lookup_min: Duration,
    /// The longest one. Most are short.
    pub lookup_max: Duration,
    /// Between two tries of a callback; it is tried six times in all.
    pub callback_retry: Duration,
}

/// Who is killed, and when. Times are in milliseconds.
#[derive(Debug, Clone)]
pub struct Kills {
    /// How long a life lasts that ends at a random moment.
    pub lives: Range<u64>,
    /// How long nobody serves after a kill.
    pub gaps: Range<u64>,
    /// Of a hundred kills, how many are aimed.
    pub aimed: u64,
    /// Of a hundred lives, in how many the sandbox is killed as well.
    pub sandbox: u64,
}

/// How subscribers come in. Times are in milliseconds.
#[derive(Debug, Clone)]
pub struct Feeding {
    /// How many send webhooks at a time.
    pub senders: usize,
    /// Between two webhooks of one sender.
    pub pauses: Range<u64>,
    /// Between two files.
    pub files: Range<u64>,
    /// So many people in the database before anything is started.
    pub before: u64,
}

/// More than any run spends.
const ENOUGH: u64 = 10_000_000;

impl Budget {
    /// That many a day, and as much as is needed a month.
    #[must_use]
    pub const fn per_day(credits: u64) -> Self {
        Self {
            per_day: credits,
            per_month: ENOUGH,
        }
    }

    /// That many a month, and as much as is needed a day.
    #[must_use]
    pub const fn per_month(credits: u64) -> Self {
        Self {
            per_day: ENOUGH,
            per_month: credits,
        }
    }

    /// As much as is needed.
    #[must_use]
    pub const fn ample() -> Self {
        Self::per_day(ENOUGH)
    }
}

impl Scene {
    /// All moods, kills of both kinds, and a budget that is used up twice.
    #[must_use]
    pub fn chaos() -> Self {
        Self {
            times: Times::short(),
            max_in_flight: 4,
            budgets: vec![Budget::per_day(60), Budget::per_month(180), Budget::ample()],
            moods: Moods::all(),
            provider: Provider {
                lookup_min: Duration::from_millis(100),
                lookup_max: Duration::from_millis(1_500),
                callback_retry: Duration::from_millis(700),
            },
            kills: Kills {
                lives: 200..4_500,
                gaps: 0..900,
                aimed: 60,
                sandbox: 12,
            },
            feeding: Feeding {
                senders: 4,
                pauses: 0..350,
                files: 2_000..6_000,
                before: 0,
            },
            patience: Duration::from_secs(60),
        }
    }
}

impl Times {
    /// Everything that takes minutes and hours really, in seconds. A life lasts as long as a deadline at most, and
    /// longer than a window, so that both pass within one and across several.
    #[must_use]
    pub const fn short() -> Self {
        Self {
            deadline: Duration::from_secs(6),
            window: Duration::from_secs(2),
            timeout: Duration::from_millis(1_500),
            linger: Duration::from_millis(150),
            poll_first: Duration::from_millis(500),
            poll_every: Duration::from_millis(700),
            late_poll: Duration::from_millis(500),
            sweep: Duration::from_millis(500),
            probe: Duration::from_millis(500),
            retry: Duration::from_millis(100),
            unreachable: Duration::from_millis(300),
            lease: Duration::from_secs(5),
        }
    }
}
