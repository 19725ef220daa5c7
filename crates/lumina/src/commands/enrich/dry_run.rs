//! `lumina enrich --dry-run`: what would be bought, and at what cost. Nothing is changed by it.

use std::time::Duration;

use anyhow::bail;
use lumina_enrichment::credits::LookupEstimate;
use lumina_enrichment::job::JobStatus;
use lumina_fullenrich::CallKind;
use lumina_workflow_postgres::PostgresStore;
use serde::Serialize;

use super::super::output::{print_json, print_line, print_next, thousands};
use super::super::{Global, composition, credits, estimate, metrics};
use super::{Report, count};
use crate::app::App;
use crate::config::{Config, Database};
use crate::database::{SCHEMA_OWNER, server_scripts};
use crate::records::{ShownPause, Spending};

/// What would be bought, and what bounds it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plan {
    /// Of those that were never looked up, how many would be.
    would_create: u64,
    /// Lookups that wait already.
    pending: u64,
    /// Lookups that are out at the provider.
    submitted: u64,
    /// Both that would be created and that wait.
    lookups: u64,
    batches: u64,
    credits_at_most: u64,
    dollars_at_most: f64,
    budget: Spending,
    /// Whole credits in the account, if it could be asked.
    balance: Option<u64>,
    /// What of the balance is held for batches that are out.
    balance_reserved: u64,
    /// Why the balance is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    balance_unknown: Option<String>,
    /// How many of the lookups can be bought today.
    allowed_today: u64,
    /// What keeps the others back: `day`, `month`, `balance` or `pause`.
    bound_by: Option<&'static str>,
    /// From the first request to the last answer, while nothing keeps any back.
    seconds_at_most: u64,
    /// On how many days they would be bought, by the day's budget.
    days_at_most: Option<u64>,
    pauses: Vec<ShownPause>,
}

pub(super) async fn run(global: &Global, config: &Config, limit: Option<u64>) -> anyhow::Result<()> {
    check_database(config).await?;
    let app = composition::open_viewer(config).await?;
    check_people(config, &app).await?;
    let (missing, wanted) = count(config, &app, limit).await?;
    let plan = make(config, &app, wanted).await?;
    app.database.close().await?;
    let report = Report {
        never_looked_up: missing,
        jobs: plan.pending + plan.submitted,
        dry_run: true,
        plan: Some(plan),
        ..Report::default()
    };
    match (&report.plan, global.json) {
        (Some(plan), false) => show(config, missing, plan),
        _ => print_json(&report),
    }
}

/// Opening a database makes it, which would be a change.
async fn check_database(config: &Config) -> anyhow::Result<()> {
    match &config.database {
        Database::Sqlite { path } if !path.exists() => bail!(
            "there is no database {} yet, so nobody to look up; `lumina import FILE` makes it",
            path.display()
        ),
        Database::Sqlite { .. } => Ok(()),
        Database::Postgres { url } => {
            let seen = PostgresStore::look(composition::server(config, url, "lumina")?).await?;
            let missing = seen.missing_scripts(SCHEMA_OWNER, &server_scripts()).await?;
            if let Some(first) = missing.first() {
                bail!(
                    "{} does not have all tables of this version yet (`{first}` is missing); `lumina migrate` makes them",
                    seen.name()
                );
            }
            Ok(())
        }
    }
}

/// What would be refused is not shown as if it were not.
async fn check_people(config: &Config, app: &App) -> anyhow::Result<()> {
    let wanted = composition::people(config).as_str();
    match app.records.people().await? {
        Some(found) if found != wanted => bail!(
            "this database holds {found} people, and this command works with {wanted} ones: use another database (database.url)"
        ),
        _ => Ok(()),
    }
}

async fn make(config: &Config, app: &App, would_create: u64) -> anyhow::Result<Plan> {
    let (census, now) = (app.records.census().await?, app.context.runtime.now());
    let pending = census.of_status(JobStatus::Pending);
    let lookups = would_create + pending;
    let wanted = &config.enrichment;
    let estimate = LookupEstimate::new(lookups, Some(wanted.credit_price), wanted.max_in_flight_batches.get());
    let view = app.context.settings.view(now);
    let numbers = app.records.metrics(view).await?;
    let (balance, balance_unknown) = match ask_balance(config, app).await {
        Ok(credits) => (Some(credits), None),
        Err(why) => (None, Some(why)),
    };
    let mut plan = Plan {
        would_create,
        pending,
        submitted: census.of_status(JobStatus::Submitted),
        lookups,
        batches: estimate.batches,
        credits_at_most: estimate.credits_at_most.get(),
        dollars_at_most: estimate.money_at_most.map_or(0.0, |money| money.micros() as f64 / 1e6),
        budget: numbers.budget,
        balance,
        balance_reserved: app.records.reserved_of_balance(now).await?,
        balance_unknown,
        allowed_today: lookups,
        bound_by: None,
        seconds_at_most: estimate.duration_at_most.as_secs(),
        days_at_most: None,
        pauses: numbers.pauses,
    };
    plan.bound();
    Ok(plan)
}

