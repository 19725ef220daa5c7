//! The ledger on disk, and sandboxes that die.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::num::NonZeroU32;

use lumina_fullenrich_sandbox::{OpenError, SandboxConfig};
use tempfile::TempDir;

use crate::world::{BATCH_URL, CONTACT_URL, World, config, crowd, refs, secs};

fn world() -> (World, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let settings = SandboxConfig {
        contacts_at_once: NonZeroU32::new(4).unwrap(),
        credits: 100,
        not_found_percent: 20,
        ..config().with_lookup_delay(secs(10))
    };
    (World::on(settings, Some(folder.path().join("ledger.jsonl"))), folder)
}

fn without_calls(world: &World) -> String {
    let mut report = serde_json::to_value(world.sandbox().report()).unwrap();
    for since_open in [
        "calls",
        "callsPerMinute",
        "mostContactsAtOnce",
        "contactsInFlight",
        "contactsWaiting",
    ] {
        report.as_object_mut().unwrap().remove(since_open);
    }
    report.to_string()
}

#[test]
fn finished_work_survives_and_its_repeat_stays_free() {
    let (mut world, _folder) = world();
    let id = world.start_for(&refs(&crowd("r", 10)));
    world.sandbox().add_credits(11).unwrap();
    world.advance(secs(60));
    let answer = world.read(&id).bytes;
    let ledger = without_calls(&world);
    world.kill_and_open(|config| config.credits = 1_000_000);
    assert_eq!(
        without_calls(&world),
        ledger,
        "the balance is the ledger's, not the configuration's"
    );
    assert_eq!(world.read(&id).bytes, answer);
    world.start_for(&refs(&crowd("R", 10)));
    world.advance(secs(60));
    assert_eq!(world.sandbox().report().charged_twice, [""; 0]);
    assert_eq!(world.totals().free_repeats, 10);
    assert_eq!(
        world.arrivals(BATCH_URL).len(),
        2,
        "what was called back is not called back again"
    );
}

#[test]
fn another_seed_and_share_do_not_change_people_already_sold() {
    let (mut world, _folder) = world();
    let id = world.start_for(&refs(&crowd("r", 10)));
    world.advance(secs(60));
    let answer = world.read(&id).bytes;
    world.kill_and_open(|config| (config.seed, config.not_found_percent) = (99, 100));
    assert_eq!(world.read(&id).bytes, answer);
    let other = world.start_for(&refs(&crowd("new", 10)));
    world.advance(secs(60));
    assert_eq!(world.read(&other).json["cost"]["credits"], 0);
}

#[test]
fn unfinished_batches_are_taken_up_again() {
    for died_after in [0, 5, 10, 15, 20, 25] {
        let (mut world, _folder) = world();
        let first = world.start_for(&refs(&crowd("a", 6)));
        let second = world.start_for(&refs(&crowd("b", 5)));
        world.advance(secs(died_after));
        let before = world.totals().charges;
        world.kill();
        world.advance(secs(3600));
        world.kill_and_open(|_| ());
        assert_eq!(world.totals().charges, before);
        world.advance(secs(60));
        for id in [&first, &second] {
            assert_eq!(world.read(id).json["status"], "FINISHED", "died after {died_after} s");
        }
        let report = world.sandbox().report();
        assert!(
            report.addresses.iter().all(|line| line.lookups == 1),
            "died after {died_after} s: {report:?}"
        );
        assert_eq!(report.charged_twice, [""; 0]);
        assert_eq!(world.arrivals(BATCH_URL).len(), 2);
        assert_eq!(world.arrivals(CONTACT_URL).len(), 11);
    }
}

#[test]
fn undelivered_callbacks_go_on_where_they_stopped() {
    let (mut world, _folder) = world();
    world.answer_callbacks(|_| Some(500));
    world.start_for(&["a@readers.example"]);
    world.advance(secs(10 + 60 + 30));
    assert_eq!(
        (world.arrivals(BATCH_URL).len(), world.arrivals(CONTACT_URL).len()),
        (2, 2)
    );
    world.kill_and_open(|_| ());
    world.advance(secs(3600));
    assert_eq!(
        (world.arrivals(BATCH_URL).len(), world.arrivals(CONTACT_URL).len()),
        (6, 6)
    );
    world.kill_and_open(|_| ());
    world.advance(secs(3600));
    assert_eq!(world.arrivals(BATCH_URL).len(), 6, "given up is given up");
}

