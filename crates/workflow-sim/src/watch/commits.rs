//! What was committed.

use lumina_workflow::store::{
    Advance, Change, CommandKind, Ending, Member, MemberResult, Next, Outcome, StoreError, StoredRecord,
};
use lumina_workflow::{Epoch, Payload, Record, RunId, What};

use super::{Inboxes, PANIC, Standing, State, Watch, Watched, Who};
use crate::trace::lock;

impl Watch {
    /// A group was applied, and this is what the store answered. `inboxes` are those of runs that were
    /// parked or whose waits have timed out, as they were just before.
    pub fn committed(
        &self,
        who: Who,
        members: &[Member],
        inboxes: &Inboxes,
        answer: &Result<Vec<MemberResult>, StoreError>,
    ) {
        let mut state = lock(&self.state);
        let before = state.open;
        match answer {
            Err(error) => state.blame(format!("the store itself failed: {error}")),
            Ok(results) if results.len() != members.len() => {
                state.blame("the store did not answer for each member".to_owned());
            }
            Ok(results) => {
                let applied = members.iter().zip(results);
                applied
                    .filter_map(|(member, result)| Some((member, result.as_ref().ok()?)))
                    .for_each(|(member, outcome)| state.apply(who, member, inboxes, outcome));
            }
        }
        if state.open < before || !state.violations.is_empty() {
            self.news.notify_one();
        }
    }
}

impl Watch {
    /// A command has written into a run's history, as if it had claimed the run for a moment.
    pub fn commanded(&self, run: RunId, written: Vec<StoredRecord>) {
        let mut state = lock(&self.state);
        for StoredRecord { record, .. } in written {
            let known = state.run(run);
            if record.epoch.0 != known.epoch + 1 {
                let name = known.name();
                state.blame(format!("{name}: a command wrote without raising the epoch by one"));
                return;
            }
            known.epoch = record.epoch.0;
            known.stand_as(&record.what);
            match record.what.clone() {
                What::Rewound { by, .. } => state.go_back(run, record, &by),
                _ => known.push(record),
            }
        }
    }
}

impl State {
    fn apply(&mut self, who: Who, member: &Member, inboxes: &Inboxes, outcome: &Outcome) {
        match (&member.change, outcome) {
            (Change::Start(new), Outcome::Started) => drop(self.run(new.id)),
            (Change::Advance(advance), Outcome::Advanced { payload, .. }) => {
                self.advance(who, advance, inboxes, payload.as_ref());
            }
            (Change::Emit(event), Outcome::Emitted(delivery)) => {
                self.stored(event, *delivery);
            }
            (Change::Command(command), Outcome::Commanded { effective: true }) => {
                let run = self.run(command.run);
                match command.what {
                    CommandKind::Cancel => run.cancelled_by = Some(command.by.clone()),
                    CommandKind::Rewind { .. } => return self.open_again(command.run),
                    CommandKind::Pause | CommandKind::Resume => {}
                }
                let ends = command.what == CommandKind::Cancel && run.standing == Standing::Paused;
                if ends || matches!(run.standing, Standing::Blocked(_)) {
                    run.standing = Standing::Free;
                }
            }
            _ => {}
        }
    }

    fn advance(&mut self, who: Who, advance: &Advance, inboxes: &Inboxes, payload: Option<&Payload>) {
        let id = advance.lease.run;
        let run = self.run(id);
        let name = run.name();
        let records = filled(&advance.records, payload);
        let mut problems = run.check_lease(who, advance);
        match run.place(advance, &records) {
            // Nothing is applied, and how it goes on was said the first time.
            Place::Again => return self.blame_all(&name, problems),
            Place::Elsewhere(problem) => problems.push(problem),
            Place::Next if matches!(run.standing, Standing::Ended(_)) && !records.is_empty() => {
                problems.push("records follow its end".to_owned());
            }
            Place::Next => {
                problems.extend(run.find_stir());
                problems.extend(run.append(&records));
                problems.extend(run.find_overlooked(advance, inboxes.get(&id)));
                if !records.is_empty() {
                    problems.extend(self.find_left_behind(id));
                }
            }
        }
        let run = self.run(id);
        problems.extend(run.go_on(&advance.next));
        let ended = matches!(run.standing, Standing::Ended(_)) && !std::mem::replace(&mut run.counted, true);
        self.open -= usize::from(ended);
        let barred = self.run(id).barred;
        for child in &advance.starts {
            self.run(child.id).barred |= barred;
        }
        self.consume(id, &records);
        problems.extend(self.hold(id, &advance.keys, &advance.next));
        self.blame_all(&name, problems);
    }

