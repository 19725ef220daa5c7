//! Where an invented person works and has worked.

use serde::Serialize;

use super::company::Company;
use super::person::Gap;
use super::titles::SENIORITIES;
use crate::dice::Dice;

/// `current` and `all`, where the first of all is the present one.
pub(super) struct Employments {
    all: Vec<Employment>,
    /// `current` says no more than that it is current.
    bare: bool,
}

#[derive(Serialize)]
pub(super) struct Employment {
    title: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seniority: Option<&'static str>,
    is_current: bool,
    job_functions: [JobFunction; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
    start_at: String,
    end_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    company: Option<Company>,
}

#[derive(Serialize)]
struct JobFunction {
    function: &'static str,
    sub_function: &'static str,
}

#[derive(Serialize)]
struct Wire<'a> {
    current: Current<'a>,
    all: &'a [Employment],
}

#[derive(Serialize)]
#[serde(untagged)]
enum Current<'a> {
    Bare { is_current: bool },
    Full(&'a Employment),
}

impl Serialize for Employments {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let current = if self.bare {
            Current::Bare { is_current: true }
        } else {
            Current::Full(self.present())
        };
        Wire {
            current,
            all: &self.all,
        }
        .serialize(serializer)
    }
}

impl Employments {
    /// The present employment, then up to two past ones.
    pub(super) fn invent(seed: u64, dice: &mut Dice, gap: Gap) -> Self {
        let past = dice.weigh(&[(50, 0), (35, 1), (15, 2)]);
        let mut year = dice.between(2016, 2025);
        let mut all = vec![Employment::invent(seed, dice, gap, year, None)];
        for _ in 0..past {
            let end = year;
            year -= dice.between(1, 6);
            all.push(Employment::invent(seed, dice, gap, year, Some(end)));
        }
        Self {
            all,
            bare: gap == Gap::BareCurrent,
        }
    }

    pub(super) fn present(&self) -> &Employment {
        self.all.first().expect("the present employment is always there")
    }
}

impl Employment {
    fn invent(seed: u64, dice: &mut Dice, gap: Gap, start: u64, end: Option<u64>) -> Self {
        let (seniority, titles) = dice.weigh(SENIORITIES);
        let (title, function, sub_function) = dice.pick(titles);
        let company = Company::invent(seed, dice);
        Self {
            title,
            seniority: (gap != Gap::Seniority).then_some(seniority),
            is_current: end.is_none(),
            job_functions: [JobFunction { function, sub_function }],
            description: dice.chance(30).then_some("Invented work."),
            start_at: dice.date(start),
            end_at: end.map(|year| dice.date(year)),
            company: (gap != Gap::Company).then_some(company),
        }
    }

    /// What such a person writes under their name.
    pub(super) fn headline(&self) -> String {
        let title = self.title;
        self.company
            .as_ref()
            .map_or_else(|| title.to_owned(), |company| format!("{title} at {}", company.name))
    }
}
