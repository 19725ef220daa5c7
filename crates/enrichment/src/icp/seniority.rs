mod title;
mod vocabulary;
mod words;

use super::{Finding, SeniorityPoints};
use crate::person::{Employment, present};

/// How high somebody stands in a company. In rising order, so that the highest of several titles is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Seniority {
    /// Any other position.
    Other,
    /// A senior specialist.
    Senior,
    /// Leads a team or a subject.
    Lead,
    /// Manages.
    Manager,
    /// A partner of a firm.
    Partner,
    /// A director below the C-level.
    Director,
    /// The head of a function.
    Head,
    /// A vice president of any kind.
    Vp,
    /// Runs the company or one of its functions at the top.
    CLevel,
    /// Owns the company.
    Owner,
    /// Founded it.
    Founder,
}

impl Seniority {
    /// Reads the provider's word for a seniority; `None` for a word it is not known to use.
    #[must_use]
    pub fn of_provider(text: &str) -> Option<Self> {
        vocabulary::provider_level(&words::fold(text))
    }

    /// Reads a title by its whole words, in the languages in which titles are common; the highest of several wins.
    ///
    /// What a person no longer is, hopes to become, or assists does not count: "Former CEO" and "Executive
    /// Assistant to the CEO" are both [`Seniority::Other`].
    #[must_use]
    pub fn of_title(title: &str) -> Self {
        title::rank(title)
    }

    fn points(self, points: &SeniorityPoints) -> u8 {
        match self {
            Self::Other => points.other,
            Self::Senior => points.senior,
            Self::Lead => points.lead,
            Self::Manager => points.manager,
            Self::Partner => points.partner,
            Self::Director => points.director,
            Self::Head => points.head,
            Self::Vp => points.vp,
            Self::CLevel => points.c_level,
            Self::Owner => points.owner,
            Self::Founder => points.founder,
        }
    }
}

/// The provider's seniority goes first, because it comes from more than the title; a word that it is not known to
/// use says less than the title.
pub(super) fn find(points: &SeniorityPoints, employment: Option<&Employment>) -> Finding {
    let told = employment.and_then(|job| present(job.seniority.as_deref()));
    let title = employment.and_then(|job| present(job.title.as_deref()));
    let of_provider = told.and_then(Seniority::of_provider);
    let (label, words, seniority) = match (of_provider, title, told) {
        (Some(seniority), _, Some(told)) => ("Seniority", told, seniority),
        (_, Some(title), _) => ("Title", title, Seniority::of_title(title)),
        (_, None, Some(told)) => ("Seniority", told, Seniority::Other),
        (_, None, None) => return Finding::missing("Seniority unknown"),
    };
    Finding::quoting(label, words, seniority.points(points))
}
