//! One answer.

use std::io::Write;

use anyhow::Context as _;
use lumina_fullenrich::Answer;
use lumina_fullenrich::result::Record;
use serde_json::{Value, json};

use super::super::Global;
use super::super::output::{keep_whole, moment, or_dash, print_json, print_line, print_next, table, thousands};
use super::list::status;
use super::{find, missing};
use crate::app::App;
use crate::records::{AnswerId, AnswerState, ListedAnswer};
use crate::workflows::answer_of;

pub(super) async fn print_raw(app: &App, id: AnswerId) -> anyhow::Result<()> {
    let stored = app.records.answer(id).await?.with_context(|| missing(id))?;
    match std::io::stdout().lock().write_all(&stored.body) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

pub(super) async fn show(global: &Global, app: &App, id: AnswerId) -> anyhow::Result<()> {
    let listed = find(app, id).await?;
    let stored = app.records.answer(id).await?.with_context(|| missing(id))?;
    let answer = answer_of(stored.body.into())?;
    if global.json {
        return print_json(&to_json(&listed, &answer)?);
    }
    print_line(&describe(&listed, &answer))?;
    print_line(&render(&answer.result().data))?;
    print_next(&[next(&listed).each_ref().map(String::as_str).into()])
}

fn to_json(listed: &ListedAnswer, answer: &Answer) -> anyhow::Result<Value> {
    let mut shown = serde_json::to_value(listed)?;
    let fields = shown.as_object_mut().expect("a struct is an object");
    fields.insert("cost".to_owned(), json!(answer.result().credits()));
    fields.insert("bytes".to_owned(), json!(answer.raw().len()));
    let people: Vec<Value> = answer.result().data.iter().map(person_json).collect();
    fields.insert("people".to_owned(), json!(people));
    Ok(shown)
}

fn person_json(record: &Record) -> Value {
    json!({
        "email": record.input.email, "found": record.is_found(), "fullName": full_name(record),
        "custom": record.custom,
    })
}

fn full_name(record: &Record) -> Option<String> {
    let person = record.profile.as_ref()?;
    person.full_name.clone().or_else(|| {
        let parts: Vec<&str> = [&person.first_name, &person.last_name]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    })
}

fn describe(listed: &ListedAnswer, answer: &Answer) -> String {
    let cost = answer
        .result()
        .credits()
        .map(|credits| format!("{} credits", thousands(credits)));
    let lines = [
        (
            "received",
            format!("{} UTC, by {}", moment(listed.received_at), listed.source.as_str()),
        ),
        ("enrichment id", listed.enrichment_id.clone()),
        ("status", status(listed)),
        ("state", tell_state(listed)),
        ("cost", cost.unwrap_or_else(|| "not said".to_owned())),
        ("run", or_dash(listed.workflow_id)),
        ("body", format!("{} bytes", thousands(answer.raw().len() as u64))),
    ];
    let told = lines.map(|(name, value)| format!("  {name:<15}{value}\n")).concat();
    format!("Answer {}\n{told}", listed.id.0)
}

fn tell_state(listed: &ListedAnswer) -> String {
    match listed.state {
        AnswerState::Unclaimed => "unclaimed: no batch of ours is known by this enrichment id".to_owned(),
        AnswerState::Waiting => "waiting: its run has not applied it yet".to_owned(),
        AnswerState::Applied => format!("applied {} UTC", or_dash(listed.applied_at.map(moment))),
        AnswerState::Superseded => "superseded: another final answer of its batch was applied".to_owned(),
        AnswerState::Kept => "kept: it is not the last one, and fills in what that leaves out".to_owned(),
    }
}

fn render(records: &[Record]) -> String {
    if records.is_empty() {
        return "It names nobody.".to_owned();
    }
    let mut table = table(&["email", "found", "person"]);
    for record in records {
        table.add_row([
            or_dash(record.input.email.as_ref()),
            if record.is_found() { "yes" } else { "no" }.to_owned(),
            or_dash(full_name(record)),
        ]);
    }
    keep_whole(&mut table, &[0, 1]);
    table.to_string()
}

fn next(listed: &ListedAnswer) -> [String; 2] {
    match (listed.state, listed.workflow_id) {
        (AnswerState::Unclaimed, _) | (_, None) => [
            format!("lumina answers replay {}", listed.id.0),
            "routes it anew, as if it came in again".to_owned(),
        ],
        (_, Some(run)) => [
            format!("lumina credits show {run}"),
            "the batch that it is about".to_owned(),
        ],
    }
}