#[test]
fn a_callback_due_when_the_sandbox_died_comes_from_the_next_one() {
    let (mut world, folder) = world();
    world.start_for(&["a@readers.example"]);
    world.advance(secs(10));
    assert_eq!(world.arrivals(BATCH_URL).len(), 1);
    world.kill();
    // As if the process had died between the charge and the callbacks.
    let path = folder.path().join("ledger.jsonl");
    let lines = fs::read_to_string(&path).unwrap();
    let kept: String = lines
        .lines()
        .filter(|line| !line.contains("\"callback\""))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(&path, kept).unwrap();
    world.kill_and_open(|_| ());
    assert_eq!(
        (world.arrivals(BATCH_URL).len(), world.arrivals(CONTACT_URL).len()),
        (2, 2)
    );
}

#[test]
fn a_batch_that_fails_whole_does_so_after_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let unpayable = lumina_fullenrich_sandbox::UnpayableBatch::FailsWhole;
    let settings = SandboxConfig {
        credits: 3,
        unpayable,
        ..config().with_lookup_delay(secs(10))
    };
    let mut world = World::on(settings, Some(folder.path().join("ledger")));
    let id = world.start_for(&refs(&crowd("r", 4)));
    world.advance(secs(5));
    world.kill_and_open(|_| ());
    world.advance(secs(10));
    assert_eq!(world.read(&id).json["status"], "CREDITS_INSUFFICIENT");
    assert_eq!(world.totals().charges, 0);
}

#[test]
fn a_line_that_was_being_written_is_forgotten() {
    let (mut world, folder) = world();
    world.start_for(&refs(&crowd("r", 3)));
    world.advance(secs(60));
    let ledger = without_calls(&world);
    world.kill();
    let path = folder.path().join("ledger.jsonl");
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(br#"{"kind":"credits","at":"2026-08-03T10:0"#).unwrap();
    world.kill_and_open(|_| ());
    assert_eq!(without_calls(&world), ledger);
    world.sandbox().add_credits(1).unwrap();
    world.kill_and_open(|_| ());
    assert_eq!(
        world.totals().credits_bought,
        101,
        "and what comes after it is a line of its own"
    );
}

#[test]
fn every_cut_of_the_ledger_opens_and_no_book_is_out_of_balance() {
    let (mut world, folder) = world();
    world.start_for(&refs(&crowd("a", 6)));
    world.advance(secs(13));
    world.start_for(&refs(&crowd("A", 6)));
    world.advance(secs(600));
    world.kill();
    let path = folder.path().join("ledger.jsonl");
    let whole = fs::read(&path).unwrap();
    let ends = whole
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1);
    for end in ends {
        fs::write(&path, &whole[..end]).unwrap();
        world.kill_and_open(|_| ());
        world.advance(secs(600));
        let totals = world.totals();
        assert_eq!(totals.balance + totals.charges, 100, "cut at {end}");
        assert_eq!(totals.batches_ended, totals.batch_count as u64, "cut at {end}");
        world.kill();
    }
}

#[test]
fn ledgers_that_cannot_be_used_are_refused_in_words() {
    let opened = r#"{"kind":"opened","format":1,"at":"2026-08-03T10:00:00Z","credits":5}"#;
    let lookup = r#"{"kind":"lookup","batch":"2db5ea61-1752-42cf-8ea1-ab1da060cd0a","item":0,"at":"2026-08-03T10:00:00Z","email":"a@b.example","found":true,"credits":1,"free":false}"#;
    let rows = [
        ("hello\n".to_owned(), 1, "expected"),
        (format!("{opened}\n{opened}\n"), 2, "first line and no other"),
        (format!("{lookup}\n"), 1, "first line and no other"),
        (format!("{opened}\n{lookup}\n"), 2, "is unknown"),
        (opened.replace("\"format\":1", "\"format\":2") + "\n", 1, "format 2"),
    ];
    for (content, number, words) in rows {
        let (mut world, folder) = world();
        world.kill();
        fs::write(folder.path().join("ledger.jsonl"), content).unwrap();
        match world.try_open() {
            Err(OpenError::Corrupt { line, reason, .. }) if line == number && reason.contains(words) => {}
            other => panic!("{words}: {other:?}"),
        }
    }
}

#[test]
fn two_sandboxes_do_not_share_a_ledger() {
    let (world, folder) = world();
    let path = folder.path().join("ledger.jsonl");
    let second = lumina_fullenrich_sandbox::Sandbox::open(
        config(),
        Some(path),
        std::sync::Arc::new(world.clock.clone()),
        std::sync::Arc::clone(&world.inbox) as _,
    );
    let error = second.expect_err("the ledger is held");
    assert!(
        matches!(error, OpenError::Held { .. }) && error.to_string().contains("another sandbox"),
        "{error}"
    );
}
