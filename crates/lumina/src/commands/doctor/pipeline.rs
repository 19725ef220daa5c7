//! The pipeline: what keeps it from buying, what waits, and what needs a person.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use lumina_enrichment::job::JobStatus;

use super::super::output::{moment, thousands};
use super::super::{composition, credits, metrics};
use super::database::Found;
use super::report::Check;
use crate::config::Config;
use crate::records::{Batches, Checkup, Pause, PauseReason};
use crate::workflows::{ACCEPTED_EVENT, COMPLETE_EVENT};

/// A batch that waits for its turn so long waits for something else.
const LONG: SignedDuration = SignedDuration::from_hours(1);

/// Several sweeps take up what nobody works off.
const SOON: SignedDuration = SignedDuration::from_mins(5);

pub(super) fn check(config: &Config, found: &Found, balance: Option<u64>, now: Timestamp) -> Vec<Check> {
    let checkup = &found.checkup;
    let mut checks = check_pauses(config, checkup, now);
    checks.push(check_budget(checkup));
    checks.push(check_pending(found, balance, now));
    checks.push(check_waiting(found, now));
    checks.push(check_out(checkup));
    checks.push(check_answers(checkup));
    checks.push(check_refused(&checkup.refused));
    checks.push(check_events(&found.unrouted));
    checks.push(check_lookups(checkup));
    checks.push(check_runs(found.blocked));
    checks
}

fn check_pauses(config: &Config, checkup: &Checkup, now: Timestamp) -> Vec<Check> {
    if checkup.pauses.is_empty() {
        return vec![Check::ok("paused", "no")];
    }
    checkup
        .pauses
        .iter()
        .map(|pause| check_pause(config, pause, now))
        .collect()
}

/// A budget does what somebody wanted it to.
fn check_pause(config: &Config, pause: &Pause, now: Timestamp) -> Check {
    let looks = composition::settings(config).view(now).looks;
    let told = metrics::describe(&pause.clone().shown(looks, now));
    let (command, why) = match pause.reason {
        PauseReason::Refused => ("lumina serve", "started anew once it is put right, it goes on at once"),
        PauseReason::Credits => (
            "lumina enrich --dry-run",
            "how many credits are needed; bought, lookups go on by themselves",
        ),
        PauseReason::Budget => metrics::advice(pause.reason),
    };
    let check = match pause.reason {
        PauseReason::Budget => Check::warning("paused", told),
        PauseReason::Credits | PauseReason::Refused => Check::problem("paused", told),
    };
    check.next(command, why)
}

fn check_budget(checkup: &Checkup) -> Check {
    let (day, month) = (&checkup.spending.day, &checkup.spending.month);
    let told = format!(
        "today {}; this month {}",
        credits::describe(day),
        credits::describe(month)
    );
    match day.left == Some(0) || month.left == Some(0) {
        true => Check::warning("budget", told).next("lumina credits", "what it was spent on"),
        false => Check::ok("budget", told),
    }
}

fn of_status(checkup: &Checkup, status: JobStatus) -> u64 {
    checkup.jobs.get(status.as_str()).copied().unwrap_or(0)
}

fn check_pending(found: &Found, balance: Option<u64>, now: Timestamp) -> Check {
    const NAME: &str = "pending";
    let checkup = &found.checkup;
    let pending = of_status(checkup, JobStatus::Pending);
    let told = match pending {
        0 => return Check::ok(NAME, "no lookups wait"),
        1 => "1 lookup waits".to_owned(),
        pending => format!("{} lookups wait", thousands(pending)),
    };
    let goes_on = checkup.pauses.is_empty() && found.is_executed;
    let forgotten = checkup
        .oldest_unowned
        .is_some_and(|since| now.duration_since(since) > SOON);
    if goes_on && forgotten && checkup.unowned > 0 {
        let told = format!("{told}, {} of them without a run", thousands(checkup.unowned));
        return Check::warning(NAME, told).next("lumina schedules list", "whether the sweep that starts them is held");
    }
    match balance {
        Some(credits) if credits < pending => Check::warning(
            NAME,
            format!("{told}, for which {} credits may not be enough", thousands(credits)),
        )
        .next("lumina enrich --dry-run", "what they cost at most"),
        _ => Check::ok(NAME, told),
    }
}

fn since(batches: &Batches) -> String {
    batches
        .since
        .map_or_else(String::new, |at| format!(", the oldest since {} UTC", moment(at)))
}

