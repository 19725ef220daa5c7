//! Invented people. Everything about one follows from the seed and the address, whatever its case, and nothing else.

mod company;
mod employment;
mod industries;
mod names;
mod person;
mod place;
mod titles;

use std::time::Duration;

use serde::Serialize;

use person::Person;

use crate::dice::Dice;
use crate::latency::Latency;

/// Whether the address belongs to anybody, when so many of a hundred do not.
pub(crate) fn is_found(seed: u64, email: &str, not_found_percent: u8) -> bool {
    !Dice::new(seed, "found", email).chance(not_found_percent.into())
}

/// The profile in a record that was looked at.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Profile {
    Person(Box<Person>),
    Null,
    Empty {},
}

/// The person behind an address.
pub(crate) fn somebody(seed: u64, email: &str) -> Profile {
    Profile::Person(Box::new(Person::invent(seed, email)))
}

/// What stands for the profile of nobody: it is absent, null or empty.
pub(crate) fn nobody(seed: u64, email: &str) -> Option<Profile> {
    match Dice::new(seed, "nobody", email).below(3) {
        0 => None,
        1 => Some(Profile::Null),
        _ => Some(Profile::Empty {}),
    }
}

/// How long this address takes.
pub(crate) fn lookup_delay(seed: u64, email: &str, shape: Latency, min: Duration, max: Duration) -> Duration {
    shape.draw(&mut Dice::new(seed, "delay", email), min, max)
}

/// Orders the records of an answer.
pub(crate) fn place_in_answer(seed: u64, email: &str) -> u64 {
    Dice::new(seed, "order", email).next()
}

#[cfg(test)]
mod tests;
