//! Whatever the provider's callbacks bring, and in whatever order: nothing panics, everything signed is kept, and what
//! the genuine final answer says of a job holds in the end.

use proptest::prelude::*;

use self::body::{Damage, Written, any_json, damages};
use self::play::{Delivery, Round, Script, play};

mod body;
mod play;
mod told;

fn written() -> impl Strategy<Value = Written> {
    prop_oneof![
        1 => Just(Written::Genuine),
        2 => any_json().prop_map(Written::Json),
        6 => damages().prop_map(Written::Damaged),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Written::Bytes),
    ]
}

fn delivery() -> impl Strategy<Value = Delivery> {
    let to_contact = prop::bool::weighted(0.25);
    (to_contact, written()).prop_map(|(to_contact, written)| Delivery { to_contact, written })
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let round = (prop::collection::vec(delivery(), 0..4), any::<bool>());
    let round = round.prop_map(|(deliveries, at_rest)| Round { deliveries, at_rest });
    prop::collection::vec(round, 1..4)
}

/// The genuine answer is somewhere among all others.
fn scripts() -> impl Strategy<Value = Script> {
    let people = prop::collection::vec(prop::bool::weighted(0.7), 1..5);
    let early = prop::collection::vec(delivery(), 0..3);
    let place = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let is_lost = prop::bool::weighted(0.3);
    (people, early, is_lost, rounds(), place).prop_map(|(people, early, is_lost, mut rounds, (round, at))| {
        let last = rounds.len();
        let deliveries = &mut rounds[round.index(last)].deliveries;
        deliveries.insert(at.index(deliveries.len() + 1), Delivery::genuine());
        Script {
            people,
            early,
            is_lost,
            rounds,
        }
    })
}

fn run(script: &Script) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(play(script));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_is_delivered_no_known_record_is_lost(script in scripts()) {
        run(&script);
    }
}

/// One round at rest: all of it is there before anybody looks.
fn at_once(deliveries: Vec<Delivery>) -> Script {
    let round = Round {
        deliveries,
        at_rest: true,
    };
    Script {
        people: vec![true, false],
        early: vec![],
        is_lost: false,
        rounds: vec![round],
    }
}

fn damaged(damage: Damage) -> Delivery {
    Delivery {
        to_contact: false,
        written: Written::Damaged(vec![damage]),
    }
}

/// A run waits for one final answer. Another one that comes before it has looked is applied all the same.
#[test]
fn of_two_final_answers_at_once_both_are_applied() {
    run(&at_once(vec![damaged(Damage::NoData), Delivery::genuine()]));
}

/// The URL is not signed: a final answer is one wherever the same bytes came in before.
#[test]
fn a_final_answer_that_came_to_the_other_url_first_is_applied() {
    let elsewhere = Delivery {
        to_contact: true,
        ..Delivery::genuine()
    };
    run(&at_once(vec![elsewhere, Delivery::genuine()]));
}

/// A person who was found is not lost because the same record is there once more without them.
#[test]
fn a_record_that_is_there_twice_says_the_better_of_both() {
    for first in [true, false] {
        run(&at_once(vec![damaged(Damage::TwiceOnceEmpty { first })]));
    }
}

/// No number is too large to be stored, and a cost that nothing can cost is no cost.
#[test]
fn numbers_beyond_all_bounds_do_no_harm() {
    for text in [
        "18446744073709551615",
        "9223372036854775808",
        "9223372036854775807",
        "-1",
        "1e999",
    ] {
        let damages = ["credits", "headcount", "year_founded"].map(|key| Damage::Number { key, text });
        let delivery = Delivery {
            to_contact: false,
            written: Written::Damaged(damages.into()),
        };
        run(&at_once(vec![delivery, Delivery::genuine()]));
    }
}

/// An answer that came before anybody knew its batch, and names no job by which it could be told whose it is, is told to
/// the run as soon as another one shows it.
#[test]
fn an_answer_that_came_too_early_to_be_told_is_told_later() {
    for is_lost in [false, true] {
        run(&Script {
            early: vec![damaged(Damage::NoData)],
            is_lost,
            ..at_once(vec![Delivery::genuine()])
        });
    }
}
