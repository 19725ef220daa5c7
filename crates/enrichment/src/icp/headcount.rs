use super::{Finding, HeadcountProfile};
use crate::person::{Company, HeadcountRange};

pub(super) fn find(profile: &HeadcountProfile, company: Option<&Company>) -> Finding {
    let number = company.and_then(Company::known_headcount);
    let range = company.and_then(|company| company.headcount_range);
    match (number, range) {
        (Some(number), _) => Finding::known(format!("Headcount {number}"), points_of(profile, number)),
        (None, Some(range)) => Finding::known(format!("Headcount {range}"), points_of_range(profile, range)),
        (None, None) => Finding::missing("Headcount unknown"),
    }
}

fn points_of(profile: &HeadcountProfile, headcount: u64) -> u8 {
    let band = profile.bands.iter().find(|band| band.holds(headcount));
    band.map_or(0, |band| band.points)
}

fn points_of_range(profile: &HeadcountProfile, range: HeadcountRange) -> u8 {
    let listed = profile.ranges.get(&range.to_string());
    listed.copied().unwrap_or_else(|| points_of(profile, range.least()))
}
