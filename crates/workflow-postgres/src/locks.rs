//! The counters that a group will need, locked in the order of their names, after its runs and before any of it is
//! applied: so no two groups wait for each other in a circle, but for what only an attachment or a key brings up.

use std::collections::BTreeSet;

use lumina_workflow::store::{Change, Member, NewRun, ScheduleChange};
use lumina_workflow::{NewEvent, RunId, Target};
use uuid::Uuid;

use crate::fault::Fault;
use crate::group::Group;
use crate::param::params;

#[derive(Default)]
struct Wanted<'m> {
    /// Runs that may end, or become ready at their key's turn.
    runs: BTreeSet<RunId>,
    /// Workflows and flow keys of runs that begin.
    turns: BTreeSet<(&'m str, &'m str)>,
}

impl<'m> Wanted<'m> {
    fn add(&mut self, member: &'m Member) {
        match &member.change {
            Change::Start(new) => self.begin(new),
            Change::Advance(step) => {
                self.runs.insert(step.lease.run);
                step.emits.iter().for_each(|event| self.send(event));
                step.starts.iter().for_each(|new| self.begin(new));
            }
            Change::Emit(event) => self.send(event),
            Change::Command(command) => drop(self.runs.insert(command.run)),
            Change::Unrouted(command) => self.runs.extend(command.to),
            Change::Schedule(ScheduleChange::Tick(tick)) => tick.starts.iter().for_each(|(_, new)| self.begin(new)),
            Change::Schedule(_) | Change::Nothing { .. } | Change::Flow(_) => {}
        }
    }

    fn send(&mut self, event: &'m NewEvent) {
        if let Target::Run(run) = event.target {
            self.runs.insert(run);
        }
    }

    fn begin(&mut self, new: &'m NewRun) {
        let key = new.flow_key.as_deref().filter(|key| !key.is_empty());
        self.turns.extend(key.map(|key| (new.workflow.as_str(), key)));
    }
}

/// Locks the counters of the runs that these members are about, as far as there are any.
pub(crate) async fn counters(group: &Group, members: &[&Member]) -> Result<(), Fault> {
    const SQL: &str = "SELECT 1 FROM lumina.workflow_flow AS f WHERE (f.workflow, f.key) IN (\
         SELECT r.workflow, k.key FROM lumina.workflow_run AS r, LATERAL (VALUES (''), (coalesce(r.flow_key, ''))) AS k(key) \
         WHERE r.id = ANY($1) AND (r.admitted = 1 OR r.flow_key > '' OR r.held_in IS NOT NULL) \
         UNION SELECT * FROM unnest($2::text[], $3::text[])) ORDER BY f.workflow, f.key FOR UPDATE";
    let mut wanted = Wanted::default();
    members.iter().for_each(|member| wanted.add(member));
    if members.len() < 2 || (wanted.runs.is_empty() && wanted.turns.is_empty()) {
        return Ok(());
    }
    let runs: Vec<Uuid> = wanted.runs.iter().map(|run| run.0).collect();
    let (workflows, keys): (Vec<&str>, Vec<&str>) = wanted.turns.iter().copied().unzip();
    group.execute(SQL, params![runs, workflows, keys]).await?;
    Ok(())
}
