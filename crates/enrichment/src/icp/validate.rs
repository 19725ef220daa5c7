use std::collections::BTreeMap;

use super::industry::normalise;
use super::{HeadcountBand, IcpProfile, IndustryProfile, Weights};
use crate::person::HeadcountRange;

/// The most bands and ranges of headcounts: LinkedIn knows eight, and nobody tells a hundred apart.
pub const MAX_BANDS: usize = 100;

/// The most names in the lists of industries: all of LinkedIn's names fit twice.
pub const MAX_INDUSTRY_NAMES: usize = 1_000;

impl IcpProfile {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// The first mistake, with the key it is in and what to write instead.
    pub fn validate(&self) -> Result<(), IcpProfileError> {
        check_weights(self.weights)?;
        self.all_points()
            .try_for_each(|(key, points)| check_points(&key, points))?;
        check_bands(&self.headcount.bands)?;
        check_ranges(&self.headcount.ranges)?;
        check_industries(&self.industry)
    }

    /// Every number of points with its key.
    fn all_points(&self) -> impl Iterator<Item = (String, u8)> {
        let (i, s) = (self.industry.points, self.seniority);
        let fixed = [
            ("industry.points.full", i.full),
            ("industry.points.related", i.related),
            ("industry.points.other", i.other),
            ("seniority.c_level", s.c_level),
            ("seniority.founder", s.founder),
            ("seniority.owner", s.owner),
            ("seniority.vp", s.vp),
            ("seniority.head", s.head),
            ("seniority.director", s.director),
            ("seniority.partner", s.partner),
            ("seniority.manager", s.manager),
            ("seniority.lead", s.lead),
            ("seniority.senior", s.senior),
            ("seniority.other", s.other),
        ];
        let bands = self.headcount.bands.iter().enumerate();
        let bands = bands.map(|(n, band)| (format!("headcount.bands[{n}].points"), band.points));
        let ranges = self.headcount.ranges.iter();
        let ranges = ranges.map(|(range, points)| (format!("headcount.ranges.\"{range}\""), *points));
        fixed
            .into_iter()
            .map(|(key, points)| (key.to_owned(), points))
            .chain(bands)
            .chain(ranges)
    }
}

fn check_weights(weights: Weights) -> Result<(), IcpProfileError> {
    let Weights {
        headcount,
        industry,
        seniority,
    } = weights;
    let sum = u32::from(headcount) + u32::from(industry) + u32::from(seniority);
    if sum == 100 {
        Ok(())
    } else {
        Err(IcpProfileError::Weights {
            headcount,
            industry,
            seniority,
            sum,
        })
    }
}

fn check_points(key: &str, points: u8) -> Result<(), IcpProfileError> {
    if points <= 100 {
        Ok(())
    } else {
        Err(IcpProfileError::Points {
            key: key.to_owned(),
            points,
        })
    }
}

fn check_bands(bands: &[HeadcountBand]) -> Result<(), IcpProfileError> {
    if bands.is_empty() || bands.len() > MAX_BANDS {
        return Err(IcpProfileError::BandCount(bands.len()));
    }
    let mut free_from = Some(1);
    for (index, band) in bands.iter().enumerate() {
        let is_ordered = free_from.is_some_and(|free| free <= band.from);
        if !is_ordered || band.to.is_some_and(|to| to < band.from) {
            return Err(IcpProfileError::Band(index));
        }
        free_from = band.to.and_then(|to| to.checked_add(1));
    }
    Ok(())
}

fn check_ranges(ranges: &BTreeMap<String, u8>) -> Result<(), IcpProfileError> {
    if ranges.len() > MAX_BANDS {
        return Err(IcpProfileError::RangeCount(ranges.len()));
    }
    let is_canonical = |text: &String| {
        text.parse::<HeadcountRange>()
            .is_ok_and(|range| range.to_string() == *text)
    };
    match ranges.keys().find(|text| !is_canonical(text)) {
        Some(text) => Err(IcpProfileError::Range(text.clone())),
        None => Ok(()),
    }
}

fn check_industries(industry: &IndustryProfile) -> Result<(), IcpProfileError> {
    let lists = [
        ("full", &industry.full),
        ("related", &industry.related),
        ("other", &industry.other),
    ];
    if lists.iter().map(|(_, names)| names.len()).sum::<usize>() > MAX_INDUSTRY_NAMES {
        return Err(IcpProfileError::IndustryCount);
    }
    let mut seen = BTreeMap::new();
    for (list, name) in lists
        .iter()
        .flat_map(|(list, names)| names.iter().map(move |name| (*list, name)))
    {
        let normal = normalise(name);
        if normal.is_empty() {
            return Err(IcpProfileError::IndustryName(list));
        }
        let other = seen.insert(normal, list);
        if let Some(other) = other.filter(|other| *other != list) {
            return Err(IcpProfileError::IndustryTwice {
                name: name.clone(),
                other,
                list,
            });
        }
    }
    Ok(())
}

/// A mistake in the ideal customer profile, with the key it is in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IcpProfileError {
    /// The weights do not add up to 100.
    #[error(
        "icp.weights: headcount {headcount}, industry {industry} and seniority {seniority} add up to {sum}; \
         change them so that they add up to 100"
    )]
    Weights {
        /// The weight of the headcount.
        headcount: u8,
        /// The weight of the industry.
        industry: u8,
        /// The weight of the seniority.
        seniority: u8,
        /// What they add up to.
        sum: u32,
    },
    /// Points above 100.
    #[error("icp.{key} is {points}; points go from 0 to 100")]
    Points {
        /// The key below `icp`.
        key: String,
        /// What it is set to.
        points: u8,
    },
    /// No bands, or more than [`MAX_BANDS`].
    #[error("icp.headcount.bands has {0} entries; give 1 to {MAX_BANDS}")]
    BandCount(usize),
    /// A band that is empty, begins at 0, overlaps the one before it or follows one without an end.
    #[error(
        "icp.headcount.bands[{0}]: bands begin at 1 or higher, rise, do not overlap, have `from` not above `to`, \
         and only the last one may leave out `to`"
    )]
    Band(usize),
    /// More than [`MAX_BANDS`] ranges.
    #[error("icp.headcount.ranges has {0} entries; give at most {MAX_BANDS}")]
    RangeCount(usize),
    /// A key that is no range.
    #[error("icp.headcount.ranges: {0:?} is no range; write it like \"51-200\" or \"10001+\"")]
    Range(String),
    /// More than [`MAX_INDUSTRY_NAMES`] names.
    #[error("icp.industry lists more than {MAX_INDUSTRY_NAMES} names; shorten the lists")]
    IndustryCount,
    /// A name without a letter or digit.
    #[error("icp.industry.{0} has a name without a letter; remove it or write it out")]
    IndustryName(&'static str),
    /// One industry in two lists.
    #[error("icp.industry: {name:?} is in {other} and in {list}; keep one of the two")]
    IndustryTwice {
        /// The name as written.
        name: String,
        /// The list it was in first.
        other: &'static str,
        /// The list it is in as well.
        list: &'static str,
    },
}
