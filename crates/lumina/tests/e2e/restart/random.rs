//! Moments that a seed draws: fifty kills in all. A failure names its seed.

use std::time::Duration;

use super::{PEOPLE, SANDBOX, start_world};
use crate::support::{World, until_within};

const KILLS: u32 = 10;

/// People come in portions, so that each life has something to lose.
const PORTION: u32 = PEOPLE / KILLS;

/// Longer than from a start to the last of its effects, so that a kill can find all of them.
const LONGEST_LIFE: Duration = Duration::from_millis(4_500);

/// A callback is tried for a second.
const CALLBACKS_LAST: Duration = Duration::from_millis(1_200);

/// When a process is killed.
#[derive(Debug)]
enum Moment {
    /// After so many records.
    Changes(u64),
    /// After this time.
    Delay(Duration),
}

/// A generator of numbers that one number decides (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    /// Short lives are as likely as long ones: most of what can go wrong lies close together.
    fn roll_moment(&mut self) -> Moment {
        let scale = [20, 100, 400][usize::try_from(self.roll(3)).expect("below three")];
        match self.roll(2) {
            0 => Moment::Changes(1 + self.roll(scale)),
            _ => Moment::Delay(Duration::from_millis(self.roll(scale * 10))),
        }
    }
}

impl Moment {
    /// Returns when it has come. A process in which nothing happens any more is not watched for ever.
    fn wait(&self, world: &World, began: u64) {
        let database = world.place.database();
        match self {
            Self::Changes(count) => {
                until_within(LONGEST_LIFE, || (database.changes() >= began + count).then_some(()));
            }
            Self::Delay(delay) => {
                until_within(*delay, || None::<()>);
            }
        }
    }
}

fn survive_kills(seed: u64) {
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let mut world = start_world(&draw_sandbox(&mut dice));
    world
        .place
        .set("enrichment.max_in_flight_batches", &(3 + dice.roll(8)).to_string());
    for kill in 0..KILLS {
        live_and_die(&world, &mut dice, kill);
        world.sandbox.ledger().assert_nobody_charged_twice();
    }
    let server = world.place.serve();
    world.wait_until_settled();
    server.stop();
    world.assert_truth(PEOPLE as usize);
}

/// The longer an answer takes, the likelier it is that a kill leaves nobody knowing what became of a batch.
fn draw_sandbox(dice: &mut Dice) -> String {
    let delay = [0, 20, 200][usize::try_from(dice.roll(3)).expect("below three")];
    format!("{SANDBOX}answer_min = \"{delay}ms\"\nanswer_max = \"{delay}ms\"\n")
}

/// One process, with people who come before it starts or while it works.
fn live_and_die(world: &World, dice: &mut Dice, kill: u32) {
    let people = kill * PORTION..(kill + 1) * PORTION;
    let come_before = kill == 0 || dice.roll(2) == 0;
    if come_before {
        world.import(people.clone());
    }
    let began = world.place.database().changes();
    let mut server = match dice.roll(4) {
        // It may die while it starts.
        0 => world.place.spawn(&["serve"]),
        _ => world.place.serve().process,
    };
    if !come_before {
        world.import(people);
    }
    let moment = dice.roll_moment();
    moment.wait(world, began);
    server.kill();
    if dice.roll(3) == 0 {
        // So long that no callback of this time comes any more.
        Moment::Delay(CALLBACKS_LAST).wait(world, began);
    }
    println!("kill {kill} after {moment:?}: jobs {:?}", world.place.database().jobs());
}

#[test]
fn ten_random_kills_with_seed_1() {
    survive_kills(1);
}

#[test]
fn ten_random_kills_with_seed_2() {
    survive_kills(2);
}

#[test]
fn ten_random_kills_with_seed_3() {
    survive_kills(3);
}

#[test]
fn ten_random_kills_with_seed_4() {
    survive_kills(4);
}

#[test]
fn ten_random_kills_with_seed_5() {
    survive_kills(5);
}
