//! Repeatable chance.

/// A sequence of numbers that follows from a seed, a purpose and a text. The text's case does not matter.
///
/// The sequence is SplitMix64 from an FNV-1a hash of the three. Both are written out here because what they give is a
/// promise: the same seed must invent the same people after every update of every library.
#[derive(Debug)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64, purpose: &str, text: &str) -> Self {
        let text = text.bytes().map(|byte| byte.to_ascii_lowercase());
        let bytes = seed
            .to_le_bytes()
            .into_iter()
            .chain(purpose.bytes())
            .chain([0])
            .chain(text);
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self {
            state: bytes.fold(0xcbf2_9ce4_8422_2325, mix),
        }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to just below `bound`. The tiny unevenness does not matter to anybody invented.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in so many of a hundred cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.place_in(from)]
    }

    /// Picks `count` different ones, as long as the list is much longer and not a multiple of three.
    pub(crate) fn pick_several<T: Copy>(&mut self, from: &[T], count: usize) -> Vec<T> {
        let first = self.place_in(from);
        from.iter()
            .copied()
            .cycle()
            .skip(first)
            .step_by(3)
            .take(count)
            .collect()
    }

    fn place_in<T>(&mut self, list: &[T]) -> usize {
        usize::try_from(self.below(list.len() as u64)).expect("the place lies within the list")
    }

    /// Picks by weight.
    pub(crate) fn weigh<T: Copy>(&mut self, from: &[(u64, T)]) -> T {
        let mut left = self.below(from.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in from {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        unreachable!("the number drawn is below the sum of the weights")
    }

    /// A date as the provider writes it, which now and then is none.
    pub(crate) fn date(&mut self, year: u64) -> String {
        let month = self.between(1, 12);
        if self.chance(6) {
            return format!("{year}-{month}-0T00:00:00.000Z");
        }
        format!("{year}-{month:02}-01T00:00:00.000Z")
    }

    /// Sixteen hexadecimal digits for an id.
    pub(crate) fn hex(&mut self) -> String {
        format!("{:016x}", self.next())
    }
}
