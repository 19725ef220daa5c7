//! How long things take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dice::Dice;

/// How spans are spread between their shortest and their longest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    /// Always the shortest.
    Fixed,
    /// Evenly.
    #[default]
    Uniform,
    /// Half of them within a two-hundredth of the way, one in ten beyond two fifths of it.
    LongTailed,
}

/// A draw is one of 61 even steps, so that with the real 30 to 90 s contacts that start together end together, a
/// second's worth at a time.
const STEPS: u32 = 60;

impl Latency {
    /// One span from `min` to `max`.
    pub(crate) fn draw(self, dice: &mut Dice, min: Duration, max: Duration) -> Duration {
        let step = u32::try_from(dice.below(u64::from(STEPS) + 1)).expect("a step is at most 60");
        let range = max.saturating_sub(min);
        match self {
            Self::Fixed => min,
            Self::Uniform => min + range / STEPS * step,
            Self::LongTailed => min + range.mul_f64((f64::from(step) / f64::from(STEPS)).powi(8)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(latency: Latency) -> Vec<u64> {
        let (min, max) = (Duration::from_secs(10), Duration::from_secs(1_010));
        let mut spans: Vec<u64> = (0..1_000)
            .map(|n: u32| {
                latency
                    .draw(&mut Dice::new(1, "test", &n.to_string()), min, max)
                    .as_secs()
            })
            .collect();
        spans.sort_unstable();
        spans
    }

    #[test]
    fn each_shape_spreads_between_its_bounds() {
        assert_eq!(spans(Latency::Fixed), vec![10; 1_000]);
        let uniform = spans(Latency::Uniform);
        assert!((450..570).contains(&uniform[500]), "{}", uniform[500]);
        let tailed = spans(Latency::LongTailed);
        assert!(tailed[500] < 16 && tailed[900] > 350, "{} {}", tailed[500], tailed[900]);
        for spans in [uniform, tailed] {
            assert!(
                spans[0] >= 10 && spans[999] <= 1_010 && spans[999] > 900,
                "{}",
                spans[999]
            );
        }
    }
}
