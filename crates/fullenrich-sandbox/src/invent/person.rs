//! An invented person, with the gaps that real ones have.

use serde::Serialize;

use super::employment::{Employment, Employments};
use super::names::{DEGREES, FIRST, LANGUAGES, LAST, SCHOOLS, SKILLS};
use super::place::{Place, SocialProfiles};
use crate::dice::Dice;

/// What is missing from a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    Nothing,
    /// `employment.current` says only that it is current; `all[0]` is fuller.
    BareCurrent,
    /// `employment` is null.
    Employment,
    /// The employments name no company.
    Company,
    /// The employments carry no seniority.
    Seniority,
    /// Whatever is not the name and the work is null or absent.
    Particulars,
    /// There is nothing but a full name.
    AllButName,
}

const GAPS: &[(u64, Gap)] = &[
    (66, Gap::Nothing),
    (10, Gap::BareCurrent),
    (3, Gap::Employment),
    (4, Gap::Company),
    (8, Gap::Seniority),
    (6, Gap::Particulars),
    (3, Gap::AllButName),
];

/// A person. `None` is absent; `Some(None)` is null.
#[derive(Serialize)]
pub(crate) struct Person {
    id: String,
    full_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Option<Place>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    social_profiles: Option<Option<SocialProfiles>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    educations: Option<Vec<Education>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    languages: Option<Option<Vec<Language>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skills: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    employment: Option<Option<Employments>>,
}

#[derive(Serialize)]
struct Education {
    school_name: &'static str,
    degree: &'static str,
    start_at: String,
    end_at: String,
}

#[derive(Serialize)]
struct Language {
    language: &'static str,
    proficiency: &'static str,
}

impl Person {
    /// The person behind an address.
    pub(super) fn invent(seed: u64, email: &str) -> Self {
        let mut dice = Dice::new(seed, "person", email);
        let (first, last) = (dice.pick(FIRST), dice.pick(LAST));
        let gap = dice.weigh(GAPS);
        let mut person = Self::bare(dice.hex(), first, last);
        if gap == Gap::AllButName {
            return person;
        }
        let employments = Employments::invent(seed, &mut dice, gap);
        person.last_name = Some(last);
        if gap == Gap::Particulars {
            (person.location, person.social_profiles, person.languages) = (Some(None), Some(None), Some(None));
        } else {
            person.add_particulars(&mut dice, first, employments.present());
        }
        person.employment = Some((gap != Gap::Employment).then_some(employments));
        person
    }

    fn bare(id: String, first: &str, last: &str) -> Self {
        Self {
            id,
            full_name: format!("{first} {last}"),
            first_name: None,
            last_name: None,
            headline: None,
            description: None,
            location: None,
            social_profiles: None,
            educations: None,
            languages: None,
            skills: None,
            employment: None,
        }
    }

    fn add_particulars(&mut self, dice: &mut Dice, first: &'static str, present: &Employment) {
        let handle = self.full_name.to_lowercase().replace(' ', "-");
        let handle = format!("invented-{handle}-{:08x}", dice.below(1 << 32));
        let (number, connections) = (dice.between(100_000_000, 999_999_999), dice.between(3, 500));
        self.first_name = Some(first);
        self.headline = Some(present.headline());
        self.description = dice
            .chance(60)
            .then(|| format!("{} is an invented person.", self.full_name));
        self.location = Some(Some(Place::invent(dice)));
        self.social_profiles = Some(Some(SocialProfiles::new(number, "in", handle, Some(connections))));
        self.educations = Some((0..dice.below(3)).map(|_| Education::invent(dice)).collect());
        self.languages = Some(Some((0..dice.below(3)).map(|_| Language::invent(dice)).collect()));
        self.skills = Some(dice.pick_several(SKILLS, 3));
    }
}

impl Education {
    fn invent(dice: &mut Dice) -> Self {
        let start = dice.between(1985, 2018);
        Self {
            school_name: dice.pick(SCHOOLS),
            degree: dice.pick(DEGREES),
            start_at: dice.date(start),
            end_at: dice.date(start + 4),
        }
    }
}

impl Language {
    fn invent(dice: &mut Dice) -> Self {
        let (language, proficiency) = dice.pick(LANGUAGES);
        Self { language, proficiency }
    }
}
