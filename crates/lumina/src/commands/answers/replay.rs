//! An answer that is routed anew.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use lumina_workflow::store::InboxQuery;
use lumina_workflow::{CorrelationKey, Target};
use serde_json::json;

use super::super::Global;
use super::super::output::{moment, print_json, print_line, print_next};
use super::super::workflows::who;
use super::{find, missing};
use crate::app::App;
use crate::records::{AnswerFate, AnswerId, AnswerRef, AnswerState, ListedAnswer, Replayed};
use crate::workflows::{self, ENRICHMENT_NAMESPACE, answer_of};

/// How many unrouted events are looked at at a time.
const PAGE: usize = 100;

pub(super) async fn replay(global: &Global, app: &App, id: AnswerId) -> anyhow::Result<ExitCode> {
    let listed = find(app, id).await?;
    if let (AnswerState::Applied, Some(at)) = (listed.state, listed.applied_at) {
        bail!(
            "answer {} was applied at {} UTC already; what it said is there",
            id.0,
            moment(at)
        );
    }
    let stored = app.records.answer(id).await?.with_context(|| missing(id))?;
    let answer = answer_of(stored.body.into())?;
    let replayed = workflows::replay(&app.context, &listed, &answer).await?;
    let replayed = replayed.with_context(|| format!("answer {} names no batch", id.0))?;
    if matches!(replayed.fate, AnswerFate::Routed | AnswerFate::Late) {
        discard_event(app, &listed).await?;
    }
    tell(global, &listed, &replayed)?;
    Ok(match replayed.fate {
        AnswerFate::Unrouted => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// The event by which nobody was told is of no use any more.
async fn discard_event(app: &App, answer: &ListedAnswer) -> anyhow::Result<()> {
    let target = Target::Key(CorrelationKey::new(ENRICHMENT_NAMESPACE, answer.enrichment_id.clone()));
    let mut after = 0;
    loop {
        let query = InboxQuery {
            run: None,
            after,
            limit: PAGE,
        };
        let events = app.engine.inbox(query).await?.events;
        for event in events.iter().filter(|event| event.target == target) {
            if event
                .payload
                .decode::<AnswerRef>()
                .is_ok_and(|told| told.answer == answer.id)
            {
                app.engine.discard(event.seq, &who()).await?;
            }
        }
        match events.last() {
            Some(last) if events.len() == PAGE => after = last.seq,
            _ => return Ok(()),
        }
    }
}

fn tell(global: &Global, answer: &ListedAnswer, replayed: &Replayed) -> anyhow::Result<()> {
    if global.json {
        return print_json(&json!({
            "answerId": answer.id, "fate": replayed.fate, "workflowId": replayed.workflow_id,
        }));
    }
    print_line(match replayed.fate {
        AnswerFate::Routed => "Its run is told, and applies it.",
        AnswerFate::Late => "Its run is over: a run of its own applies it.",
        AnswerFate::Kept => "It belongs to a batch of ours, and is not the last answer: nothing is to be applied.",
        AnswerFate::Duplicate => "It was routed already.",
        AnswerFate::Unrouted => {
            "Still nobody claims it: no batch of ours has its enrichment id, and no batch that it names waits for one."
        }
    })?;
    match (replayed.fate, replayed.workflow_id) {
        (AnswerFate::Late, _) => print_next(&[(
            "lumina workflows list --workflow late-answer",
            "the run that applies it; a running `lumina serve` executes it",
        )]),
        (_, Some(run)) => print_next(&[(&format!("lumina workflows show {run}"), "what its run does with it")]),
        (_, None) => print_next(&[(
            &format!("lumina answers show {}", answer.id.0),
            "whom it names; it is kept for as long as retention.raw says",
        )]),
    }
}