    fn blame_all(&mut self, name: &str, problems: Vec<String>) {
        problems
            .into_iter()
            .for_each(|problem| self.blame(format!("{name}: {problem}")));
    }
}

/// Where a change's records belong.
enum Place {
    Next,
    /// They are there already.
    Again,
    Elsewhere(String),
}

impl Watched {
    fn check_lease(&self, who: Who, advance: &Advance) -> Vec<String> {
        let epoch = advance.lease.epoch;
        let mut problems = Vec::new();
        if epoch.0 != self.epoch {
            let current = self.epoch;
            problems.push(format!(
                "a write with epoch {} was accepted, {current} is current",
                epoch.0
            ));
        }
        match self.grants.get(&epoch) {
            Some(grant) if grant.who == who => {}
            _ => problems.push(format!("{who} wrote under epoch {}, which is not its own", epoch.0)),
        }
        problems
    }

    fn place(&self, advance: &Advance, records: &[Record]) -> Place {
        let (before, now) = (advance.seq.0, self.records.len() as u64);
        if before == now {
            // Under one epoch a run is given back once. What tells nothing new after that was applied already.
            let given_back = !matches!(self.standing, Standing::Running { .. });
            return match given_back && records.is_empty() {
                true => Place::Again,
                false => Place::Next,
            };
        }
        let first = usize::try_from(before).unwrap_or(usize::MAX);
        let there = self.records.get(first..).is_some_and(|stored| stored == records);
        match there && !records.is_empty() {
            true => Place::Again,
            false => Place::Elsewhere(format!("records after {before} were accepted, the history had {now}")),
        }
    }

    /// While a run is paused no deadline passes, nothing is consumed, and nobody writes.
    fn find_stir(&self) -> Option<String> {
        (self.standing == Standing::Paused).then(|| "was written while it was paused".to_owned())
    }

    /// What a command has written says how the run stands.
    fn stand_as(&mut self, what: &What) {
        match what {
            What::Paused { .. } => self.standing = Standing::Paused,
            What::Resumed { .. } => self.standing = Standing::Free,
            _ => {}
        }
    }

    fn append(&mut self, records: &[Record]) -> Vec<String> {
        let mut problems = Vec::new();
        for record in records {
            if record.epoch.0 != self.epoch {
                problems.push("a record carries another epoch than its lease".to_owned());
            }
            problems.extend(self.steps.add(record));
            self.resolve(record);
        }
        records.iter().for_each(|record| self.push(record.clone()));
        problems
    }

    fn push(&mut self, record: Record) {
        self.records.push(record);
        self.counts.push(true);
    }

    /// A failure on record allows the step's code to be executed again.
    fn resolve(&mut self, record: &Record) {
        if let (What::AttemptFailed { .. }, Some(step)) = (&record.what, &record.step) {
            let place = (record.phase, step.name.clone(), step.key.to_string());
            let executions = self.executions.get_mut(&place);
            executions.into_iter().flatten().for_each(|begun| begun.resolved = true);
        }
    }

    fn go_on(&mut self, next: &Next) -> Option<String> {
        let standing = match next {
            Next::Running | Next::Failing { .. } => return None,
            Next::Park { .. } | Next::Release => Standing::Free,
            Next::Pause { .. } => Standing::Paused,
            Next::Finish(ending) => Standing::Ended(ending.clone()),
            Next::Block { reason, .. } => Standing::Blocked(reason.clone()),
        };
        let grant = self.grants.get_mut(&Epoch(self.epoch));
        grant.into_iter().for_each(|grant| grant.given_back = true);
        let problem = match &standing {
            Standing::Blocked(reason) if !reason.contains(PANIC) => {
                Some(format!("is blocked, and no fault is the reason: {reason}"))
            }
            Standing::Ended(Ending::Cancelled(_)) if self.cancelled_by.is_none() => {
                Some("is cancelled, and nobody asked".to_owned())
            }
            _ => None,
        };
        self.standing = standing;
        problem
    }
}

/// The records as they are stored: what the attachment computed is in them.
fn filled(records: &[Record], payload: Option<&Payload>) -> Vec<Record> {
    let mut records = records.to_vec();
    for record in &mut records {
        if let What::Completed { payload: place, .. } = &mut record.what
            && place.is_none()
        {
            *place = payload.cloned();
        }
    }
    records
}
