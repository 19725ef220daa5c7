//! A small run in which all is well.
//!
//! Anna is found, Ben is not, Carl's batch is sent a second time because the answer to the first was lost, Dora works
//! for a company, and the provider refuses Emil's address. The budget is raised once.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use lumina_chaos::moods::{INVALID_ADDRESSES, MOODS};
use lumina_chaos::world::{
    Answered, Batch, BudgetRule, Delivery, DeliveryKind, Demands, Item, Job, Kill, Known, Lead, Ledger, Play, Post,
    Records, Rules, Run, StoredAnswer, Subscriber, Told, Victim, Way, World,
};

pub const ANNA: &str = "anna@gmail.com";
pub const BEN: &str = "ben@gmail.com";
pub const CARL: &str = "carl@gmail.com";
pub const DORA: &str = "dora@company.example";
pub const EMIL: &str = "invalid-emil@gmail.com";

pub const FIRST_RUN: &str = "00000000-0000-7000-8000-000000000001";
pub const SECOND_RUN: &str = "00000000-0000-7000-8000-000000000002";

/// The batches in the order in which they were accepted.
pub const FIRST: usize = 0;
pub const LOST: usize = 1;
pub const AGAIN: usize = 2;

/// Noon of a day in August 2026.
const NOON: Timestamp = Timestamp::constant(1_785_585_600, 0);

/// A moment of the day, in seconds from noon.
pub fn at(seconds: f64) -> Timestamp {
    NOON + SignedDuration::from_secs_f64(seconds)
}

pub fn world() -> World {
    World {
        rules: Rules {
            deadline: SignedDuration::from_secs(6),
            window: SignedDuration::from_secs(2),
            timeout: SignedDuration::from_secs(1),
            max_in_flight: 1,
            budgets: vec![budget(0.0, 1, 10), budget(5.0, 10, 2)],
        },
        demands: Demands {
            fleet: None,
            aimed_kills: 1,
            moods: true,
            budgets_hit: 1,
        },
        accepted: [ANNA, BEN, CARL, DORA, EMIL].map(subscriber).into(),
        play: play(),
        ledger: ledger(),
        records: records(),
    }
}

fn budget(from: f64, per_day: u64, per_month: u64) -> BudgetRule {
    BudgetRule {
        from: at(from),
        per_day,
        per_month,
    }
}

pub fn subscriber(email: &str) -> Subscriber {
    Subscriber {
        email: email.to_owned(),
        personal: email != DORA,
    }
}

fn play() -> Play {
    let moods = MOODS.iter().map(|(name, _)| *name).chain([INVALID_ADDRESSES]);
    Play {
        kills: vec![
            kill(10.2, Victim::Serve, true),
            kill(30.0, Victim::Sandbox, false),
            kill(40.0, Victim::Serve, false),
        ],
        budgets_hit: 1,
        settled_in: Some(SignedDuration::from_secs(3)),
        moods: moods.map(|name| (name.to_owned(), 1)).collect(),
        ..Play::default()
    }
}

pub fn kill(seconds: f64, victim: Victim, aimed: bool) -> Kill {
    Kill {
        until: None,
        at: at(seconds),
        victim,
        aimed,
    }
}

fn ledger() -> Ledger {
    let anna = item(ANNA, FIRST_RUN, 1, 1);
    let ben = Item {
        found: Some(false),
        ..item(BEN, FIRST_RUN, 1, 0)
    };
    let batches = vec![
        batch("e1", 1.0, Answered::Ok, vec![anna, ben]),
        batch("e2", 10.0, Answered::Lost, vec![item(CARL, SECOND_RUN, 1, 1)]),
        batch("e3", 13.0, Answered::Ok, vec![item(CARL, SECOND_RUN, 2, 0)]),
    ];
    let deliveries = vec![
        delivery("e1", DeliveryKind::Final, 2.1),
        delivery("e3", DeliveryKind::Contact, 13.9),
        delivery("e3", DeliveryKind::Final, 14.1),
    ];
    Ledger { batches, deliveries }
}

pub fn batch(id: &str, accepted: f64, answered: Answered, jobs: Vec<Item>) -> Batch {
    let reached_by = match answered {
        Answered::Ok => vec![Way::Answer, Way::Contact, Way::Final],
        _ => Vec::new(),
    };
    let charged = jobs.iter().filter(|item| item.credits > 0);
    Batch {
        enrichment_id: id.to_owned(),
        accepted_at: at(accepted),
        answered,
        reached_by,
        moods: Vec::new(),
        told: charged.map(|item| told(&item.email)).collect(),
        jobs,
    }
}