/// Whole credits, or why they are not known.
async fn ask_balance(config: &Config, app: &App) -> Result<u64, String> {
    if config.fullenrich.api_key.is_none() {
        return Err("no key is set (FULLENRICH_API_KEY)".to_owned());
    }
    let provider = &app.context.provider;
    let permit = provider
        .calls
        .permit(CallKind::Account, app.context.runtime.now())
        .await;
    let permit = permit.map_err(|none| none.why)?;
    let balance = provider
        .client
        .credits(permit)
        .await
        .map_err(|error| error.to_string())?;
    Ok(balance.credits.max(0.0).floor() as u64)
}

impl Plan {
    /// What may be bought today, and the first thing that keeps the rest back.
    fn bound(&mut self) {
        let free = self
            .balance
            .map(|balance| balance.saturating_sub(self.balance_reserved));
        let bounds = [
            ("day", self.budget.day.left),
            ("month", self.budget.month.left),
            ("balance", free),
        ];
        for (name, left) in bounds {
            if let Some(left) = left.filter(|left| *left < self.allowed_today) {
                (self.allowed_today, self.bound_by) = (left, Some(name));
            }
        }
        self.days_at_most = self.count_days();
        if !self.pauses.is_empty() && self.lookups > 0 {
            (self.allowed_today, self.bound_by) = (0, Some("pause"));
        }
    }

    /// Today, and as many days more as the rest needs; nothing when no budget bounds a day, or it allows nothing.
    fn count_days(&self) -> Option<u64> {
        let (limit, left) = (self.budget.day.limit?, self.budget.day.left?);
        let rest = self.lookups.saturating_sub(left);
        (limit > 0).then(|| 1 + rest.div_ceil(limit))
    }

    fn tell_bound(&self) -> &'static str {
        match self.bound_by {
            None => "all of them",
            Some("day") => "the rest waits for the next day's budget (enrichment.budget.per_day)",
            Some("month") => "the rest waits for the next month's budget (enrichment.budget.per_month)",
            Some("balance") => "the rest waits for credits in the account",
            Some(_) => "lookups are paused",
        }
    }

    fn tell_balance(&self) -> String {
        match (self.balance, &self.balance_unknown) {
            (Some(balance), _) if self.balance_reserved > 0 => format!(
                "{} credits, {} of them held for batches that are out",
                thousands(balance),
                thousands(self.balance_reserved)
            ),
            (Some(balance), _) => format!("{} credits", thousands(balance)),
            (None, why) => format!("not known: {}", why.as_deref().unwrap_or("it was not asked for")),
        }
    }

    fn tell_time(&self) -> String {
        let time = estimate::tell_duration(Duration::from_secs(self.seconds_at_most));
        match self.days_at_most {
            Some(days) if days > 1 => format!("up to {time}, on {} days by the day's budget", thousands(days)),
            _ => format!("up to {time}"),
        }
    }
}

fn show(config: &Config, missing: u64, plan: &Plan) -> anyhow::Result<()> {
    let price = config.enrichment.credit_price;
    let rows = [
        ("never looked up", thousands(missing)),
        ("would be created", thousands(plan.would_create)),
        ("pending already", thousands(plan.pending)),
        (
            "lookups in all",
            format!(
                "{}, in {}",
                thousands(plan.lookups),
                estimate::count_batches(plan.batches)
            ),
        ),
        (
            "credits, at most",
            format!(
                "{} (about ${:.2} at ${price} a credit)",
                thousands(plan.credits_at_most),
                plan.dollars_at_most
            ),
        ),
        ("budget today", credits::describe(&plan.budget.day)),
        ("budget this month", credits::describe(&plan.budget.month)),
        ("balance", plan.tell_balance()),
        (
            "can be bought today",
            format!("{}: {}", thousands(plan.allowed_today), plan.tell_bound()),
        ),
        ("takes", plan.tell_time()),
    ];
    for (name, value) in rows {
        print_line(&format!("{name:<21}{value}"))?;
    }
    for pause in &plan.pauses {
        print_line(&format!("{:<21}{}", "paused", metrics::describe(pause)))?;
    }
    print_line("Nothing was changed.")?;
    print_next(&[match (plan.pauses.first(), plan.lookups) {
        (Some(pause), _) => metrics::advice(pause.reason),
        (None, 0) => ("lumina leads", "everybody was looked up"),
        (None, _) => ("lumina enrich", "buys them; above 100 it asks, or takes --yes"),
    }])
}
