//! From a claim to a driver: the whole history, the whole inbox, the code.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Driver, StoreTime};
use crate::event::StoredEvent;
use crate::execution::Execution;
use crate::history::Record;
use crate::id::{DefinitionHash, RunId, Seq};
use crate::replay::{self, Replay};
use crate::seat::Seat;
use crate::shell::Shell;
use crate::store::{
    Advance, CLAIMED_EVENTS, CLAIMED_RECORDS, Change, Claimed, Inbox, InboxQuery, Next, Store, StoreError, StoredRecord,
};

/// How much of a history or an inbox is read at once.
const PAGE: usize = 1_000;

/// Executes a claimed run until it is parked, ended, released or lost.
pub(crate) async fn execute(shell: Arc<Shell>, seat: Arc<Seat>, claimed: Claimed) {
    let run = claimed.run.id;
    if !shell.definitions.contains_key(claimed.run.workflow.as_str()) {
        return block_unknown(&shell, &claimed).await;
    }
    match load(&shell, &seat, claimed).await {
        Ok(mut driver) => driver.drive().await,
        Err(error) => {
            tracing::error!(%run, %error, "a run could not be loaded; it is tried again when its lease has expired");
        }
    }
}

async fn load(shell: &Arc<Shell>, seat: &Arc<Seat>, claimed: Claimed) -> Result<Driver, StoreError> {
    let Claimed {
        lease,
        run: row,
        records,
        events,
        now,
    } = claimed;
    let definition = shell.definitions[row.workflow.as_str()].clone();
    let time = StoreTime {
        base: now,
        at: shell.runtime.monotonic(),
    };
    let records = complete_history(&*shell.store, row.id, records).await?;
    let events = complete_inbox(shell, row.id, events).await?;
    let left_behind = replay::left_behind(&records);
    let replay = Replay::fold(&records, row.phase);
    let begun = replay.live_children();
    let begun = begun.map(|(step, run)| (step.ordinal, (step.clone(), run))).collect();
    let execution = Execution::begin(shell.runtime.clone(), &definition, &row, row.phase, replay);
    let (send, receive) = mpsc::unbounded_channel();
    Ok(Driver {
        shell: shell.clone(),
        seat: seat.clone(),
        lease,
        time,
        phase: row.phase,
        seq: row.seq,
        inbox: row.inbox,
        inbox_stale: false,
        cancel_by: row.cancel_by.clone(),
        pause_by: row.pause_by.clone(),
        events,
        board: execution.board.clone(),
        execution,
        ended: None,
        ended_here: Default::default(),
        pending: Vec::new(),
        consumed: Vec::new(),
        keys: Vec::new(),
        starts: Vec::new(),
        to_start: Default::default(),
        running: BTreeMap::new(),
        waits: BTreeMap::new(),
        sleeps: BTreeMap::new(),
        unborn: Default::default(),
        children: BTreeMap::new(),
        begun,
        left: Vec::new(),
        left_behind,
        delays: BTreeMap::new(),
        attempts: BTreeMap::new(),
        send,
        receive,
        definition,
        row,
    })
}

/// A run's whole history, page by page.
pub(crate) async fn read_history(store: &dyn Store, run: RunId) -> Result<Vec<Record>, StoreError> {
    let first = store.history(run, Seq(0), CLAIMED_RECORDS).await?;
    complete_history(store, run, first).await
}

async fn complete_history(store: &dyn Store, run: RunId, first: Vec<StoredRecord>) -> Result<Vec<Record>, StoreError> {
    let mut all = first;
    let mut full = all.len() >= CLAIMED_RECORDS;
    while full {
        let after = all.last().map_or(Seq(0), |stored| stored.seq);
        let page = store.history(run, after, PAGE).await?;
        full = page.len() == PAGE;
        all.extend(page);
    }
    Ok(all.into_iter().map(|stored| stored.record).collect())
}

async fn complete_inbox(
    shell: &Shell,
    run: RunId,
    first: Vec<StoredEvent>,
) -> Result<BTreeMap<u64, StoredEvent>, StoreError> {
    let full = first.len() >= CLAIMED_EVENTS;
    let mut all: BTreeMap<u64, StoredEvent> = first.into_iter().map(|event| (event.seq, event)).collect();
    if full {
        let after = all.last_key_value().map_or(0, |(seq, _)| *seq);
        let rest = read_events(shell, run, after).await?;
        all.extend(rest.into_iter().map(|event| (event.seq, event)));
    }
    Ok(all)
}

/// The whole inbox of a run. Its counter is of the first page's moment: what has come in since is looked at again.
pub(super) async fn read_inbox(shell: &Shell, run: RunId) -> Result<Inbox, StoreError> {
    let mut inbox = read_page(shell, run, 0).await?;
    if inbox.events.len() == PAGE {
        let after = inbox.events.last().map_or(0, |event| event.seq);
        inbox.events.extend(read_events(shell, run, after).await?);
    }
    Ok(inbox)
}

/// All events of a run's inbox after a place, page by page.
async fn read_events(shell: &Shell, run: RunId, mut after: u64) -> Result<Vec<StoredEvent>, StoreError> {
    let mut all: Vec<StoredEvent> = Vec::new();
    loop {
        let page = read_page(shell, run, after).await?.events;
        let full = page.len() == PAGE;
        all.extend(page);
        if !full {
            return Ok(all);
        }
        after = all.last().map_or(after, |event| event.seq);
    }
}

async fn read_page(shell: &Shell, run: RunId, after: u64) -> Result<Inbox, StoreError> {
    let query = InboxQuery {
        run: Some(run),
        after,
        limit: PAGE,
    };
    shell.store.inbox(query).await
}

async fn block_unknown(shell: &Shell, claimed: &Claimed) {
    let reason = format!("no workflow named {} is registered here", claimed.run.workflow);
    tracing::error!(run = %claimed.run.id, reason, "a run is blocked");
    let advance = Advance {
        lease: claimed.lease,
        seq: claimed.run.seq,
        records: Vec::new(),
        consumed: Vec::new(),
        keys: Vec::new(),
        starts: Vec::new(),
        emits: Vec::new(),
        guard: None,
        next: Next::Block {
            reason,
            hash: DefinitionHash(0),
        },
    };
    if let Err(error) = shell.pipeline.submit(Change::Advance(advance).into()).await {
        tracing::warn!(run = %claimed.run.id, %error, "the run could not be marked as blocked; it is claimed again later");
    }
}
