//! Files: `lumina import` beside the server, or an upload to it.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Shared;
use crate::dice::Dice;
use crate::http::{Answer, Request};
use crate::world::Subscriber;

/// How many people a file brings.
const SIZES: std::ops::Range<u64> = 3..50;

/// Of a hundred files, so many are uploaded.
const UPLOADED_PERCENT: u64 = 60;

/// Lines that are nobody: they are left out of a file, and the rest of it is taken.
const NONSENSE: &str = "not an address\nat@@twice.com\n";

/// A whole file may take longer than a webhook.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hands in one file after the other until it is over.
pub(super) fn send_on(shared: &Shared, mut dice: Dice) {
    while !shared.is_over() {
        shared.pause(dice.millis(shared.feeding.files.clone()));
        if shared.is_over() {
            return;
        }
        let people = invent(shared, &mut dice, SIZES);
        let file = write_file(shared, &mut dice, &people);
        let is_uploaded = dice.chance(UPLOADED_PERCENT);
        shared.insist(&mut dice, people, || match is_uploaded {
            true => upload(shared, &file),
            false => import(shared, &file).is_ok(),
        });
        shared.files.fetch_add(1, Ordering::SeqCst);
    }
}

/// Takes in so many at once, before anything else is there.
pub(super) fn import_once(shared: &Shared, dice: &mut Dice, count: u64) -> Result<()> {
    let people = invent(shared, dice, count..count + 1);
    let file = write_file(shared, dice, &people);
    import(shared, &file)?;
    shared.lock().extend(people);
    Ok(())
}

fn invent(shared: &Shared, dice: &mut Dice, sizes: std::ops::Range<u64>) -> Vec<Subscriber> {
    (0..dice.between(sizes)).map(|_| shared.people.invent(dice)).collect()
}

/// The people, some of them twice, somebody who is known, and what is nobody.
fn write_file(shared: &Shared, dice: &mut Dice, people: &[Subscriber]) -> String {
    let mut file = "email\n".to_owned();
    for subscriber in people {
        writeln!(file, "{}", subscriber.email).expect("a text takes everything");
        if dice.chance(5) {
            writeln!(file, "{}", subscriber.email.to_uppercase()).expect("a text takes everything");
        }
    }
    if let Some(known) = shared.somebody(dice) {
        writeln!(file, "{}", known.email).expect("a text takes everything");
    }
    file + NONSENSE
}

/// Whether it was answered with 2xx.
fn upload(shared: &Shared, file: &str) -> bool {
    // Made at the first start.
    let Ok(token) = std::fs::read_to_string(shared.place.path("lumina.db.token")) else {
        return false;
    };
    let request = Request::new("POST", "/api/upload")
        .header("authorization", &format!("Bearer {}", token.trim()))
        .form(&[("enrich", "yes")], "people.csv", file)
        .within(PATIENCE);
    request
        .send(shared.place.serve)
        .is_ok_and(|answer: Answer| answer.is_success())
}

fn import(shared: &Shared, file: &str) -> Result<()> {
    let name = format!("people-{:03}.csv", shared.files.load(Ordering::SeqCst));
    shared.place.write(&name, file)?;
    let output = shared.place.command(&["import", &name, "--yes"]).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        shared.diary.note(&format!("{name} was not taken in: {said}"));
        bail!("lumina import ended with {}: {said}", output.status);
    }
    Ok(())
}
