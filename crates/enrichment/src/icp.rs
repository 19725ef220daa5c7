//! How well a person fits the ideal customer profile: 0 to 100, every point explained.
//!
//! Three parts, each 0 to 100 points, are weighed: the headcount of the company, its industry, the seniority of the
//! person. What is not known scores 0 and is flagged; nothing is guessed.

mod headcount;
mod industry;
mod profile;
mod seniority;
mod validate;

pub use industry::{IndustryFit, industry_fit};
pub use profile::{
    HeadcountBand, HeadcountProfile, IcpProfile, IndustryPoints, IndustryProfile, SeniorityPoints, Weights,
};
pub use seniority::Seniority;
pub use validate::{IcpProfileError, MAX_BANDS, MAX_INDUSTRY_NAMES};

use std::fmt;

use crate::email::AddressClass;
use crate::job::JobStatus;
use crate::person::Person;

/// A lead at a personal address is a hidden gem when its score is above this.
pub const HIDDEN_GEM_ABOVE: u8 = 70;

/// How much of a title or an industry's name a reason repeats: people write slogans into their titles.
const MAX_QUOTED_CHARS: usize = 120;

/// A score and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct IcpScore {
    /// 0 to 100.
    pub total: u8,
    /// One for each part: headcount, industry, seniority.
    pub reasons: Vec<Reason>,
}

/// A part of the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// How many people work at the company.
    Headcount,
    /// What the company does.
    Industry,
    /// How high the person stands in it.
    Seniority,
}

impl Part {
    /// The stored and sent form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Headcount => "headcount",
            Self::Industry => "industry",
            Self::Seniority => "seniority",
        }
    }
}

/// What one part gave, and from what.
///
/// Shown as a sentence: `Headcount 51-200: 100 of 100, weight 40 %`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Which part.
    pub part: Part,
    /// What was looked at, in words, such as `Headcount 51-200`.
    pub finding: String,
    /// 0 to 100.
    pub points: u8,
    /// In percent; the weights of all parts add up to 100.
    pub weight: u8,
    /// Nothing was known, which gives no points.
    pub is_missing: bool,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} of 100, weight {} %", self.finding, self.points, self.weight)
    }
}

/// What a part found, before it is weighed.
struct Finding {
    words: String,
    points: u8,
    is_missing: bool,
}

impl Finding {
    fn known(words: String, points: u8) -> Self {
        Self {
            words,
            points,
            is_missing: false,
        }
    }

    /// With text from outside, cut after [`MAX_QUOTED_CHARS`].
    fn quoting(label: &str, text: &str, points: u8) -> Self {
        let cut = text.char_indices().nth(MAX_QUOTED_CHARS).map(|(at, _)| at);
        let shown = cut.map_or_else(|| text.to_owned(), |at| format!("{}...", text[..at].trim_end()));
        Self::known(format!("{label} {shown}"), points)
    }

    fn missing(words: &str) -> Self {
        Self {
            words: words.to_owned(),
            points: 0,
            is_missing: true,
        }
    }

    fn weighed(self, part: Part, weight: u8) -> Reason {
        Reason {
            part,
            finding: self.words,
            points: self.points,
            weight,
            is_missing: self.is_missing,
        }
    }
}

/// Scores a person. The profile must be a valid one ([`IcpProfile::validate`]).
pub fn score(profile: &IcpProfile, person: &Person) -> IcpScore {
    let weights = profile.weights;
    let reasons = vec![
        headcount::find(&profile.headcount, person.company()).weighed(Part::Headcount, weights.headcount),
        industry::find(&profile.industry, person.company()).weighed(Part::Industry, weights.industry),
        seniority::find(&profile.seniority, person.employment.as_ref()).weighed(Part::Seniority, weights.seniority),
    ];
    IcpScore {
        total: total(&reasons),
        reasons,
    }
}

/// The weighed mean, half a point rounded up.
fn total(reasons: &[Reason]) -> u8 {
    let hundredths: u32 = reasons.iter().map(|r| u32::from(r.points) * u32::from(r.weight)).sum();
    u8::try_from(((hundredths + 50) / 100).min(100)).expect("at most 100")
}

/// Whether a lead is what the product is for: somebody worth talking to behind a personal address.
#[must_use]
pub fn is_hidden_gem(class: AddressClass, status: JobStatus, score: u8) -> bool {
    class == AddressClass::Personal && status == JobStatus::Enriched && score > HIDDEN_GEM_ABOVE
}
