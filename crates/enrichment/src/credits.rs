//! What lookups cost at most: credits, money, time. Whole numbers throughout; nothing stored is a float.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;
use std::time::Duration;

/// The most addresses that the provider takes in one batch.
pub const BATCH_SIZE: u64 = 100;

/// How many contacts the provider looks up at once for one account; the others wait their turn there.
pub const CONTACTS_AT_ONCE: u64 = 100;

/// How long a full batch takes at most as a rule. The provider says "usually under four minutes" and promises
/// nothing.
pub const BATCH_TIME: Duration = Duration::from_secs(4 * 60);

/// The provider's unit of account: one credit for a person found, none for an address it knows nothing of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Credits(u64);

impl Credits {
    /// No credits.
    pub const ZERO: Self = Self(0);

    /// So many whole credits.
    #[must_use]
    pub const fn new(credits: u64) -> Self {
        Self(credits)
    }

    /// The number of credits.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum; at the largest number it stays there.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left; never less than none.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Credits {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0 == 1 { "credit" } else { "credits" };
        write!(f, "{} {noun}", self.0)
    }
}

/// An amount in millionths of the currency unit, whichever currency the operator pays in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Money(u64);

const MICROS: u64 = 1_000_000;

impl Money {
    /// So many millionths.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The amount in millionths.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }
}

/// Two decimals, rounded up, so that an upper bound stays one.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = self.0.div_ceil(MICROS / 100);
        write!(f, "{}.{:02}", cents / 100, cents % 100)
    }
}

/// What one credit costs: a decimal with at most six places, such as `0.055`.
///
/// In a configuration it may be written as a string or as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CreditPrice(Money);

impl CreditPrice {
    /// The highest price that is believed, in currency units a credit: what providers ask is some hundredths, and
    /// a price above this is a slip of the decimal point.
    pub const MAX_UNITS: u64 = 1_000;

    /// The price of one credit.
    #[must_use]
    pub const fn per_credit(self) -> Money {
        self.0
    }

    /// The price of so many credits; at the largest amount it stays there.
    #[must_use]
    pub const fn of(self, credits: Credits) -> Money {
        Money(self.0.0.saturating_mul(credits.get()))
    }
}

impl FromStr for CreditPrice {
    type Err = CreditPriceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || CreditPriceError(text.to_owned());
        let (units, decimals) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(units) || !is_number(decimals) || decimals.len() > 6 {
            return Err(wrong());
        }
        let units: u64 = units.parse().map_err(|_| wrong())?;
        let micros: u64 = format!("{decimals:0<6}").parse().map_err(|_| wrong())?;
        if units > Self::MAX_UNITS {
            return Err(wrong());
        }
        Ok(Self(Money(units * MICROS + micros)))
    }
}

impl fmt::Display for CreditPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.0.0 / MICROS, self.0.0 % MICROS);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl<'de> serde::Deserialize<'de> for CreditPrice {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged, expecting = "a price such as 0.055")]
        enum Written {
            Text(String),
            Whole(u64),
            // The shortest decimal that reads as the float is what the operator wrote.
            Decimal(f64),
        }
        let text = match Written::deserialize(from)? {
            Written::Text(text) => text,
            Written::Whole(units) => units.to_string(),
            Written::Decimal(number) => number.to_string(),
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is no price of a credit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no price of a credit; write a decimal from 0 to {max} with at most six places, such as 0.055",
    max = CreditPrice::MAX_UNITS
)]
pub struct CreditPriceError(String);

/// What an operator is told before anything is bought. All of it is an upper bound, the time as far as the provider
/// keeps its usual pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupEstimate {
    /// How many addresses are looked up.
    pub lookups: u64,
    /// In how many batches, when each but the last is full.
    pub batches: u64,
    /// One credit for each, which is what it costs if everybody is found.
    pub credits_at_most: Credits,
    /// What these credits cost, where the price is known.
    pub money_at_most: Option<Money>,
    /// From the first request to the last answer.
    pub duration_at_most: Duration,
}

impl LookupEstimate {
    /// The estimate for so many lookups with at most `max_in_flight` batches out at a time (0 counts as 1).
    ///
    /// More batches in flight than the provider works on ([`CONTACTS_AT_ONCE`]) only wait there, so that they do
    /// not shorten the time.
    #[must_use]
    pub fn new(lookups: u64, price: Option<CreditPrice>, max_in_flight: u32) -> Self {
        let batches = lookups.div_ceil(BATCH_SIZE);
        let side_by_side = u64::from(max_in_flight).clamp(1, CONTACTS_AT_ONCE / BATCH_SIZE);
        let rounds = batches.div_ceil(side_by_side);
        let credits = Credits::new(lookups);
        Self {
            lookups,
            batches,
            credits_at_most: credits,
            money_at_most: price.map(|price| price.of(credits)),
            duration_at_most: Duration::from_secs(BATCH_TIME.as_secs().saturating_mul(rounds)),
        }
    }
}
