//! Events by hand: sending one, and taking in hand what no run has claimed.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use lumina_workflow::store::{Delivery, InboxQuery};
use lumina_workflow::{NewEvent, Payload, RunId, StoredEvent};
use serde_json::{Value, json};

use super::super::Global;
use super::super::output::{or_dash, print_json, print_line, table};
use super::who;
use crate::app::App;

#[derive(Args)]
pub(super) struct EmitArgs {
    /// The run's id.
    id: RunId,
    /// The event's name.
    event: String,
    /// Its JSON body.
    #[arg(default_value = "null")]
    payload: String,
    /// Its key, for waits that take only events with one.
    #[arg(long)]
    key: Option<String>,
    /// Its id: the same id again is the same event [default: a new one].
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,
}

#[derive(Args)]
pub(super) struct UnroutedArgs {
    #[command(subcommand)]
    command: Option<UnroutedCommand>,
    /// At most this many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

#[derive(Subcommand)]
enum UnroutedCommand {
    /// Gives an event to a run.
    Route {
        /// The event's number in the list.
        number: u64,
        /// The run's id.
        id: RunId,
    },
    /// Deletes an event.
    Discard {
        /// The event's number in the list.
        number: u64,
    },
}

pub(super) async fn emit(global: &Global, app: &App, args: &EmitArgs) -> anyhow::Result<()> {
    let payload: Value = serde_json::from_str(&args.payload).with_context(|| {
        format!(
            "the payload `{}` is no JSON; a text stands in \"double quotes\"",
            args.payload
        )
    })?;
    app.engine
        .run(args.id)
        .await?
        .with_context(|| format!("there is no run {}", args.id))?;
    let new_id = || format!("by-hand/{}", app.context.runtime.new_id());
    let id = args.event_id.clone().unwrap_or_else(new_id);
    let mut event = NewEvent::new(id.clone(), args.id, args.event.clone(), Payload::encode(&payload)?).sent_by(who());
    event.key = args.key.clone();
    let delivery = app.engine.emit(event).await?;
    let (word, told) = match delivery {
        Delivery::Routed(_) => ("routed", "The event is in the run's inbox."),
        Delivery::Unrouted => (
            "unrouted",
            "The run has ended: the event is kept among the unrouted ones.",
        ),
        Delivery::Duplicate => (
            "duplicate",
            "The run has had an event with this id before; nothing was sent.",
        ),
    };
    match global.json {
        true => print_json(&json!({ "eventId": id, "delivery": word })),
        false => print_line(told),
    }
}

pub(super) async fn unrouted(global: &Global, app: &App, args: &UnroutedArgs) -> anyhow::Result<()> {
    match &args.command {
        None => list(global, app, args.limit).await,
        Some(UnroutedCommand::Route { number, id }) => {
            app.engine.reroute(*number, *id, &who()).await?;
            tell(
                global,
                &json!({ "number": number, "workflowId": id }),
                "The event is in the run's inbox.",
            )
        }
        Some(UnroutedCommand::Discard { number }) => {
            app.engine.discard(*number, &who()).await?;
            tell(
                global,
                &json!({ "number": number, "discarded": true }),
                "The event is deleted.",
            )
        }
    }
}

fn tell(global: &Global, json: &Value, told: &str) -> anyhow::Result<()> {
    match global.json {
        true => print_json(json),
        false => print_line(told),
    }
}

async fn list(global: &Global, app: &App, limit: usize) -> anyhow::Result<()> {
    let query = InboxQuery {
        run: None,
        after: 0,
        limit,
    };
    let events = app.engine.inbox(query).await?.events;
    if global.json {
        let events: Vec<Value> = events.iter().map(to_json).collect();
        return print_json(&events);
    }
    if events.is_empty() {
        return print_line("No unrouted events.");
    }
    let mut table = table(&["number", "received (UTC)", "for", "event", "key", "id"]);
    for event in &events {
        table.add_row([
            event.seq.to_string(),
            event.received_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            event.target.to_string(),
            event.name.clone(),
            or_dash(event.key.as_ref()),
            event.id.clone(),
        ]);
    }
    print_line(&table.to_string())
}

fn to_json(event: &StoredEvent) -> Value {
    json!({
        "number": event.seq, "id": event.id, "for": event.target.to_string(), "event": event.name, "key": event.key,
        "payload": event.payload, "receivedAt": event.received_at, "by": event.by,
    })
}
