//! What a group locks before anything else, in one order for all: runs by their ids, then counters by their names.
//! So no two groups wait for each other in a circle, but for what only an attachment or a key brings up.

use std::collections::BTreeSet;

use lumina_workflow::store::{Change, Member, Next, ScheduleChange};
use lumina_workflow::{CorrelationKey, NewEvent, RunId, Target};
use uuid::Uuid;

use crate::fault::Fault;
use crate::group::Group;
use crate::param::{Param, params};

#[derive(Default)]
struct Wanted<'m> {
    runs: BTreeSet<RunId>,
    keys: BTreeSet<&'m CorrelationKey>,
    /// Workflows and flow keys of runs that begin.
    turns: BTreeSet<(&'m str, &'m str)>,
    /// A run may end, or become ready at its key's turn.
    counted: bool,
}

impl<'m> Wanted<'m> {
    fn by(members: &'m [Member]) -> Self {
        let mut wanted = Self::default();
        for member in members {
            wanted.add(member);
        }
        wanted
    }

    fn add(&mut self, member: &'m Member) {
        match &member.change {
            Change::Start(new) => self.begin(&new.workflow, new.flow_key.as_deref()),
            Change::Advance(step) => {
                self.runs.insert(step.lease.run);
                self.counted |= matches!(step.next, Next::Finish(_) | Next::Release | Next::Park { .. });
                step.emits.iter().for_each(|event| self.send(event));
                step.starts
                    .iter()
                    .for_each(|new| self.begin(&new.workflow, new.flow_key.as_deref()));
            }
            Change::Emit(event) => self.send(event),
            Change::Command(command) => {
                self.runs.insert(command.run);
                self.counted = true;
            }
            Change::Unrouted(command) => self.runs.extend(command.to),
            Change::Schedule(ScheduleChange::Tick(tick)) => {
                let starts = tick.starts.iter().map(|(_, new)| new);
                starts.for_each(|new| self.begin(&new.workflow, new.flow_key.as_deref()));
            }
            Change::Schedule(_) | Change::Nothing { .. } | Change::Flow(_) => {}
        }
    }

    fn send(&mut self, event: &'m NewEvent) {
        self.counted = true;
        match &event.target {
            Target::Run(run) => drop(self.runs.insert(*run)),
            Target::Key(key) => drop(self.keys.insert(key)),
        }
    }

    fn begin(&mut self, workflow: &'m str, flow_key: Option<&'m str>) {
        self.turns.extend(flow_key.filter(|key| !key.is_empty()).map(|key| (workflow, key)));
    }
}

/// Locks what the members are about, as far as it is there.
pub(crate) async fn take(group: &Group, members: &[Member]) -> Result<(), Fault> {
    const RUNS: &str = "SELECT 1 FROM lumina.workflow_run WHERE id IN (SELECT unnest($1::uuid[]) UNION SELECT k.run \
         FROM unnest($2::text[], $3::text[]) AS w(namespace, key) JOIN lumina.workflow_key AS k \
         ON k.namespace = w.namespace AND k.key = w.key) ORDER BY id FOR UPDATE";
    let wanted = Wanted::by(members);
    // One that is alone locks in the order of what it does, which is the same.
    if members.len() < 2 {
        return Ok(());
    }
    let runs: Vec<Uuid> = wanted.runs.iter().map(|run| run.0).collect();
    if !(runs.is_empty() && wanted.keys.is_empty()) {
        let namespaces: Vec<&str> = wanted.keys.iter().map(|key| key.namespace.as_str()).collect();
        let keys: Vec<&str> = wanted.keys.iter().map(|key| key.key.as_str()).collect();
        group.execute(RUNS, params![runs.clone(), namespaces, keys]).await?;
    }
    if wanted.counted || !wanted.turns.is_empty() {
        counters(group, &wanted, runs).await?;
    }
    Ok(())
}

async fn counters(group: &Group, wanted: &Wanted<'_>, runs: Vec<Uuid>) -> Result<(), Fault> {
    const SQL: &str = "SELECT 1 FROM lumina.workflow_flow AS f WHERE (f.workflow, f.key) IN (\
         SELECT r.workflow, k.key FROM lumina.workflow_run AS r, LATERAL (VALUES (''), (coalesce(r.flow_key, ''))) AS k(key) \
         WHERE r.id = ANY($1) AND (r.admitted = 1 OR r.flow_key > '' OR r.held_in IS NOT NULL) \
         UNION SELECT * FROM unnest($2::text[], $3::text[])) ORDER BY f.workflow, f.key FOR UPDATE";
    let (workflows, keys): (Vec<&str>, Vec<&str>) = wanted.turns.iter().copied().unzip();
    group.execute(SQL, &[Param::from(runs), workflows.into(), keys.into()]).await?;
    Ok(())
}
