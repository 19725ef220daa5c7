//! One subscriber, stored together with the delivery that brought it.

use lumina_enrichment::subscriber::NewSubscriber;
use lumina_intake::IntakeRow;
use serde::Serialize;
use uuid::Uuid;

use super::arrival::Arrival;
use crate::http::body::ReceivedBody;
use crate::http::error::ApiError;
use crate::http::patience::commit;
use crate::ingest::ingest;
use crate::records::{Channel, Delivery};

/// What became of a subscriber.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Subscribed {
    subscriber_id: Uuid,
    status: &'static str,
    /// The run that looks the address up; null when nothing is looked up.
    workflow_id: Option<Uuid>,
}

/// Stores a subscriber. When this returns it is durable, and so are its lookup and the delivery's body.
///
/// Platforms send what they got no answer for once more, and some send everything twice. That needs no list of what
/// was seen: the subscriber is unique by its address, and a known one is updated and not looked up again.
pub(super) async fn take_in(
    arrival: &Arrival<'_>,
    row: IntakeRow,
    default_source: &str,
    body: &ReceivedBody,
) -> Result<Subscribed, ApiError> {
    let app = &arrival.state.app;
    let source = row.source.as_deref().unwrap_or(default_source);
    let subscriber = NewSubscriber::new(row.email, source, &app.classifier)
        .with_name(row.name.as_deref())
        .with_metadata(row.metadata);
    let delivery = Delivery {
        id: app.context.runtime.new_id(),
        route: arrival.route.clone(),
        body: body.bytes.to_vec(),
    };
    let intake = ingest(app, vec![subscriber], 1, Channel::Webhook, Some(delivery));
    let report = commit(arrival.state, intake).await?;
    let single = report
        .single
        .ok_or_else(|| ApiError::internal("one subscriber was stored, and none came back"))?;
    Ok(Subscribed {
        subscriber_id: single.subscriber,
        status: if single.created { "created" } else { "updated" },
        workflow_id: single.run.map(|run| run.0),
    })
}
