//! The company of a position.

use serde::Deserialize;

use super::{SocialProfiles, lenient};

/// A company.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Company {
    /// FullEnrich's id of it.
    #[serde(deserialize_with = "lenient::text")]
    pub id: Option<String>,
    /// Its name.
    #[serde(deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// Its domain.
    #[serde(deserialize_with = "lenient::text")]
    pub domain: Option<String>,
    /// Its website.
    #[serde(deserialize_with = "lenient::text")]
    pub website: Option<String>,
    /// What it says about itself.
    #[serde(deserialize_with = "lenient::text")]
    pub description: Option<String>,
    /// The year it was founded.
    #[serde(deserialize_with = "lenient::integer")]
    pub year_founded: Option<u64>,
    /// How many people work there; 0 means that it is not known. [`Company::size`] chooses.
    #[serde(deserialize_with = "lenient::integer")]
    pub headcount: Option<u64>,
    /// The range that the headcount is in, such as `51-200` or `10001+`.
    #[serde(deserialize_with = "lenient::text")]
    pub headcount_range: Option<String>,
    /// What kind of company it is.
    #[serde(deserialize_with = "lenient::text")]
    pub company_type: Option<String>,
    /// What it is good at; the first 500.
    #[serde(deserialize_with = "lenient::texts")]
    pub specialties: Vec<String>,
    /// Where it is.
    #[serde(deserialize_with = "lenient::object")]
    pub locations: CompanyLocations,
    /// What business it is in.
    #[serde(deserialize_with = "lenient::object")]
    pub industry: Industry,
    /// Where it is found on the web.
    #[serde(deserialize_with = "lenient::object")]
    pub social_profiles: SocialProfiles,
    /// Its logo.
    #[serde(deserialize_with = "lenient::text")]
    pub logo_url: Option<String>,
}

impl Company {
    /// How large it is: the headcount, or, where that is 0 or missing, the range.
    #[must_use]
    pub fn size(&self) -> Option<Headcount> {
        match self.headcount {
            Some(count) if count > 0 => Some(Headcount::Exact(count)),
            _ => self.headcount_range.as_deref().and_then(Headcount::parse_range),
        }
    }
}

/// How many people work for a company.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headcount {
    /// The number; never 0.
    Exact(u64),
    /// Only the range is known.
    Range {
        /// The smallest number in it.
        from: u64,
        /// The largest number in it; none for `10001+`.
        to: Option<u64>,
    },
}

impl Headcount {
    /// Reads `51-200` or `10001+`, also with a dash or thousands separators of a typesetter's.
    #[must_use]
    pub fn parse_range(text: &str) -> Option<Self> {
        let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect();
        if let Some(from) = text.strip_suffix('+') {
            return Some(Self::Range {
                from: from.parse().ok()?,
                to: None,
            });
        }
        let (from, to) = text.split_once(['-', '\u{2013}'])?;
        let (from, to) = (from.parse().ok()?, to.parse().ok()?);
        (from <= to).then_some(Self::Range { from, to: Some(to) })
    }
}

/// Where a company is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CompanyLocations {
    /// Where its head office is.
    #[serde(deserialize_with = "lenient::object")]
    pub headquarters: Place,
    /// Its other offices, also where FullEnrich sends null; the first 500.
    #[serde(deserialize_with = "lenient::objects")]
    pub offices: Vec<Place>,
}

/// A place of a company's.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Place {
    /// The city.
    #[serde(deserialize_with = "lenient::text")]
    pub city: Option<String>,
    /// The region or state.
    #[serde(deserialize_with = "lenient::text")]
    pub region: Option<String>,
    /// The country's name.
    #[serde(deserialize_with = "lenient::text")]
    pub country: Option<String>,
    /// The country's code.
    #[serde(deserialize_with = "lenient::text")]
    pub country_code: Option<String>,
}

/// What business a company is in.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Industry {
    /// The main one, as LinkedIn names it.
    #[serde(deserialize_with = "lenient::text")]
    pub main_industry: Option<String>,
}
