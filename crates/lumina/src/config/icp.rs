use lumina_enrichment::icp::{HeadcountProfile, IcpProfile, IndustryPoints, IndustryProfile, SeniorityPoints, Weights};

use super::Key;
use super::values::Values;

pub(super) const KEYS: &[Key] = &[
    Key::literal(
        "icp.weights.headcount",
        "40",
        "How much the company's size counts, in percent; the three add up to 100.",
    ),
    Key::literal(
        "icp.weights.industry",
        "30",
        "How much its industry counts, in percent.",
    ),
    Key::literal(
        "icp.weights.seniority",
        "30",
        "How much the person's seniority counts, in percent.",
    ),
    Key::literal(
        "icp.headcount.bands",
        "[{ from = 1, to = 9, points = 10 }, { from = 10, to = 24, points = 40 }, { from = 25, to = 49, points = 70 }, \
         { from = 50, to = 500, points = 100 }, { from = 501, to = 1000, points = 70 }, \
         { from = 1001, to = 5000, points = 40 }, { from = 5001, points = 10 }]",
        "What a headcount is worth, 0 to 100, in rising bands.",
    ),
    Key::literal(
        "icp.headcount.ranges",
        "{}",
        "What a range such as \"51-200\" is worth where only that is known; else the band of its lower end decides.",
    ),
    Key::literal(
        "icp.industry.points.full",
        "100",
        "What an industry that fits fully is worth, 0 to 100.",
    ),
    Key::literal("icp.industry.points.related", "50", "What a related industry is worth."),
    Key::literal("icp.industry.points.other", "20", "What any other industry is worth."),
    Key::literal(
        "icp.industry.builtin",
        "true",
        "Whether the built-in table of LinkedIn's industries counts.",
    ),
    Key::list(
        "icp.industry.full",
        "Industries that fit fully, before the built-in table.",
    ),
    Key::list(
        "icp.industry.related",
        "Industries that are related, before the built-in table.",
    ),
    Key::list(
        "icp.industry.other",
        "Industries that are neither, whatever the table says.",
    ),
    Key::literal(
        "icp.seniority.c_level",
        "100",
        "What a C-level person is worth, 0 to 100.",
    ),
    Key::literal("icp.seniority.founder", "100", "What a founder is worth."),
    Key::literal("icp.seniority.owner", "100", "What an owner is worth."),
    Key::literal("icp.seniority.vp", "90", "What a vice president is worth."),
    Key::literal("icp.seniority.head", "80", "What a head of something is worth."),
    Key::literal("icp.seniority.director", "80", "What a director is worth."),
    Key::literal("icp.seniority.partner", "70", "What a partner is worth."),
    Key::literal("icp.seniority.manager", "40", "What a manager is worth."),
    Key::literal("icp.seniority.lead", "40", "What a lead is worth."),
    Key::literal("icp.seniority.senior", "40", "What a senior is worth."),
    Key::literal("icp.seniority.other", "10", "What anybody else is worth."),
];

/// Reads the profile; whether its parts fit together is for its own `validate`.
pub(super) fn read(values: &mut Values) -> IcpProfile {
    IcpProfile {
        weights: Weights {
            headcount: values.get("icp.weights.headcount"),
            industry: values.get("icp.weights.industry"),
            seniority: values.get("icp.weights.seniority"),
        },
        headcount: HeadcountProfile {
            bands: values.get("icp.headcount.bands"),
            ranges: values.get("icp.headcount.ranges"),
        },
        industry: read_industry(values),
        seniority: read_seniority(values),
    }
}

fn read_industry(values: &mut Values) -> IndustryProfile {
    IndustryProfile {
        points: IndustryPoints {
            full: values.get("icp.industry.points.full"),
            related: values.get("icp.industry.points.related"),
            other: values.get("icp.industry.points.other"),
        },
        builtin: values.get("icp.industry.builtin"),
        full: values.get("icp.industry.full"),
        related: values.get("icp.industry.related"),
        other: values.get("icp.industry.other"),
    }
}

fn read_seniority(values: &mut Values) -> SeniorityPoints {
    SeniorityPoints {
        c_level: values.get("icp.seniority.c_level"),
        founder: values.get("icp.seniority.founder"),
        owner: values.get("icp.seniority.owner"),
        vp: values.get("icp.seniority.vp"),
        head: values.get("icp.seniority.head"),
        director: values.get("icp.seniority.director"),
        partner: values.get("icp.seniority.partner"),
        manager: values.get("icp.seniority.manager"),
        lead: values.get("icp.seniority.lead"),
        senior: values.get("icp.seniority.senior"),
        other: values.get("icp.seniority.other"),
    }
}
