use lumina_enrichment::icp::{IcpProfile, MAX_BANDS, MAX_INDUSTRY_NAMES};

fn read(text: &str) -> IcpProfile {
    toml::from_str(text).unwrap()
}

/// What `validate` says of a configuration.
fn complaint(text: &str) -> String {
    read(text).validate().expect_err(text).to_string()
}

#[test]
fn an_empty_section_is_the_default_and_the_default_is_valid() {
    assert_eq!(read(""), IcpProfile::default());
    assert_eq!(IcpProfile::default().validate(), Ok(()));
}

#[test]
fn the_whole_default_written_out_is_the_default() {
    let written = r#"
        weights = { headcount = 40, industry = 30, seniority = 30 }
        [headcount]
        bands = [
          { from = 1, to = 9, points = 10 }, { from = 10, to = 24, points = 40 }, { from = 25, to = 49, points = 70 },
          { from = 50, to = 500, points = 100 }, { from = 501, to = 1000, points = 70 },
          { from = 1001, to = 5000, points = 40 }, { from = 5001, points = 10 },
        ]
        ranges = {}
        [industry]
        builtin = true
        points = { full = 100, related = 50, other = 20 }
        full = []
        related = []
        other = []
        [seniority]
        c_level = 100
        founder = 100
        owner = 100
        vp = 90
        head = 80
        director = 80
        partner = 70
        manager = 40
        lead = 40
        senior = 40
        other = 10
    "#;
    assert_eq!(read(written), IcpProfile::default());
}

#[test]
fn unknown_keys_are_refused_at_every_depth() {
    let wrong = [
        "weight = {}",
        "weights.title = 3",
        "headcount.band = []",
        "headcount.bands = [{ from = 1, until = 2, points = 3 }]",
        "industry.best = []",
        "industry.points.none = 1",
        "seniority.boss = 1",
    ];
    for text in wrong {
        assert!(toml::from_str::<IcpProfile>(text).is_err(), "{text}");
    }
}

#[test]
fn mistakes_are_named_with_their_key() {
    let rows = [
        (
            "weights.headcount = 30",
            "icp.weights: headcount 30, industry 30 and seniority 30 add up to 90; change them so that they add up to 100",
        ),
        (
            "weights = { headcount = 255, industry = 255, seniority = 255 }",
            "add up to 765",
        ),
        ("seniority.vp = 101", "icp.seniority.vp is 101; points go from 0 to 100"),
        ("industry.points.other = 200", "icp.industry.points.other is 200"),
        (
            "headcount.bands = [{ from = 1, points = 101 }]",
            "icp.headcount.bands[0].points is 101",
        ),
        (
            "headcount.ranges = { \"1-10\" = 101 }",
            "icp.headcount.ranges.\"1-10\" is 101",
        ),
        (
            "headcount.bands = []",
            "icp.headcount.bands has 0 entries; give 1 to 100",
        ),
        (
            "headcount.bands = [{ from = 0, points = 1 }]",
            "icp.headcount.bands[0]: bands begin at 1",
        ),
        (
            "headcount.bands = [{ from = 5, to = 4, points = 1 }]",
            "icp.headcount.bands[0]",
        ),
        (
            "headcount.bands = [{ from = 1, to = 9, points = 1 }, { from = 9, points = 2 }]",
            "icp.headcount.bands[1]",
        ),
        (
            "headcount.bands = [{ from = 1, points = 1 }, { from = 9, points = 2 }]",
            "icp.headcount.bands[1]",
        ),
        (
            "headcount.ranges = { small = 1 }",
            "icp.headcount.ranges: \"small\" is no range",
        ),
        ("headcount.ranges = { \"1,001-5,000\" = 1 }", "is no range"),
        (
            "industry.full = [\" - \"]",
            "icp.industry.full has a name without a letter",
        ),
        (
            "industry = { full = [\"Banking\"], other = [\"banking\"] }",
            "icp.industry: \"banking\" is in full and in other; keep one of the two",
        ),
    ];
    for (text, expected) in rows {
        let said = complaint(text);
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn lists_are_bounded() {
    let mut profile = IcpProfile::default();
    profile.headcount.bands = vec![profile.headcount.bands[0]; MAX_BANDS + 1];
    assert!(profile.validate().unwrap_err().to_string().contains("has 101 entries"));
    let mut profile = IcpProfile::default();
    profile.industry.related = vec!["Banking".into(); MAX_INDUSTRY_NAMES + 1];
    assert!(
        profile
            .validate()
            .unwrap_err()
            .to_string()
            .contains("more than 1000 names")
    );
    let mut profile = IcpProfile::default();
    profile.headcount.ranges = (1..=MAX_BANDS + 1).map(|n| (format!("{n}+"), 1)).collect();
    assert!(profile.validate().unwrap_err().to_string().contains("has 101 entries"));
}
