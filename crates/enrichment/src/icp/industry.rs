use std::collections::HashMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::{Finding, IndustryProfile};
use crate::person::{Company, present};

/// How near an industry is to the customers that are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IndustryFit {
    /// One of the industries that are looked for.
    Full,
    /// A neighbour of one.
    Related,
    /// Any other.
    Other,
}

static TABLE: LazyLock<HashMap<String, IndustryFit>> =
    LazyLock::new(|| read_table(include_str!("../../data/industries.tsv")).collect());

fn read_table(table: &'static str) -> impl Iterator<Item = (String, IndustryFit)> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let (fit, name) = line.split_once('\t').expect("a line of the table has a tab");
        let fit = match fit {
            "full" => IndustryFit::Full,
            "related" => IndustryFit::Related,
            "other" => IndustryFit::Other,
            _ => unreachable!("the table knows three degrees of fit"),
        };
        (normalise(name), fit)
    })
}

/// The fit of an industry by the built-in table; `None` for a name that is not in it.
///
/// ```
/// use lumina_enrichment::icp::{IndustryFit, industry_fit};
/// assert_eq!(industry_fit("Technology, Information & Internet"), Some(IndustryFit::Full));
/// assert_eq!(industry_fit("Basket weaving"), None);
/// ```
#[must_use]
pub fn industry_fit(name: &str) -> Option<IndustryFit> {
    TABLE.get(&normalise(name)).copied()
}

/// The words of a name in lower case, `&` read as `and`, everything but letters and digits a single blank.
pub(super) fn normalise(name: &str) -> String {
    let spelled = name.replace('&', " and ");
    let lower: String = spelled.nfkc().flat_map(char::to_lowercase).collect();
    let words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

pub(super) fn find(profile: &IndustryProfile, company: Option<&Company>) -> Finding {
    let Some(name) = company.and_then(|company| present(company.industry.as_deref())) else {
        return Finding::missing("Industry unknown");
    };
    let points = match fit_of(profile, name) {
        IndustryFit::Full => profile.points.full,
        IndustryFit::Related => profile.points.related,
        IndustryFit::Other => profile.points.other,
    };
    Finding::quoting("Industry", name, points)
}

fn fit_of(profile: &IndustryProfile, name: &str) -> IndustryFit {
    let normal = normalise(name);
    let lists = [
        (&profile.full, IndustryFit::Full),
        (&profile.related, IndustryFit::Related),
        (&profile.other, IndustryFit::Other),
    ];
    let holds = |names: &[String]| names.iter().any(|listed| normalise(listed) == normal);
    let listed = lists.into_iter().find(|(names, _)| holds(names)).map(|(_, fit)| fit);
    let in_table = || profile.builtin.then(|| TABLE.get(&normal).copied()).flatten();
    listed.or_else(in_table).unwrap_or(IndustryFit::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_name_once() {
        let rows = read_table(include_str!("../../data/industries.tsv")).count();
        assert_eq!(TABLE.len(), rows);
    }
}
