//! Subscribers in: from a webhook one at a time, from files a thousand a transaction.

use lumina_enrichment::subscriber::{NewSubscriber, SubscriberId};
use lumina_workflow::EngineError;

use crate::app::App;
use crate::records::{BATCH_SIZE, Channel, Delivery, Intake, IntakeReport, IntakeRow, JobId, Records};
use crate::workflows::{SubscriberEnrichment, Trigger};

/// Rows of a file that are stored in one transaction: short enough for whoever else writes.
pub const ROWS_PER_TRANSACTION: usize = 1_000;

/// Stores subscribers with at most this many lookups, in one transaction.
///
/// # Errors
/// When the database does not take them; then none of them is stored.
pub async fn ingest(
    app: &App,
    subscribers: Vec<NewSubscriber>,
    lookups: u64,
    channel: Channel,
    delivery: Option<Delivery>,
) -> Result<IntakeReport, EngineError> {
    let context = &app.context;
    let reason = match channel {
        Channel::Webhook => "webhook",
        Channel::File => "import",
    };
    let jobs = usize::try_from(lookups).unwrap_or(usize::MAX).min(subscribers.len());
    let runs = context.prepare::<SubscriberEnrichment>(&Trigger::new(reason), jobs / BATCH_SIZE + 2)?;
    let make_row = |subscriber| IntakeRow {
        id: SubscriberId(context.runtime.new_id()),
        job: JobId(context.runtime.new_id()),
        subscriber,
    };
    let intake = Intake {
        rows: subscribers.into_iter().map(make_row).collect(),
        lookups,
        channel,
        runs,
        linger: context.settings.linger,
        refresh_after: context.settings.refresh_after,
        delivery,
    };
    let report = app
        .engine
        .transact(context.runtime.new_id(), Records::intake(intake))
        .await?;
    Ok(report.decode()?)
}
