//! What holds whatever happens.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use lumina_fullenrich_sandbox::{SandboxConfig, UnpayableBatch};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::{World, config, secs};

#[derive(Clone, Debug)]
enum Act {
    /// POST these of a dozen addresses.
    Post(Vec<usize>),
    Wait(u64),
    Buy(u64),
    /// Die and be opened again.
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => vec(0..12_usize, 1..20).prop_map(Act::Post),
        3 => (0..200_u64).prop_map(Act::Wait),
        1 => (0..20_u64).prop_map(Act::Buy),
        1 => Just(Act::Restart),
    ]
}

fn form() -> impl Strategy<Value = UnpayableBatch> {
    use UnpayableBatch::{FailsWhole, StopsMidway, StopsMidwayWithBlanks};
    prop_oneof![Just(StopsMidway), Just(StopsMidwayWithBlanks), Just(FailsWhole)]
}

fn emails(of: &[usize]) -> Vec<String> {
    of.iter()
        .map(|n| format!("{}{n}@readers.example", if n % 2 == 0 { "reader" } else { "READER" }))
        .collect()
}

fn perform(world: &mut World, act: &Act) {
    match act {
        Act::Post(of) => {
            let emails = emails(of);
            world.start_for(&emails.iter().map(String::as_str).collect::<Vec<_>>());
        }
        Act::Wait(span) => world.advance(secs(*span)),
        Act::Buy(credits) => assert!(world.sandbox().add_credits(*credits).is_ok()),
        Act::Restart => world.kill_and_open(|_| ()),
    }
}

fn assert_balanced(world: &World, at_once: usize) {
    let totals = world.totals();
    assert_eq!(totals.balance + totals.charges, totals.credits_bought);
    assert!(totals.contacts_in_flight <= at_once && totals.most_contacts_at_once <= at_once);
    let report = world.sandbox().report();
    let sum =
        |of: &dyn Fn(&lumina_fullenrich_sandbox::AddressLine) -> u32| report.addresses.iter().map(of).sum::<u32>();
    assert_eq!(u64::from(sum(&|line| line.charges)), totals.charges);
    assert_eq!(u64::from(sum(&|line| line.lookups)), totals.lookups);
    assert_eq!(
        report.batches.iter().map(|batch| u64::from(batch.credits)).sum::<u64>(),
        totals.charges
    );
    assert_eq!(report.charged_twice.len() as u64, totals.charged_twice_count);
}

fn settings(credits: u64, at_once: u32, unpayable: UnpayableBatch) -> SandboxConfig {
    SandboxConfig {
        credits,
        unpayable,
        not_found_percent: 30,
        contacts_at_once: NonZeroU32::new(at_once).unwrap(),
        calls_per_minute: NonZeroU32::MAX,
        ..config()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn credits_are_conserved_and_places_are_limited(
        acts in vec(act(), 1..25), credits in 0..60_u64, at_once in 1..8_u32, form in form(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::on(settings(credits, at_once, form), Some(folder.path().join("ledger")));
        for act in &acts {
            perform(&mut world, act);
            assert_balanced(&world, at_once as usize);
        }
        world.advance(secs(24 * 60 * 60));
        assert_balanced(&world, at_once as usize);
        let totals = world.totals();
        prop_assert_eq!(totals.batches_ended, totals.batch_count as u64, "everything ends");
        prop_assert_eq!((totals.contacts_in_flight, totals.contacts_waiting), (0, 0));
    }

    #[test]
    fn no_address_is_charged_twice_when_its_lookups_do_not_overlap(
        posts in vec(proptest::sample::subsequence((0..12_usize).collect::<Vec<_>>(), 1..12), 1..8),
        at_once in 1..8_u32,
        die in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::on(settings(500, at_once, UnpayableBatch::StopsMidway), Some(folder.path().join("ledger")));
        let mut asked = BTreeMap::new();
        for of in &posts {
            perform(&mut world, &Act::Post(of.clone()));
            of.iter().for_each(|n| *asked.entry(*n).or_insert(0) += 1);
            if die {
                world.advance(secs(40));
                perform(&mut world, &Act::Restart);
            }
            world.advance(secs(12 * 90));
        }
        prop_assert_eq!(world.sandbox().report().charged_twice, Vec::<String>::new());
        for (n, times) in asked {
            let (lookups, charges) = world.account(&emails(&[n])[0].to_lowercase());
            prop_assert_eq!(lookups, times);
            prop_assert!(charges <= 1);
        }
    }
}
