//! Commits in words, for the trace. Nothing is told that differs from one time to the next.

use lumina_workflow::store::{
    Advance, Change, Claimed, Delivery, Ending, Member, MemberResult, Next, Outcome, Refusal,
};
use lumina_workflow::{Decision, Phase, Record, Target, What};

use super::Watch;

impl Watch {
    /// Each member of a group with its answer.
    pub(crate) fn tell_commit(&self, members: &[Member], results: &[MemberResult]) -> String {
        let told = members
            .iter()
            .zip(results)
            .map(|(member, result)| format!("{} -> {}", self.tell_change(&member.change), self.tell_result(result)));
        told.collect::<Vec<_>>().join("; ")
    }

    /// The runs that were given away.
    pub(crate) fn tell_claim(&self, given: &[Claimed]) -> String {
        let told = given.iter().map(|claimed| self.tell_lease(&claimed.lease));
        format!("[{}]", told.collect::<Vec<_>>().join(", "))
    }

    fn tell_change(&self, change: &Change) -> String {
        match change {
            Change::Nothing { .. } => "writes".to_owned(),
            Change::Start(new) => format!("start {} {}", self.name(new.id), new.workflow),
            Change::Advance(advance) => self.tell_advance(advance),
            Change::Emit(event) => {
                let target = match &event.target {
                    Target::Run(run) => self.name(*run),
                    Target::Key(key) => format!("{}/{}", key.namespace, key.key),
                };
                format!("emit {} {} to {target}", event.id, event.name)
            }
            Change::Unrouted(command) => format!("unrouted {} by {}", command.seq, command.by),
            Change::Schedule(change) => format!("schedule {}", change.name()),
            Change::Flow(command) => format!("{:?} {} by {}", command.what, command.workflow, command.by),
            Change::Command(command) => format!("{:?} {} by {}", command.what, self.name(command.run), command.by),
        }
    }

    fn tell_advance(&self, advance: &Advance) -> String {
        let records: Vec<_> = advance.records.iter().map(tell_record).collect();
        let guard = advance.guard.map_or(String::new(), |guard| format!(" if {guard}"));
        let lease = self.tell_lease(&advance.lease);
        let (seq, next) = (advance.seq.0, tell_next(&advance.next));
        format!("{lease} @{seq}{guard} [{}] {next}", records.join(", "))
    }

    fn tell_result(&self, result: &MemberResult) -> String {
        match result {
            Ok(Outcome::Done { .. }) => "done".to_owned(),
            Ok(Outcome::Started) => "new".to_owned(),
            Ok(Outcome::Existing { run, same_input }) => format!("is {}, same input {same_input}", self.name(*run)),
            Ok(Outcome::Advanced { inbox, .. }) => format!("inbox {inbox}"),
            Ok(Outcome::Emitted(Delivery::Routed(run))) => format!("in {}", self.name(*run)),
            Ok(Outcome::Emitted(delivery)) => format!("{delivery:?}").to_lowercase(),
            Ok(Outcome::Handled) => "handled".to_owned(),
            Ok(Outcome::Commanded { effective } | Outcome::Scheduled { effective }) => format!("effective {effective}"),
            Err(refusal) => self.tell_refusal(refusal),
        }
    }

    fn tell_refusal(&self, refusal: &Refusal) -> String {
        match refusal {
            Refusal::LeaseLost(_) => "lease lost".to_owned(),
            Refusal::OutOfSequence { found, .. } => format!("out of sequence, at {}", found.0),
            Refusal::InboxChanged { inbox } => format!("inbox changed, {inbox}"),
            Refusal::KeyTaken { key, by } => format!("key {} taken by {}", key.key, self.name(*by)),
            Refusal::InboxFull { .. } => "inbox full".to_owned(),
            Refusal::UnknownEvent(_) => "unknown event".to_owned(),
            Refusal::UnknownSchedule(_) => "unknown schedule".to_owned(),
            Refusal::ScheduleChanged(_) => "schedule changed".to_owned(),
            Refusal::UnknownRun(_) => "unknown run".to_owned(),
            Refusal::WrongStatus { status, .. } => format!("wrong status {status}"),
            Refusal::Attachment(error) => format!("refused: {error}"),
        }
    }
}

fn tell_record(record: &Record) -> String {
    let prefix = if record.phase == Phase::OnFailure { "! " } else { "" };
    let what = tell_what(&record.what);
    match &record.step {
        Some(step) => format!("{prefix}{} {}{}: {what}", step.ordinal, step.name, step.key),
        None => format!("{prefix}{what}"),
    }
}

fn tell_what(what: &What) -> String {
    match what {
        What::AttemptStarted { attempt } => format!("started {attempt}"),
        What::AttemptFailed {
            attempt, error, delay, ..
        } => {
            let how = match error.decision {
                Decision::Defer { .. } => "deferred",
                _ => "failed, again",
            };
            format!("attempt {attempt} {how} in {delay:?}")
        }
        What::Completed { attempt, payload } => {
            let payload = payload.as_ref().map_or("?", |payload| payload.as_str());
            format!("done {attempt} {payload}")
        }
        What::Failed { failure, .. } => format!("failed {:?} after {}", failure.kind, failure.attempts),
        What::Opened { deadline } => format!("opened until {deadline}"),
        What::Received { events, payload } => format!(
            "received {} {}",
            events
                .iter()
                .map(|event| event.id.as_str())
                .collect::<Vec<_>>()
                .join(" "),
            payload.as_str()
        ),
        What::TimedOut => "timed out".to_owned(),
        What::Abandoned => "abandoned".to_owned(),
        What::ChildStarted { .. } => "child started".to_owned(),
        What::Patched { name } => format!("patched {name}"),
        What::Paused { by } => format!("paused by {by}"),
        What::Rewound { by, step, at } => format!("back to {step} as of {} by {by}", at.0),
        What::CancelRequested { by } => format!("cancel by {by}"),
        What::Resumed { by } => format!("resumed by {by}"),
        What::Failing { failure } => format!("failing {:?}: {failure}", failure.kind),
    }
}

fn tell_next(next: &Next) -> String {
    match next {
        Next::Running => "running".to_owned(),
        Next::Pause { by } => format!("pause by {by}"),
        Next::Park { wake_at: None } => "park".to_owned(),
        Next::Park { wake_at: Some(time) } => format!("park until {time}"),
        Next::Release => "release".to_owned(),
        Next::Failing { .. } => "on failure".to_owned(),
        Next::Finish(ending) => tell_ending(ending),
        Next::Block { reason, .. } => format!("blocked: {reason}"),
    }
}

/// How a run ended, in words.
pub(crate) fn tell_ending(ending: &Ending) -> String {
    match ending {
        Ending::Completed(output) => format!("completed {}", output.as_str()),
        Ending::Failed(failure) => format!("failed: {failure}"),
        Ending::Cancelled(failure) => format!("cancelled: {failure}"),
    }
}
