//! What the records are given in tests: people, runs, answers.

use std::time::Duration;

use jiff::Timestamp;
use lumina::records::{
    AnswerId, AnswerSource, Channel, Intake, IntakeRow, JobAnswer, LeadCompany, LeadRow, NewAnswer, Subject, Verdicts,
};
use lumina_enrichment::email::{Classifier, EmailAddress};
use lumina_enrichment::subscriber::{NewSubscriber, SubscriberId};
use lumina_workflow::store::NewRun;
use lumina_workflow::{DefinitionHash, Payload, RunId};

use super::rows::{id, job};
use crate::support::NOW;

pub const HOUR: Duration = Duration::from_secs(3_600);

pub fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub fn new_run(number: u128) -> NewRun {
    NewRun {
        id: RunId(id(number)),
        workflow: "subscriber-enrichment".to_owned(),
        hash: DefinitionHash(1),
        start_key: None,
        input: Payload::null(),
        priority: 0,
        delay: Duration::ZERO,
        known_since: now(),
        parent: None,
        flow_key: None,
    }
}

/// Every tenth works for a company; every seventh has said their name.
pub fn subscriber(number: u128) -> NewSubscriber {
    let host = if number.is_multiple_of(10) {
        "acme.com"
    } else {
        "gmail.com"
    };
    let email = EmailAddress::parse(&format!("Person{number}@{host}")).unwrap();
    NewSubscriber {
        name: number.is_multiple_of(7).then(|| format!("Person {number}")),
        ..NewSubscriber::new(email, "a test", &Classifier::new())
    }
}

/// So many people from this number on, with a lookup of the same number each.
pub fn intake(channel: Channel, from: u128, many: u128, runs: Vec<NewRun>) -> Intake {
    let row = |number| IntakeRow {
        id: SubscriberId(id(number)),
        job: job(number),
        subscriber: subscriber(number),
    };
    Intake {
        rows: (from..from + many).map(row).collect(),
        lookups: u64::MAX,
        channel,
        runs,
        linger: Duration::from_secs(2),
        refresh_after: HOUR,
        delivery: None,
    }
}

/// A final one.
pub fn answer(number: u128, enrichment: &str, named: Option<(RunId, u32)>, late_run: NewRun) -> NewAnswer {
    NewAnswer {
        id: AnswerId(id(number)),
        enrichment: enrichment.to_owned(),
        status: Some("FINISHED".to_owned()),
        is_final: true,
        source: AnswerSource::Callback,
        cost: Some(7),
        named,
        body: bytes::Bytes::from(format!("{{\"number\":{number}}}")),
        late_run,
        deadline: 24 * HOUR,
    }
}

pub fn lead(name: &str, score: u8) -> JobAnswer {
    JobAnswer::Found(Box::new(LeadRow {
        full_name: Some(name.to_owned()),
        title: Some("VP".to_owned()),
        company: LeadCompany {
            headcount: Some(12),
            ..LeadCompany::default()
        },
        icp_score: score,
        icp_reasons: vec!["because".to_owned()],
        ..LeadRow::default()
    }))
}

pub fn verdicts(records: Vec<(Subject, JobAnswer)>) -> Verdicts {
    Verdicts {
        records,
        cost: Some(9),
        unnamed_not_looked_at: true,
    }
}
