//! Randomness from a seed, in streams that do not disturb each other.

use std::time::Duration;

/// SplitMix64. The same seed gives the same draws.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another stream of the same seed, for this purpose: drawing from one does not move the
    /// other, so that leaving out a fault changes as little as possible of the rest.
    #[must_use]
    pub fn of(seed: u64, purpose: &str, number: u64) -> Self {
        let fold = |hash: u64, byte: u64| (hash ^ byte).wrapping_mul(0x0100_0000_01b3);
        let named = purpose.bytes().map(u64::from).fold(0xcbf2_9ce4_8422_2325, fold);
        let mut dice = Self(seed ^ named.rotate_left(17) ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        dice.draw();
        dice
    }

    /// 64 random bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// A number from `least` to `most`, both included.
    pub fn within(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// One of these, of which there is at least one.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let place = self.below(among.len() as u64);
        &among[usize::try_from(place).expect("a place in a slice is a usize")]
    }

    /// A time between these, in milliseconds.
    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.within(least, most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_their_own() {
        let draw = |purpose, number| Dice::of(7, purpose, number).draw();
        assert_eq!(draw("a", 0), draw("a", 0));
        assert_ne!(draw("a", 0), draw("b", 0));
        assert_ne!(draw("a", 0), draw("a", 1));
        assert_ne!(Dice::of(8, "a", 0).draw(), draw("a", 0));
    }
}
