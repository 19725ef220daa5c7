//! No mood charges otherwise than the rules have it. The ledger's file is judged line by line, by rules written out
//! here once more.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use lumina_fullenrich_sandbox::{Mood, Moods, SandboxConfig};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::world::{BULK, World, batch, config, refs, secs};

/// What the ledger says happened, in order.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn time(line: &Value) -> Timestamp {
    line["at"].as_str().unwrap().parse().unwrap()
}

/// A judge who knows only the rules: one credit for a person found; nothing for a repeat of a look-up that had
/// finished when the batch was accepted, which is when its line was written; nothing after a batch's end.
#[derive(Default)]
struct Judge {
    /// The batches that are out: of each contact the address, and whether its look-up is a free repeat.
    out: BTreeMap<String, Vec<(String, bool)>>,
    /// When a look-up of an address last finished that was no free repeat.
    finished: BTreeMap<String, Timestamp>,
    kept: Duration,
    charged: u64,
}

impl Judge {
    fn take(&mut self, line: &Value) -> Result<(), String> {
        match line["kind"].as_str().unwrap() {
            "batch" => {
                let items = line["items"].as_array().unwrap().iter();
                let emails = items.map(|item| item["email"].as_str().unwrap().to_lowercase());
                let repeats = emails.map(|email| (self.is_known(&email, time(line)), email));
                let contacts = repeats.map(|(free, email)| (email, free)).collect();
                self.out.insert(line["id"].as_str().unwrap().to_owned(), contacts);
                Ok(())
            }
            "lookup" => self.look_up(line),
            "ended" => {
                let ended = self.out.remove(line["batch"].as_str().unwrap());
                ended.map(drop).ok_or_else(|| format!("it ended before: {line}"))
            }
            _ => Ok(()),
        }
    }

    fn is_known(&self, email: &str, now: Timestamp) -> bool {
        self.finished
            .get(email)
            .is_some_and(|finished| *finished + self.kept > now)
    }

    fn look_up(&mut self, line: &Value) -> Result<(), String> {
        let contacts = self
            .out
            .get(line["batch"].as_str().unwrap())
            .ok_or_else(|| format!("its batch is not out: {line}"))?;
        let place = usize::try_from(line["item"].as_u64().unwrap()).unwrap();
        let (email, free) = contacts[place].clone();
        let due = u64::from(line["found"] == true && !free);
        let charged = line["credits"].as_u64().unwrap();
        if line["free"] != free || charged != due {
            return Err(format!("{due} is due, free is {free}: {line}"));
        }
        if !free {
            self.finished.insert(email, time(line));
        }
        self.charged += charged;
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Act {
    Post(Vec<usize>),
    Wait(u64),
    Restart,
    Calm,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => vec(0..12_usize, 1..10).prop_map(Act::Post),
        4 => (0..200_u64).prop_map(Act::Wait),
        1 => Just(Act::Restart),
        1 => Just(Act::Calm),
    ]
}

fn perform(world: &mut World, act: &Act) {
    match act {
        Act::Post(of) => {
            let emails: Vec<String> = of.iter().map(|n| format!("reader{n}@readers.example")).collect();
            let request = batch(&refs(&emails)).to_string();
            // Its caller may wait for ever.
            drop(world.begin(crate::world::with_key("POST", BULK, request.into())));
        }
        Act::Wait(span) => world.advance(secs(*span)),
        Act::Restart => world.kill_and_open(|_| ()),
        Act::Calm => {
            world.send(crate::world::with_key(
                "DELETE",
                "/sandbox/moods",
                axum::body::Body::empty(),
            ));
        }
    }
}

fn moods(percents: &[u8]) -> Moods {
    let drawn = Mood::ALL.into_iter().zip(percents);
    drawn.fold(Moods::default(), |moods, (mood, percent)| {
        moods.with(mood, f64::from(*percent).try_into().unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn charges_are_what_the_rules_say(
        acts in vec(act(), 1..25),
        percents in vec(prop_oneof![Just(0_u8), Just(20), Just(100)], Mood::ALL.len()),
        at_once in 1..8_u32,
        credits in prop_oneof![Just(5_000_u64), 0..40_u64],
        seed in any::<u64>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let settings = SandboxConfig {
            moods: moods(&percents),
            contacts_at_once: NonZeroU32::new(at_once).unwrap(),
            calls_per_minute: NonZeroU32::MAX,
            not_found_percent: 30,
            credits,
            seed,
            ..config()
        };
        let kept = settings.results_kept;
        let mut world = World::on(settings, Some(path.clone()));
        acts.iter().for_each(|act| perform(&mut world, act));
        world.advance(secs(24 * 60 * 60));
        let totals = world.totals();
        prop_assert_eq!(totals.batches_ended, totals.batch_count as u64, "everything ends");
        prop_assert_eq!(totals.balance + totals.charges, totals.credits_bought);
        let mut judge = Judge { kept, ..Judge::default() };
        for line in lines(&path) {
            judge.take(&line).map_err(TestCaseError::fail)?;
        }
        prop_assert_eq!(judge.charged, totals.charges);
        prop_assert!(judge.out.is_empty());
    }
}
