use std::collections::BTreeMap;

use serde::Deserialize;

/// The ideal customer profile: what counts how much. Read from the `[icp]` section of a configuration; whatever is
/// left out keeps its default.
///
/// ```
/// use lumina_enrichment::icp::IcpProfile;
/// let profile: IcpProfile = toml::from_str(r#"
///     weights = { headcount = 50, industry = 20, seniority = 30 }
///     headcount.bands = [{ from = 1, to = 99, points = 100 }, { from = 100, points = 20 }]
///     industry.full = ["Hospitals and Health Care"]
///     seniority.manager = 60
/// "#)?;
/// profile.validate()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IcpProfile {
    /// How much each part counts.
    pub weights: Weights,
    /// What a headcount is worth.
    pub headcount: HeadcountProfile,
    /// What an industry is worth.
    pub industry: IndustryProfile,
    /// What a seniority is worth.
    pub seniority: SeniorityPoints,
}

/// How much each part counts, in percent; together 100. Unset ones keep their default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// 40 by default.
    pub headcount: u8,
    /// 30 by default.
    pub industry: u8,
    /// 30 by default.
    pub seniority: u8,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            headcount: 40,
            industry: 30,
            seniority: 30,
        }
    }
}

/// What a headcount is worth. A number in no band is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadcountProfile {
    /// In rising order and without overlap. By default 50 to 500 give 100, 25 to 49 and 501 to 1000 give 70,
    /// 10 to 24 and 1001 to 5000 give 40, anything else 10.
    pub bands: Vec<HeadcountBand>,
    /// What a range such as `51-200` gives where only the range is known. A range without an entry gives what the
    /// band of its lower end gives, which by default is right for all of them.
    pub ranges: BTreeMap<String, u8>,
}

/// Headcounts that are worth the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadcountBand {
    /// The lowest headcount in the band, at least 1.
    pub from: u64,
    /// The highest headcount in the band; left out, there is no upper end.
    pub to: Option<u64>,
    /// 0 to 100.
    pub points: u8,
}

impl HeadcountBand {
    /// Whether the headcount lies in the band.
    #[must_use]
    pub fn holds(&self, headcount: u64) -> bool {
        self.from <= headcount && self.to.is_none_or(|to| headcount <= to)
    }
}

impl Default for HeadcountProfile {
    fn default() -> Self {
        let bands = [
            (1, Some(9), 10),
            (10, Some(24), 40),
            (25, Some(49), 70),
            (50, Some(500), 100),
            (501, Some(1000), 70),
            (1001, Some(5000), 40),
            (5001, None, 10),
        ];
        Self {
            bands: bands
                .map(|(from, to, points)| HeadcountBand { from, to, points })
                .into(),
            ranges: BTreeMap::new(),
        }
    }
}

/// What an industry is worth.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndustryProfile {
    /// What each degree of fit gives.
    pub points: IndustryPoints,
    /// Whether the built-in table of LinkedIn's names counts (software, technology, internet and financial services
    /// full; their neighbours related). Without it only the lists below do.
    pub builtin: bool,
    /// Names that fit fully, before the table.
    pub full: Vec<String>,
    /// Names that are related, before the table.
    pub related: Vec<String>,
    /// Names that are neither, whatever the table says.
    pub other: Vec<String>,
}

impl Default for IndustryProfile {
    fn default() -> Self {
        Self {
            points: IndustryPoints::default(),
            builtin: true,
            full: Vec::new(),
            related: Vec::new(),
            other: Vec::new(),
        }
    }
}

/// What each degree of fit gives, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndustryPoints {
    /// 100 by default.
    pub full: u8,
    /// 50 by default.
    pub related: u8,
    /// 20 by default: any other industry.
    pub other: u8,
}

impl Default for IndustryPoints {
    fn default() -> Self {
        Self {
            full: 100,
            related: 50,
            other: 20,
        }
    }
}

/// What a seniority gives, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeniorityPoints {
    /// 100 by default.
    pub c_level: u8,
    /// 100 by default.
    pub founder: u8,
    /// 100 by default.
    pub owner: u8,
    /// 90 by default.
    pub vp: u8,
    /// 80 by default.
    pub head: u8,
    /// 80 by default.
    pub director: u8,
    /// 70 by default.
    pub partner: u8,
    /// 40 by default.
    pub manager: u8,
    /// 40 by default.
    pub lead: u8,
    /// 40 by default.
    pub senior: u8,
    /// 10 by default: any other.
    pub other: u8,
}

impl Default for SeniorityPoints {
    fn default() -> Self {
        Self {
            c_level: 100,
            founder: 100,
            owner: 100,
            vp: 90,
            head: 80,
            director: 80,
            partner: 70,
            manager: 40,
            lead: 40,
            senior: 40,
            other: 10,
        }
    }
}
