//! Everything that is left to chance, from one number.

use std::ops::Range;
use std::time::Duration;

/// A generator of numbers that a seed decides (splitmix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// From this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator of its own for whoever is called so: threads do not take each other's numbers.
    #[must_use]
    pub fn of(&self, name: &str) -> Self {
        let folded = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(self.0 ^ folded)
    }

    /// A number below `below`, which is not 0.
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }

    /// A number of the range.
    pub fn between(&mut self, range: Range<u64>) -> u64 {
        range.start + self.roll((range.end - range.start).max(1))
    }

    /// A span of so many milliseconds.
    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.between(range))
    }

    /// One of these, which are not none.
    pub fn choose<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        let at = usize::try_from(self.roll(choices.len() as u64)).expect("it is below a length");
        &choices[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_and_names_do_not_mix() {
        let numbers = |mut dice: Dice| (0..8).map(|_| dice.roll(1000)).collect::<Vec<_>>();
        assert_eq!(numbers(Dice::new(7).of("a")), numbers(Dice::new(7).of("a")));
        assert_ne!(numbers(Dice::new(7).of("a")), numbers(Dice::new(7).of("b")));
        assert_ne!(numbers(Dice::new(7).of("a")), numbers(Dice::new(8).of("a")));
    }

    #[test]
    fn ranges_are_kept_to() {
        let mut dice = Dice::new(1);
        assert!((0..1000).all(|_| (3..9).contains(&dice.between(3..9))));
        assert_eq!(dice.between(5..5), 5);
        assert!((0..1000).all(|_| !dice.chance(0)) && (0..1000).all(|_| dice.chance(100)));
    }
}
