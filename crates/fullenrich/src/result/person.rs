//! The person behind an address.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Company, lenient};

/// A person.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// FullEnrich's id of the person.
    #[serde(deserialize_with = "lenient::text")]
    pub id: Option<String>,
    /// The whole name.
    #[serde(deserialize_with = "lenient::text")]
    pub full_name: Option<String>,
    /// The first name.
    #[serde(deserialize_with = "lenient::text")]
    pub first_name: Option<String>,
    /// The last name.
    #[serde(deserialize_with = "lenient::text")]
    pub last_name: Option<String>,
    /// The line under the name on the person's professional profile.
    #[serde(deserialize_with = "lenient::text")]
    pub headline: Option<String>,
    /// What the person says about themselves.
    #[serde(deserialize_with = "lenient::text")]
    pub description: Option<String>,
    /// Where the person lives.
    #[serde(deserialize_with = "lenient::object")]
    pub location: Location,
    /// Where the person is found on the web.
    #[serde(deserialize_with = "lenient::object")]
    pub social_profiles: SocialProfiles,
    /// Skills as the person names them; the first 500.
    #[serde(deserialize_with = "lenient::texts")]
    pub skills: Vec<String>,
    /// The present position and all of them. [`Profile::current_employment`] chooses.
    #[serde(deserialize_with = "lenient::object")]
    pub employment: Employments,
}

impl Profile {
    /// The present position: `employment.current`, or, where that holds nothing but `is_current`, the first of
    /// `employment.all`, which then is the fuller one. Without a `current`, the first of all that says it is current.
    #[must_use]
    pub fn current_employment(&self) -> Option<&Employment> {
        let Employments { current, all } = &self.employment;
        match current {
            Some(current) if current.is_bare() => all.first().or(Some(current)),
            Some(current) => Some(current),
            None => all.iter().find(|position| position.is_current == Some(true)),
        }
    }

    /// The URL of the LinkedIn profile, where it is one that a browser may be sent to.
    #[must_use]
    pub fn linkedin_url(&self) -> Option<&str> {
        self.social_profiles.professional_network.web_url()
    }
}

/// Where a person lives.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Location {
    /// The country's name.
    #[serde(deserialize_with = "lenient::text")]
    pub country: Option<String>,
    /// The country's code.
    #[serde(deserialize_with = "lenient::text")]
    pub country_code: Option<String>,
    /// The city.
    #[serde(deserialize_with = "lenient::text")]
    pub city: Option<String>,
    /// The region or state.
    #[serde(deserialize_with = "lenient::text")]
    pub region: Option<String>,
}

/// Where a person or a company is found on the web.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SocialProfiles {
    /// LinkedIn.
    #[serde(deserialize_with = "lenient::object")]
    pub professional_network: SocialProfile,
}

/// One profile on the web.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SocialProfile {
    /// The network's id of it.
    #[serde(deserialize_with = "lenient::text")]
    pub id: Option<String>,
    /// Its address as FullEnrich gives it.
    #[serde(deserialize_with = "lenient::text")]
    pub url: Option<String>,
    /// The name in its address.
    #[serde(deserialize_with = "lenient::text")]
    pub handle: Option<String>,
    /// How many connections it has.
    #[serde(deserialize_with = "lenient::integer")]
    pub connection_count: Option<u64>,
}

impl SocialProfile {
    /// The address, where it is a full http or https one.
    #[must_use]
    pub fn web_url(&self) -> Option<&str> {
        self.url.as_deref().map(str::trim).filter(|url| is_link(url))
    }
}

/// Names in profile addresses are not always percent-encoded, so only what could break out of a link is refused.
fn is_link(url: &str) -> bool {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    is_web && !url.contains(|c: char| c.is_whitespace() || c.is_control() || "\"'<>`\\".contains(c))
}

/// The positions of a person.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Employments {
    /// The present one; it may hold only `is_current`.
    #[serde(deserialize_with = "lenient::optional_object")]
    pub current: Option<Employment>,
    /// All of them; the first 500.
    #[serde(deserialize_with = "lenient::objects")]
    pub all: Vec<Employment>,
}

/// A position.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Employment {
    /// The title.
    #[serde(deserialize_with = "lenient::text")]
    pub title: Option<String>,
    /// How senior it is, in FullEnrich's words.
    #[serde(deserialize_with = "lenient::text")]
    pub seniority: Option<String>,
    /// Whether it is a present one.
    #[serde(deserialize_with = "lenient::flag")]
    pub is_current: Option<bool>,
    /// What its work is; the first 500.
    #[serde(deserialize_with = "lenient::objects")]
    pub job_functions: Vec<JobFunction>,
    /// What the person says about it.
    #[serde(deserialize_with = "lenient::text")]
    pub description: Option<String>,
    /// When it began. FullEnrich sometimes sends dates that are none; they are `None`.
    #[serde(deserialize_with = "lenient::date")]
    pub start_at: Option<Timestamp>,
    /// When it ended.
    #[serde(deserialize_with = "lenient::date")]
    pub end_at: Option<Timestamp>,
    /// The company.
    #[serde(deserialize_with = "lenient::optional_object")]
    pub company: Option<Company>,
}

impl Employment {
    /// Whether it says nothing but, perhaps, that it is current.
    fn is_bare(&self) -> bool {
        let without_flag = Self {
            is_current: None,
            ..self.clone()
        };
        without_flag == Self::default()
            || without_flag
                == Self {
                    company: Some(Company::default()),
                    ..Self::default()
                }
    }
}

/// What a position's work is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct JobFunction {
    /// The field.
    #[serde(deserialize_with = "lenient::text")]
    pub function: Option<String>,
    /// The part of the field.
    #[serde(deserialize_with = "lenient::text")]
    pub sub_function: Option<String>,
}
