//! What a lookup found, in neutral words: no field is certain to be there.
//!
//! Times and anything else that scoring and hand-off do not read stay in the provider's raw answer, which is kept
//! beside the lead.

use std::fmt;
use std::str::FromStr;

/// The person behind an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// The name as one text.
    pub full_name: Option<String>,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// What the person writes over their profile.
    pub headline: Option<String>,
    /// Where the person lives.
    pub location: Option<Location>,
    /// The person's page on LinkedIn.
    pub linkedin_url: Option<String>,
    /// The present position, or the latest one known.
    pub employment: Option<Employment>,
}

impl Person {
    /// The name to show: the full name, else the first and last name, as far as they are known.
    #[must_use]
    pub fn display_name(&self) -> Option<String> {
        let given = |name: &Option<String>| present(name.as_deref()).map(str::to_owned);
        given(&self.full_name).or_else(|| {
            let parts = [given(&self.first_name), given(&self.last_name)];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            (!parts.is_empty()).then(|| parts.join(" "))
        })
    }

    /// The company of the position.
    #[must_use]
    pub fn company(&self) -> Option<&Company> {
        self.employment.as_ref()?.company.as_ref()
    }
}

/// The text without blanks around it, unless nothing is left.
pub(crate) fn present(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// A place, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// The city.
    pub city: Option<String>,
    /// The state, province or region.
    pub region: Option<String>,
    /// The country's name.
    pub country: Option<String>,
    /// The country's code of two letters.
    pub country_code: Option<String>,
}

/// A position at a company.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Employment {
    /// The title as the person wrote it.
    pub title: Option<String>,
    /// The seniority in the provider's words, such as `C-level` or `VP`.
    pub seniority: Option<String>,
    /// Whether the position is held today.
    pub is_current: Option<bool>,
    /// Who employs the person.
    pub company: Option<Company>,
}

/// A company, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Company {
    /// The name.
    pub name: Option<String>,
    /// The domain, without a scheme.
    pub domain: Option<String>,
    /// The address of its site.
    pub website: Option<String>,
    /// How many people work there; 0 means that it is not known.
    pub headcount: Option<u64>,
    /// Between which numbers the headcount lies.
    pub headcount_range: Option<HeadcountRange>,
    /// The industry, by LinkedIn's names.
    pub industry: Option<String>,
    /// The company's page on LinkedIn.
    pub linkedin_url: Option<String>,
    /// Where the headquarters are.
    pub headquarters: Option<Location>,
    /// The year in which it was founded.
    pub year_founded: Option<i32>,
}

impl Company {
    /// The headcount, unless it is unknown.
    #[must_use]
    pub fn known_headcount(&self) -> Option<u64> {
        self.headcount.filter(|count| *count > 0)
    }
}

/// Between which numbers a headcount lies, both included; the last range is open: `1-10`, `51-200`, `10001+`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeadcountRange {
    least: u64,
    most: Option<u64>,
}

impl HeadcountRange {
    /// The lower end, at least 1.
    #[must_use]
    pub const fn least(self) -> u64 {
        self.least
    }

    /// The upper end; `None` where the range is open.
    #[must_use]
    pub const fn most(self) -> Option<u64> {
        self.most
    }
}

impl fmt::Display for HeadcountRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.most {
            Some(most) => write!(f, "{}-{most}", self.least),
            None => write!(f, "{}+", self.least),
        }
    }
}

impl FromStr for HeadcountRange {
    type Err = HeadcountRangeError;

    /// Reads `51-200` and `10001+`, also with a dash of another length, separated thousands and blanks.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || HeadcountRangeError(text.to_owned());
        let plain: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != ',')
            .map(|c| if matches!(c, '–' | '—' | '‑') { '-' } else { c })
            .collect();
        let number = |digits: &str| digits.parse::<u64>().map_err(|_| wrong());
        let range = match (plain.strip_suffix('+'), plain.split_once('-')) {
            (Some(least), _) => Self {
                least: number(least)?,
                most: None,
            },
            (None, Some((least, most))) => Self {
                least: number(least)?,
                most: Some(number(most)?),
            },
            (None, None) => return Err(wrong()),
        };
        let is_ordered = range.most.is_none_or(|most| range.least <= most);
        if range.least == 0 || !is_ordered {
            Err(wrong())
        } else {
            Ok(range)
        }
    }
}

/// A text that is no range of a headcount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no range of a headcount; write it like 51-200 or 10001+")]
pub struct HeadcountRangeError(String);