pub fn item(email: &str, run: &str, attempt: u32, credits: u64) -> Item {
    let custom = [("lumina_run", run.to_owned()), ("lumina_attempt", attempt.to_string())];
    Item {
        email: email.to_owned(),
        custom: Some(custom.map(|(key, value)| (key.to_owned(), value)).into()),
        credits,
        found: Some(true),
        event_delivered: true,
    }
}

pub fn told(email: &str) -> Told {
    Told {
        email: email.to_owned(),
        full_name: Some(format!("The one at {email}")),
        linkedin_url: Some(format!("https://linkedin.example/in/{email}")),
        left_out: false,
    }
}

pub fn delivery(id: &str, kind: DeliveryKind, seconds: f64) -> Delivery {
    Delivery {
        enrichment_id: id.to_owned(),
        sha256: Some(format!("{id} {kind:?}")),
        kind,
        at: at(seconds),
    }
}

fn records() -> Records {
    let lead = |email: &str| {
        let told = told(email);
        let lead = Lead {
            full_name: told.full_name,
            linkedin_url: told.linkedin_url,
        };
        (email.to_owned(), lead)
    };
    Records {
        subscribers: [ANNA, BEN, CARL, DORA, EMIL].map(str::to_owned).into(),
        jobs: vec![
            job(ANNA, "enriched"),
            job(BEN, "not_found"),
            job(CARL, "enriched"),
            job(EMIL, "failed"),
        ],
        leads: BTreeMap::from([lead(ANNA), lead(CARL)]),
        posts: vec![
            with_jobs(post(FIRST_RUN, 1, "accepted", 1.0, Some("e1")), &[ANNA, BEN]),
            with_jobs(post(SECOND_RUN, 1, "unknown", 10.0, None), &[CARL]),
            with_jobs(post(SECOND_RUN, 2, "accepted", 12.9, Some("e3")), &[CARL]),
        ],
        known: vec![known("e1", 1.1), known("e3", 13.1)],
        answers: vec![
            answer("e1", DeliveryKind::Final, 2.05),
            answer("e3", DeliveryKind::Contact, 13.85),
            answer("e3", DeliveryKind::Final, 14.05),
        ],
        runs: vec![
            run(FIRST_RUN, "completed", false),
            run(SECOND_RUN, "completed", false),
            run("00000000-0000-7000-8000-000000000003", "pending", true),
        ],
    }
}

fn with_jobs(post: Post, emails: &[&str]) -> Post {
    let jobs = emails.iter().map(|email| id_of_job(email)).collect();
    Post { jobs, ..post }
}

pub fn id_of_job(email: &str) -> String {
    format!("job of {email}")
}

pub fn job(email: &str, status: &str) -> Job {
    Job {
        id: id_of_job(email),
        email: email.to_owned(),
        status: status.to_owned(),
        reason: None,
    }
}

pub fn post(run: &str, attempt: u32, state: &str, posted: f64, enrichment: Option<&str>) -> Post {
    Post {
        run: run.to_owned(),
        attempt,
        state: state.to_owned(),
        posted_at: Some(at(posted)),
        enrichment: enrichment.map(str::to_owned),
        jobs: Vec::new(),
    }
}

/// The lead of an address, which is there.
pub fn lead<'w>(world: &'w mut World, email: &str) -> &'w mut Lead {
    world
        .records
        .leads
        .get_mut(email)
        .expect("it is one of the recorded leads")
}

pub fn known(id: &str, since: f64) -> Known {
    Known {
        enrichment: id.to_owned(),
        registered_at: at(since),
        ended_at: None,
    }
}

pub fn answer(id: &str, kind: DeliveryKind, seconds: f64) -> StoredAnswer {
    StoredAnswer {
        enrichment: id.to_owned(),
        body_hash: format!("{id} {kind:?}"),
        is_final: kind == DeliveryKind::Final,
        received_at: at(seconds),
    }
}

pub fn run(id: &str, status: &str, scheduled: bool) -> Run {
    Run {
        id: id.to_owned(),
        workflow: if scheduled {
            "pending-job-sweep"
        } else {
            "subscriber-enrichment"
        }
        .to_owned(),
        status: status.to_owned(),
        scheduled,
    }
}
