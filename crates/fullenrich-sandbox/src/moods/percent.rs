//! How often of a hundred times.

use serde::{Deserialize, Serialize};

use crate::dice::Dice;

/// A percentage from 0 to 100, exact to a ten-thousandth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Percent(u32);

/// A number that is no percentage.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is no percentage: it goes from 0 to 100")]
pub struct NoPercent(f64);

const PARTS: f64 = 10_000.0;

impl Percent {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Each time.
    pub const ALWAYS: Self = Self(1_000_000);

    /// Whether it is so this time.
    pub(crate) fn hits(self, dice: &mut Dice) -> bool {
        dice.below(Self::ALWAYS.0.into()) < self.0.into()
    }
}

impl TryFrom<f64> for Percent {
    type Error = NoPercent;

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between 0 and a million"
    )]
    fn try_from(percent: f64) -> Result<Self, NoPercent> {
        if (0.0..=100.0).contains(&percent) {
            Ok(Self((percent * PARTS).round() as u32))
        } else {
            Err(NoPercent(percent))
        }
    }
}

impl From<Percent> for f64 {
    fn from(percent: Percent) -> Self {
        Self::from(percent.0) / PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_goes_from_nought_to_a_hundred() {
        for given in [0.0, 0.01, 12.5, 100.0] {
            assert_eq!(f64::from(Percent::try_from(given).unwrap()), given);
        }
        for wrong in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
            assert!(Percent::try_from(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_hits_as_often_as_it_says() {
        let hits = |percent: f64| {
            let percent = Percent::try_from(percent).unwrap();
            (0..10_000)
                .filter(|n| percent.hits(&mut Dice::new(1, "test", &n.to_string())))
                .count()
        };
        assert_eq!((hits(0.0), hits(100.0)), (0, 10_000));
        assert!((400..600).contains(&hits(5.0)), "{}", hits(5.0));
    }
}
