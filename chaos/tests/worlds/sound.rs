//! Worlds that only look as if something were wrong.

use lumina_chaos::judge::judge;
use lumina_chaos::world::{Answered, DeliveryKind, Victim, Way, World};

use crate::Case;
use crate::recorded::{
    AGAIN, ANNA, BEN, CARL, EMIL, FIRST, FIRST_RUN, LOST, SECOND_RUN, answer, at, batch, id_of_job, item, job, kill,
    known, lead, post, run,
};

const CASES: &[Case] = &[
    Case::new("nothing happened", |_| {}),
    Case::new("somebody was stored who was not told so", |world| {
        world.accepted.clear();
    }),
    Case::new(
        "a charged person is stale, because nothing that names the batch ever came",
        |world| {
            forget_carl(world);
        },
    ),
    Case::new(
        "a charged person is stale, because no answer has a record of them",
        |world| {
            world.ledger.batches[FIRST].told[0].left_out = true;
            world.ledger.batches[FIRST].jobs[0].event_delivered = false;
            world.records.leads.remove(ANNA);
            world.records.jobs[0] = job(ANNA, "stale");
        },
    ),
    Case::new(
        "a charged person is stale, because the repeat left somebody out and the first never came",
        |world| {
            let again = &mut world.ledger.batches[AGAIN];
            again.moods.push("records_missing".to_owned());
            again.jobs[0].event_delivered = false;
            world.records.leads.remove(CARL);
            world.records.jobs[2] = job(CARL, "stale");
        },
    ),
    Case::new("a lead has a name of its own where the provider said none", |world| {
        let told = &mut world.ledger.batches[FIRST].told[0];
        (told.full_name, told.linkedin_url) = (None, None);
    }),
    Case::new("a lead has what only the second answer said", |world| {
        world.ledger.batches[LOST].told[0].full_name = None;
    }),
    Case::new("a lead has less than an answer said that never came", |world| {
        lead(world, CARL).full_name = None;
    }),
    Case::new(
        "a lead has a part of the name that an answer said that never came",
        |world| {
            lead(world, CARL).full_name = Some("The one".to_owned());
        },
    ),
    Case::new(
        "a charged person is stale, because the answer came to a process that was killed",
        |world| {
            forget_carl(world);
            world.ledger.batches[LOST].answered = Answered::Ok;
            world.ledger.batches[LOST].reached_by = vec![Way::Answer];
        },
    ),
    Case::new("a charged person is a lead by the event alone", |world| {
        world.ledger.batches[FIRST].told[0].left_out = true;
    }),
    Case::new("a lookup is stale that was to be sent once more and was not", |world| {
        world.records.jobs[3] = job(EMIL, "stale");
        world.records.posts[1].jobs.push(id_of_job(EMIL));
        let mut unsent = post(SECOND_RUN, 3, "closed", 20.0, None);
        unsent.jobs.push(id_of_job(EMIL));
        world.records.posts.push(unsent);
    }),
    Case::new(
        "a refused address is stale, because it may have been accepted before",
        |world| {
            world.records.jobs[3] = job(EMIL, "stale");
            world.records.posts[1].jobs.push(id_of_job(EMIL));
        },
    ),
    Case::new("an address was accepted that the provider usually refuses", |world| {
        world.records.jobs[3] = job(EMIL, "not_found");
        let mut emil = item(EMIL, FIRST_RUN, 1, 0);
        emil.found = Some(false);
        world.ledger.batches[FIRST].jobs.push(emil);
    }),
    Case::new(
        "somebody was charged twice, after an unknown outcome and a full window",
        |world| {
            world.ledger.batches[AGAIN].jobs[0].credits = 1;
            world.rules.budgets[1].per_month = 3;
        },
    ),
    Case::new(
        "an answer was sent, and the process was killed before it was recorded",
        |world| {
            world.ledger.batches[LOST].answered = Answered::Ok;
        },
    ),
    Case::new(
        "an answer was sent while the process stood still, and somebody else took over",
        |world| {
            world.ledger.batches[LOST].answered = Answered::Ok;
            world.play.kills[0].at = at(3.0);
            world.play.kills[0].until = Some(at(21.0));
        },
    ),
    Case::new("the same callback came twice", |world| {
        let again = world.ledger.deliveries[0].clone();
        world.ledger.deliveries.push(again);
    }),
    Case::new("what is stored came another way", |world| {
        world.records.answers.push(answer("e1", DeliveryKind::Contact, 2.2));
    }),
    Case::new(
        "a batch is out at the moment at which another's end is stored",
        |world| {
            world
                .ledger
                .batches
                .push(batch("e4", 14.05, Answered::Error, vec![item(BEN, "r4", 1, 0)]));
            world.ledger.batches[AGAIN + 1].jobs[0].found = Some(false);
        },
    ),
    Case::new("a place is free at the deadline", |world| {
        world.records.answers[0].received_at = at(8.0);
        world.ledger.deliveries[0].at = at(8.1);
        world
            .ledger
            .batches
            .insert(1, batch("e4", 7.0, Answered::Ok, vec![item(ANNA, "r4", 1, 0)]));
        world.records.known.push(known("e4", 7.1));
        world.records.posts.push(post("r4", 1, "accepted", 7.0, Some("e4")));
        world.records.answers.push(answer("e4", DeliveryKind::Final, 7.6));
    }),
    Case::new(
        "what became known after its window does not take its place again",
        |world| {
            world.records.known.push(known("e2", 13.5));
            world.records.answers.push(answer("e2", DeliveryKind::Final, 13.6));
        },
    ),
    Case::new("a POST that never arrived holds its place for a window", |world| {
        world.records.posts.push(post("r4", 1, "unknown", 20.0, None));
    }),
    Case::new("all of a budget is spent", |world| {
        world.rules.budgets[0].per_day = 1;
        world.rules.budgets[1].per_month = 2;
    }),
    Case::new("a budget is spent on another day as well", |world| {
        let tomorrow = 24.0 * 3600.0;
        world.ledger.batches[LOST].accepted_at = at(tomorrow);
        world.ledger.batches[AGAIN].accepted_at = at(tomorrow + 3.0);
        world.records.posts[1].posted_at = Some(at(tomorrow));
        world.records.posts[2].posted_at = Some(at(tomorrow + 3.0));
        world.rules.budgets[1].per_day = 1;
        // Later than its own end is stored: it takes no place.
    }),
    Case::new("a run has failed", |world| {
        world.records.runs[0].status = "failed".to_owned();
    }),
    Case::new("a schedule's run has not begun", |world| {
        world.records.runs.push(run("r9", "waiting", true));
    }),
    Case::new("the sandbox was killed around a POST whose answer was lost", |world| {
        world.play.kills.push(kill(10.5, Victim::Sandbox, false));
    }),
    Case::new("a third POST of the run never arrived", |world| {
        world.records.posts.push(post(SECOND_RUN, 3, "open", 30.0, None));
    }),
];

