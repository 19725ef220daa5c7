use lumina_enrichment::email::AddressClass;
use lumina_enrichment::icp::{IcpProfile, IcpScore, IndustryFit, Part, industry_fit, is_hidden_gem, score};
use lumina_enrichment::job::JobStatus;
use lumina_enrichment::person::{Company, Employment, Person};
use proptest::prelude::*;

fn person(headcount: &str, industry: &str, seniority: &str, title: &str) -> Person {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let company = Company {
        headcount: headcount.parse().ok(),
        headcount_range: headcount.parse().ok(),
        industry: text(industry),
        ..Company::default()
    };
    let employment = Employment {
        title: text(title),
        seniority: text(seniority),
        company: Some(company),
        ..Employment::default()
    };
    Person {
        employment: Some(employment),
        ..Person::default()
    }
}

fn by_default(person: &Person) -> IcpScore {
    score(&IcpProfile::default(), person)
}

fn points(score: &IcpScore, part: Part) -> u8 {
    score.reasons.iter().find(|reason| reason.part == part).unwrap().points
}

#[test]
fn headcounts_fall_into_their_bands() {
    let rows = [
        ("0", 0),
        ("1", 10),
        ("9", 10),
        ("10", 40),
        ("24", 40),
        ("25", 70),
        ("49", 70),
        ("50", 100),
        ("500", 100),
        ("501", 70),
        ("1000", 70),
        ("1001", 40),
        ("5000", 40),
        ("5001", 10),
        ("2000000", 10),
        ("", 0),
        ("1-10", 10),
        ("11-50", 40),
        ("51-200", 100),
        ("201-500", 100),
        ("501-1000", 70),
        ("1001-5000", 40),
        ("5001-10000", 10),
        ("10001+", 10),
    ];
    for (headcount, expected) in rows {
        let scored = by_default(&person(headcount, "", "", ""));
        assert_eq!(points(&scored, Part::Headcount), expected, "{headcount:?}");
    }
}

#[test]
fn the_range_counts_only_where_the_number_is_unknown() {
    let with = |headcount: u64| {
        let mut person = person("51-200", "", "", "");
        person.employment.as_mut().unwrap().company.as_mut().unwrap().headcount = Some(headcount);
        by_default(&person).reasons[0].to_string()
    };
    assert_eq!(with(0), "Headcount 51-200: 100 of 100, weight 40 %");
    assert_eq!(with(40), "Headcount 40: 70 of 100, weight 40 %");
}

#[test]
fn industries_fit_fully_nearly_or_not() {
    let rows = [
        ("Software Development", 100),
        ("Technology, Information and Internet", 100),
        ("Technology, Information & Internet", 100),
        ("technology information and internet", 100),
        ("Financial Services", 100),
        ("IT Services and IT Consulting", 100),
        ("Computer Software", 100),
        ("Internet", 100),
        ("SaaS", 100),
        ("Telecommunications", 50),
        ("Business Consulting and Services", 50),
        ("Insurance", 50),
        ("Restaurants", 20),
        ("Hospitals and Health Care", 20),
        ("Women's Handbag Manufacturing", 20),
        ("Basket Weaving", 20),
        ("  ", 0),
        ("", 0),
    ];
    for (industry, expected) in rows {
        let scored = by_default(&person("", industry, "", ""));
        assert_eq!(points(&scored, Part::Industry), expected, "{industry:?}");
    }
    assert_eq!(industry_fit("Restaurants"), Some(IndustryFit::Other));
    assert_eq!(industry_fit("Basket Weaving"), None);
}

#[test]
fn an_operators_industries_go_first() {
    let profile: IcpProfile = toml::from_str(
        "industry = { full = [\"Hospitals & Health Care\"], related = [\"Banking\"], other = [\"Software Development\"] }",
    )
    .unwrap();
    let fit = |industry| points(&score(&profile, &person("", industry, "", "")), Part::Industry);
    assert_eq!(fit("Hospitals and Health Care"), 100);
    assert_eq!(fit("Banking"), 50);
    assert_eq!(fit("Software Development"), 20);
    assert_eq!(fit("Financial Services"), 100);
    let bare: IcpProfile = toml::from_str("industry = { builtin = false, full = [\"Mining\"] }").unwrap();
    let fit = |industry| points(&score(&bare, &person("", industry, "", "")), Part::Industry);
    assert_eq!((fit("Mining"), fit("Software Development")), (100, 20));
}