fn check_waiting(found: &Found, now: Timestamp) -> Check {
    const NAME: &str = "waiting";
    let waiting = &found.checkup.waiting;
    let told = match waiting.count {
        0 => return Check::ok(NAME, "no batch waits for its turn"),
        count => format!(
            "batches that wait for their turn: {}{}",
            thousands(count),
            since(waiting)
        ),
    };
    let long = waiting.since.is_some_and(|at| now.duration_since(at) > LONG);
    match (long, waiting.oldest) {
        (true, Some(run)) => {
            Check::warning(NAME, told).next(format!("lumina workflows show {run}"), "what the oldest waits for")
        }
        _ => Check::ok(NAME, told),
    }
}

fn check_out(checkup: &Checkup) -> Check {
    const NAME: &str = "out";
    let out = &checkup.out;
    let late = match checkup.given_up {
        0 => String::new(),
        count => format!("; {} of them given up, and asked about now and then", thousands(count)),
    };
    let told = match out.count {
        0 => return Check::ok(NAME, "no batch is out"),
        count => format!(
            "batches that are not answered: {}{}{late}",
            thousands(count),
            since(out)
        ),
    };
    match checkup.in_doubt.oldest {
        Some(run) => {
            let doubt = thousands(checkup.in_doubt.count);
            let told = format!("{told}; {doubt} of unknown outcome, watched before they are sent once more");
            Check::warning(NAME, told).next(
                format!("lumina credits show {run}"),
                "one of unknown outcome; nothing is to be done",
            )
        }
        None => Check::ok(NAME, told),
    }
}

fn check_answers(checkup: &Checkup) -> Check {
    const NAME: &str = "answers";
    if checkup.unclaimed > 0 {
        let told = format!(
            "callbacks and answers that nobody claims: {}",
            thousands(checkup.unclaimed)
        );
        return Check::warning(NAME, told).next(
            "lumina answers list --unclaimed",
            "which; `lumina answers replay` routes one anew",
        );
    }
    match checkup.unapplied {
        0 => Check::ok(NAME, "all are claimed and applied"),
        count => Check::warning(
            NAME,
            format!("final answers that are not applied: {}", thousands(count)),
        )
        .next("lumina answers list", "those that are waiting"),
    }
}

/// Of the last day.
fn check_refused(refused: &BTreeMap<String, u64>) -> Check {
    const NAME: &str = "callbacks";
    if refused.is_empty() {
        return Check::ok(NAME, "none was refused within a day");
    }
    let told: Vec<String> = refused
        .iter()
        .map(|(code, count)| format!("{code} {}", thousands(*count)))
        .collect();
    let told = format!("refused within a day: {}", told.join(", "));
    Check::warning(NAME, told).next(
        "lumina config print",
        "whether fullenrich.api_key and extra_signing_keys have the key that signs; strangers are refused as well",
    )
}

/// What tells a run of an answer is told as an answer; one more, when a batch is told of twice, is of no use.
fn check_events(unrouted: &BTreeMap<String, u64>) -> Check {
    const NAME: &str = "events";
    let others = unrouted
        .iter()
        .filter(|(name, _)| ![ACCEPTED_EVENT, COMPLETE_EVENT].contains(&name.as_str()));
    match others.map(|(_, count)| count).sum() {
        0 => Check::ok(NAME, "none is unrouted"),
        count => Check::warning(NAME, format!("events that no run has claimed: {}", thousands(count))).next(
            "lumina workflows unrouted",
            "which; each can be given to a run, or deleted",
        ),
    }
}

fn check_lookups(checkup: &Checkup) -> Check {
    const NAME: &str = "lookups";
    let (stale, failed) = (
        of_status(checkup, JobStatus::Stale),
        of_status(checkup, JobStatus::Failed),
    );
    let told = format!("stale {}, failed {}", thousands(stale), thousands(failed));
    match (stale, failed) {
        (0, 0) => Check::ok(NAME, "none is stale, none has failed"),
        (0, _) => Check::warning(NAME, told).next("lumina jobs list --status failed", "why each has failed"),
        _ => Check::warning(NAME, told).next(
            "lumina jobs list --status stale",
            "those that may have been charged and were not answered",
        ),
    }
}

fn check_runs(blocked: u64) -> Check {
    const NAME: &str = "workflows";
    match blocked {
        0 => Check::ok(NAME, "none is blocked"),
        count => Check::problem(
            NAME,
            format!("runs that this program's code does not fit: {}", thousands(count)),
        )
        .next("lumina workflows list --status blocked", "which, and what differs"),
    }
}
