//! Worlds in which one thing is wrong.

use jiff::SignedDuration;
use lumina_chaos::judge::Invariant::{self, *};
use lumina_chaos::judge::judge;
use lumina_chaos::world::{Answered, DeliveryKind, Victim, Way, World};

use crate::Case;
use crate::recorded::{
    AGAIN, ANNA, BEN, CARL, EMIL, FIRST, LOST, SECOND_RUN, answer, at, batch, delivery, item, job, kill, known, lead,
    post, run, subscriber,
};

/// The invariant that does not hold, and the world.
const CASES: &[(Invariant, Case)] = &[
    (
        Stored,
        Case::new("somebody who was accepted is not stored", |world| {
            world.accepted.push(subscriber("frida@gmail.com"));
        }),
    ),
    (
        Stored,
        Case::new("somebody who was accepted has no lookup", |world| {
            world.accepted.push(subscriber("frida@gmail.com"));
            world.records.subscribers.push("frida@gmail.com".to_owned());
        }),
    ),
    (
        Ended,
        Case::new("a lookup is pending", |world| set_job(world, 1, BEN, "pending")),
    ),
    (
        Ended,
        Case::new("a lookup is submitted", |world| set_job(world, 1, BEN, "submitted")),
    ),
    (
        Ended,
        Case::new("a lookup has failed that nobody refused", |world| {
            set_job(world, 1, BEN, "failed");
        }),
    ),
    (
        Ended,
        Case::new("a refused address is stale", |world| set_job(world, 3, EMIL, "stale")),
    ),
    (
        Ended,
        Case::new("a lookup is stale whose last POST was refused", |world| {
            set_job(world, 1, BEN, "stale");
            world.records.posts[0].state = "refused".to_owned();
        }),
    ),
    (
        Ended,
        Case::new("a lookup is stale that was never sent", |world| {
            set_job(world, 1, BEN, "stale");
            world.records.posts[0].jobs.pop();
        }),
    ),
    (
        Ended,
        Case::new("a status that there is not", |world| set_job(world, 1, BEN, "lost")),
    ),
    (
        Leads,
        Case::new("a charged person is stale, though the answer came", |world| {
            world.records.leads.remove(ANNA);
            set_job(world, 0, ANNA, "stale");
        }),
    ),
    (
        Leads,
        Case::new("a charged person is stale, though an event told them", |world| {
            world.ledger.batches[FIRST].told[0].left_out = true;
            world.records.leads.remove(ANNA);
            set_job(world, 0, ANNA, "stale");
        }),
    ),
    (
        Leads,
        Case::new("a charged person is stale, though a repeat told them", |world| {
            world.records.leads.remove(CARL);
            set_job(world, 2, CARL, "stale");
        }),
    ),
    (
        Leads,
        Case::new(
            "a charged person is stale, though the answer to the POST was there",
            |world| {
                world.ledger.batches.truncate(LOST);
                world.ledger.batches[FIRST].reached_by = vec![Way::Answer];
                world.ledger.deliveries.clear();
                world.records.known.clear();
                world.records.leads.clear();
                set_job(world, 0, ANNA, "stale");
            },
        ),
    ),
    (
        Leads,
        Case::new("a charged person counts as not found", |world| {
            world.records.leads.remove(ANNA);
            set_job(world, 0, ANNA, "not_found");
        }),
    ),
    (
        Leads,
        Case::new("a charged person of whom nothing came counts as not found", |world| {
            world.ledger.batches[FIRST].reached_by.clear();
            world.records.known.remove(0);
            world.records.leads.remove(ANNA);
            set_job(world, 0, ANNA, "not_found");
        }),
    ),
    (
        Leads,
        Case::new("a charged person is nowhere", |world| {
            world.records.leads.remove(ANNA);
            world.records.jobs.remove(0);
            world.accepted.remove(0);
        }),
    ),
    (
        Leads,
        Case::new("a lead has another name", |world| {
            lead(world, ANNA).full_name = Some("Somebody else".to_owned());
        }),
    ),
    (
        Leads,
        Case::new("a lead has a part of the name that the provider told", |world| {
            lead(world, ANNA).full_name = Some("The one".to_owned());
        }),
    ),
    (
        Leads,
        Case::new("a lead has a name that no answer said", |world| {
            lead(world, CARL).full_name = Some("Somebody else".to_owned());
        }),
    ),
    (
        Leads,
        Case::new("a lead lacks the page that the provider told", |world| {
            lead(world, ANNA).linkedin_url = None;
        }),
    ),
    (
        Leads,
        Case::new("somebody is a lead who was not found", |world| {
            let anna = world.records.leads[ANNA].clone();
            world.records.leads.insert(BEN.to_owned(), anna);
        }),
    ),
    (
        ChargedOnce,
        Case::new("two runs were charged for one person", |world| {
            let e4 = batch("e4", 20.0, Answered::Ok, vec![item(ANNA, "r4", 1, 1)]);
            add_accepted(world, e4, "r4");
            world.rules.budgets[1].per_month = 3;
        }),
    ),
    (
        ChargedOnce,
        Case::new("one batch charged twice for one person", |world| {
            world.ledger.batches[FIRST].jobs[0].credits = 2;
            world.rules.budgets = Vec::new();
        }),
    ),
    (
        SentOnce,
        Case::new("something was sent again before its window was over", |world| {
            world.ledger.batches[AGAIN].accepted_at = at(11.5);
            world.rules.max_in_flight = 2;
        }),
    ),
    (
        SentOnce,
        Case::new(
            "something was sent again while what was sent before it was still out",
            |world| {
                let e4 = batch("e4", 9.5, Answered::Ok, vec![item(ANNA, "r4", 1, 0)]);
                add_accepted(world, e4, "r4");
                let answer = world.records.answers.last_mut().expect("it was added just now");
                answer.received_at = at(13.5);
                world.rules.max_in_flight = 3;
            },
        ),
    ),
    (
        SentOnce,
        Case::new("the record says that it was sent again too soon", |world| {
            world.records.posts[2].posted_at = Some(at(11.0));
            world.rules.max_in_flight = 2;
        }),
    ),
    (
        SentOnce,
        Case::new("something was sent again whose answer had come", |world| {
            world.ledger.batches[LOST].answered = Answered::Ok;
            world.play.kills[0].at = at(60.0);
        }),
    ),
    (
        SentOnce,
        Case::new(
            "something was sent again whose answer came while another was killed",
            |world| {
                world.ledger.batches[LOST].answered = Answered::Ok;
                world.play.kills[0].at = at(60.0);
                world.play.kills.push(kill(10.2, Victim::Sandbox, false));
            },
        ),
    ),
    (
        SentOnce,
        Case::new(
            "something was sent again whose answer came while the database crashed and connections were cut",
            |world| {
                world.ledger.batches[LOST].answered = Answered::Ok;
                world.play.kills[0].at = at(60.0);
                world.play.kills.push(kill(10.2, Victim::Database, false));
                world.play.kills.push(kill(10.2, Victim::Lines, false));
            },
        ),
    ),
    (
        SentOnce,
        Case::new(
            "something was sent again whose answer came before somebody stood still",
            |world| {
                world.ledger.batches[LOST].answered = Answered::Ok;
                world.play.kills[0].at = at(14.0);
                world.play.kills[0].until = Some(at(31.0));
            },
        ),
    ),
    (
        SentOnce,
        Case::new("a batch was accepted under the same attempt twice", |world| {
            let first = item(CARL, SECOND_RUN, 1, 0);
            world.ledger.batches[AGAIN].jobs[0].custom = first.custom;
        }),
    ),
    (
        SentOnce,
        Case::new("a batch does not say who sent it", |world| {
            world.ledger.batches[FIRST].jobs[0].custom = None;
        }),
    ),
    (
        SentOnce,
        Case::new("a batch was sent three times", |world| {
            let run = SECOND_RUN;
            let third = batch("e4", 30.0, Answered::Lost, vec![item(CARL, run, 3, 0)]);
            world.ledger.batches[AGAIN].answered = Answered::Lost;
            world.ledger.batches.push(third);
            world.records.posts.push(post(run, 3, "unknown", 30.0, None));
        }),
    ),
    (
        Callbacks,
        Case::new("a callback was taken and is not stored", |world| {
            world.ledger.deliveries.push(delivery("e1", DeliveryKind::Contact, 1.9));
        }),
    ),
    (
        Callbacks,
        Case::new("a forged callback was taken", |world| {
            world.ledger.deliveries.push(delivery("e1", DeliveryKind::Forged, 1.9));
        }),
    ),
    (
        Callbacks,
        Case::new("an unsigned callback was taken, and stored", |world| {
            world
                .ledger
                .deliveries
                .push(delivery("e1", DeliveryKind::Unsigned, 1.9));
            world.records.answers.push(answer("e1", DeliveryKind::Unsigned, 1.9));
        }),
    ),
    (
        Callbacks,
        Case::new("a lead is out of a forged callback", |world| {
            lead(world, ANNA).full_name = Some("Forged".to_owned());
            world.ledger.batches[FIRST].told[0].full_name = None;
        }),
    ),
    (
        Budget,
        Case::new("more was spent on a day", |world| {
            world.rules.budgets[1].per_day = 1;
        }),
    ),
    (
        Budget,
        Case::new("more was spent in a month", |world| {
            world.rules.budgets[1].per_month = 1;
        }),
    ),
    (
        Budget,
        Case::new("more was spent before the budget was raised", |world| {
            world.rules.budgets[0].per_day = 0;
        }),
    ),
    (
        InFlight,
        Case::new("a batch was accepted while another was out", |world| {
            let e4 = batch("e4", 1.5, Answered::Ok, vec![item(ANNA, "r4", 1, 0)]);
            add_accepted(world, e4, "r4");
        }),
    ),
    (
        InFlight,
        Case::new(
            "a batch was accepted in the window of one that nobody knows of",
            |world| {
                let e4 = batch("e4", 11.0, Answered::Ok, vec![item(ANNA, "r4", 1, 0)]);
                add_accepted(world, e4, "r4");
            },
        ),
    ),
    (
        InFlight,
        Case::new(
            "a batch was accepted in the window of one that never arrived",
            |world| {
                world.records.posts.push(post("r4", 1, "unknown", 12.0, None));
            },
        ),
    ),
    (
        Unstuck,
        Case::new("a run waits for ever", |world| {
            world.records.runs.push(run("r9", "waiting", false));
        }),
    ),
    (
        Unstuck,
        Case::new("a run is blocked", |world| {
            world.records.runs.push(run("r9", "blocked", false));
        }),
    ),
    (
        Unstuck,
        Case::new("a schedule's run is blocked", |world| {
            world.records.runs.push(run("r9", "blocked", true));
        }),
    ),
    (
        Unstuck,
        Case::new("a run is held", |world| {
            world.records.runs.push(run("r9", "paused", false));
        }),
    ),
    (
        Settled,
        Case::new("it did not come to rest", |world| world.play.settled_in = None),
    ),
    (
        Settled,
        Case::new("something was not at rest", |world| {
            world.play.unsettled.push("1 lookup is pending".to_owned());
        }),
    ),
    (
        Processes,
        Case::new("a process ended by itself", |world| {
            world.play.ended.push("lumina serve ended by itself".to_owned());
        }),
    ),
    (
        Processes,
        Case::new("a process panicked", |world| {
            world
                .play
                .panics
                .push("serve-001.log: thread main panicked at".to_owned());
        }),
    ),
    (
        Exercised,
        Case::new("too few kills were aimed", |world| world.play.kills[0].aimed = false),
    ),
    (
        Exercised,
        Case::new("nobody stood still", |world| {
            world.demands.fleet = Some(SignedDuration::from_secs(15));
            world.play.kills[2].until = Some(at(54.9));
            world.play.kills.push(kill(50.0, Victim::Database, false));
            world.play.kills.push(kill(51.0, Victim::Lines, false));
        }),
    ),
    (
        Exercised,
        Case::new("the database did not crash", |world| {
            world.demands.fleet = Some(SignedDuration::from_secs(15));
            world.play.kills[2].until = Some(at(57.0));
            world.play.kills.push(kill(51.0, Victim::Lines, false));
        }),
    ),
    (
        Exercised,
        Case::new("no budget was used up", |world| world.play.budgets_hit = 0),
    ),
    (
        Exercised,
        Case::new("a mood has not occurred", |world| {
            world.play.moods.remove("callback_forged");
        }),
    ),
    (
        Exercised,
        Case::new("no address was refused", |world| {
            world.play.moods.insert("invalid_addresses".to_owned(), 0);
        }),
    ),
];