#[test]
fn the_providers_seniority_goes_before_the_title() {
    let rows = [
        ("C-level", "Accountant", 100, "Seniority C-level"),
        ("Founder", "", 100, "Seniority Founder"),
        ("Owner", "", 100, "Seniority Owner"),
        ("VP", "", 90, "Seniority VP"),
        ("Head", "", 80, "Seniority Head"),
        ("Director", "", 80, "Seniority Director"),
        ("Partner", "", 70, "Seniority Partner"),
        ("Manager", "CEO", 40, "Seniority Manager"),
        ("Senior", "", 40, "Seniority Senior"),
        ("lower", "CEO", 10, "Seniority lower"),
        ("Grand Vizier", "CEO", 100, "Title CEO"),
        ("Grand Vizier", "", 10, "Seniority Grand Vizier"),
        (" ", "VP Sales", 90, "Title VP Sales"),
        ("", "Juggler", 10, "Title Juggler"),
        ("", "", 0, "Seniority unknown"),
    ];
    for (seniority, title, expected, finding) in rows {
        let scored = by_default(&person("", "", seniority, title));
        assert_eq!(points(&scored, Part::Seniority), expected, "{seniority:?} {title:?}");
        assert_eq!(scored.reasons[2].finding, finding);
    }
}

#[test]
fn golden_people() {
    let rows = [
        (person("120", "Software Development", "VP", ""), 97),
        (person("51-200", "Financial Services", "C-level", ""), 100),
        (person("30", "Telecommunications", "Partner", ""), 64),
        (person("12", "Restaurants", "", "Waiter"), 25),
        (person("9000", "Mining", "Founder", ""), 40),
        (person("", "Software Development", "Head", ""), 54),
        (person("", "", "", ""), 0),
        (Person::default(), 0),
    ];
    for (person, expected) in rows {
        assert_eq!(by_default(&person).total, expected, "{person:?}");
    }
}

#[test]
fn every_point_is_explained_and_what_is_missing_is_flagged() {
    let sentences = |person| {
        by_default(&person)
            .reasons
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        sentences(person("51-200", "Software Development", "", "VP Engineering")),
        [
            "Headcount 51-200: 100 of 100, weight 40 %",
            "Industry Software Development: 100 of 100, weight 30 %",
            "Title VP Engineering: 90 of 100, weight 30 %",
        ]
    );
    assert_eq!(
        sentences(Person::default()),
        [
            "Headcount unknown: 0 of 100, weight 40 %",
            "Industry unknown: 0 of 100, weight 30 %",
            "Seniority unknown: 0 of 100, weight 30 %",
        ]
    );
    let scored = by_default(&person("7", "", "", "x"));
    assert_eq!(
        scored.reasons.iter().map(|r| r.is_missing).collect::<Vec<_>>(),
        [false, true, false]
    );
}

#[test]
fn a_reason_repeats_only_the_beginning_of_a_slogan() {
    let slogan = "ü".repeat(5_000);
    let scored = by_default(&person("", &slogan, "", &slogan));
    assert!(scored.reasons.iter().all(|reason| reason.finding.chars().count() < 140));
}

#[test]
fn weights_and_points_come_from_the_profile_and_halves_round_up() {
    let profile: IcpProfile = toml::from_str(
        r#"
        weights = { headcount = 50, industry = 0, seniority = 50 }
        headcount.bands = [{ from = 10, to = 20, points = 33 }]
        headcount.ranges = { "51-200" = 77 }
        seniority.manager = 60
        "#,
    )
    .unwrap();
    profile.validate().unwrap();
    let total = |headcount| score(&profile, &person(headcount, "Software Development", "Manager", "")).total;
    assert_eq!(total("15"), 47, "33 x 50 % + 60 x 50 % = 46.5");
    assert_eq!(total("9"), 30, "in no band");
    assert_eq!(total("51-200"), 69, "68.5");
    assert_eq!(total("11-50"), 47, "the lower end's band");
}

#[test]
fn a_hidden_gem_is_personal_found_and_above_70() {
    let rows = [
        (AddressClass::Personal, JobStatus::Enriched, 71, true),
        (AddressClass::Personal, JobStatus::Enriched, 70, false),
        (AddressClass::Corporate, JobStatus::Enriched, 100, false),
        (AddressClass::Personal, JobStatus::NotFound, 100, false),
        (AddressClass::Personal, JobStatus::Submitted, 100, false),
    ];
    for (class, status, score, expected) in rows {
        assert_eq!(
            is_hidden_gem(class, status, score),
            expected,
            "{class} {status} {score}"
        );
    }
}

proptest! {
    #[test]
    fn a_score_is_the_weighed_mean_of_its_reasons(headcount in any::<u64>(), industry in ".{0,30}", title in ".{0,60}") {
        let scored = by_default(&person(&headcount.to_string(), &industry, "", &title));
        let sum: u32 = scored.reasons.iter().map(|r| u32::from(r.points) * u32::from(r.weight)).sum();
        prop_assert_eq!(u32::from(scored.total), (sum + 50) / 100);
        prop_assert!(scored.total <= 100);
    }
}