/// Nothing that names a batch with him ever came.
fn forget_carl(world: &mut World) {
    world.ledger.batches.truncate(LOST + 1);
    world.ledger.deliveries.truncate(1);
    world.records.answers.truncate(1);
    world.records.posts.truncate(2);
    world.records.known.truncate(1);
    world.records.leads.remove(CARL);
    world.records.jobs[2] = job(CARL, "stale");
}

#[test]
fn what_only_looks_wrong_passes() {
    for case in CASES {
        assert_eq!(judge(&case.play()).violations, [], "{}", case.what);
    }
}

#[test]
fn what_is_excused_is_counted() {
    let counts = [
        (
            "somebody was charged twice",
            "people charged twice after an unknown outcome",
            1,
        ),
        (
            "because nothing that names",
            "people charged whom nothing told Lumina of",
            1,
        ),
        ("because no answer has", "people charged and never told", 1),
        ("nothing happened", "batches sent again", 1),
        ("nothing happened", "kills aimed at a POST", 1),
        ("nothing happened", "kills at random", 1),
        ("nothing happened", "batches out at most", 1),
        ("nothing happened", "credits charged", 2),
    ];
    for (what, name, count) in counts {
        let case = CASES.iter().find(|case| case.what.contains(what)).unwrap();
        assert_eq!(judge(&case.play()).counts.get(name), Some(&count), "{what}: {name}");
    }
}