fn set_job(world: &mut World, at: usize, email: &str, status: &str) {
    world.records.jobs[at] = job(email, status);
}

/// A batch of another run, whose end Lumina has stored.
fn add_accepted(world: &mut World, batch: lumina_chaos::world::Batch, run: &str) {
    let (id, accepted) = (batch.enrichment_id.clone(), batch.accepted_at);
    let mut post = post(run, 1, "accepted", 0.0, Some(&id));
    post.posted_at = Some(accepted);
    world.records.posts.push(post);
    let mut known = known(&id, 0.0);
    known.registered_at = accepted;
    world.records.known.push(known);
    let mut answer = answer(&id, DeliveryKind::Final, 0.0);
    answer.received_at = accepted + SignedDuration::from_secs(1);
    world.records.answers.push(answer);
    world.ledger.batches.push(batch);
    world.ledger.batches.sort_by_key(|batch| batch.accepted_at);
}

#[test]
fn what_is_wrong_is_found_and_nothing_else() {
    for (invariant, case) in CASES {
        let verdict = judge(&case.play());
        assert_eq!(
            verdict.violated(),
            [*invariant],
            "{}: {:?}",
            case.what,
            verdict.violations
        );
    }
}

/// No check is one that cannot fail.
#[test]
fn every_invariant_is_broken_by_some_world() {
    for invariant in Invariant::ALL {
        let is_broken = CASES.iter().any(|(broken, _)| *broken == invariant);
        assert!(is_broken, "no world breaks it: {invariant}");
    }
}
