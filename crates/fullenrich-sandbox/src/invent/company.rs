//! An invented company. It follows from the seed and its name, so that colleagues agree about it.

use serde::Serialize;

use super::industries::{INDUSTRIES, SPECIALTIES};
use super::place::{Place, SocialProfiles};
use crate::dice::Dice;

const FRONT: &[&str] = &[
    "Amberglass",
    "Blue Teapot",
    "Brightwobble",
    "Cinderpath",
    "Clockwork Otter",
    "Copper Kite",
    "Dandelion",
    "Driftwood",
    "Echo Lantern",
    "Fernwhistle",
    "Ginger Comet",
    "Hollow Oak",
    "Inkbottle",
    "Jolly Heron",
    "Kindling",
    "Larkfield",
    "Lemon Harbour",
    "Moonbarrow",
    "Mosslight",
    "Nine Pebbles",
    "Nutmeg",
    "Orange Pier",
    "Paper Whale",
    "Pocket Thunder",
    "Quartz Fox",
    "Quiet Giraffe",
    "Raincoat",
    "Saffron Hill",
    "Second Breakfast",
    "Sleepy Volcano",
    "Tin Sparrow",
    "Turnip",
    "Umbrella Moth",
    "Velvet Anchor",
    "Wandering Pine",
    "Windmill",
    "Yellow Bicycle",
    "Zigzag",
];

const BACK: &[&str] = &[
    "Analytics",
    "Capital",
    "Cloud",
    "Collective",
    "Foundry",
    "Holdings",
    "Instruments",
    "Labs",
    "Media",
    "Networks",
    "Partners",
    "Software",
    "Studios",
    "Systems",
    "Works",
];

/// Range, and the headcounts within it.
const SIZES: &[(u64, (&str, u64, u64))] = &[
    (14, ("1-10", 1, 10)),
    (18, ("11-50", 11, 50)),
    (22, ("51-200", 51, 200)),
    (17, ("201-500", 201, 500)),
    (10, ("501-1000", 501, 1_000)),
    (9, ("1001-5000", 1_001, 5_000)),
    (5, ("5001-10000", 5_001, 10_000)),
    (5, ("10001+", 10_001, 90_000)),
];

const TYPES: &[&str] = &[
    "Privately Held",
    "Public Company",
    "Partnership",
    "Self-Owned",
    "Nonprofit",
];

#[derive(Serialize)]
pub(super) struct Company {
    id: String,
    pub(super) name: String,
    domain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    website: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    year_founded: u64,
    headcount: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    headcount_range: Option<&'static str>,
    company_type: &'static str,
    specialties: Vec<&'static str>,
    locations: Locations,
    #[serde(skip_serializing_if = "Option::is_none")]
    industry: Option<Industry>,
    social_profiles: SocialProfiles,
    logo_url: String,
}

#[derive(Serialize)]
struct Locations {
    headquarters: Place,
    offices: Option<Vec<Place>>,
}

#[derive(Serialize)]
struct Industry {
    main_industry: &'static str,
}

impl Company {
    /// One of the invented companies, which `dice` picks by its name.
    pub(super) fn invent(seed: u64, dice: &mut Dice) -> Self {
        let name = format!("{} {}", dice.pick(FRONT), dice.pick(BACK));
        let mut dice = Dice::new(seed, "company", &name);
        let slug = name.to_lowercase().replace(' ', "-");
        let domain = format!("{slug}.example");
        let (headcount, headcount_range) = size(&mut dice);
        let network_id = dice.between(10_000_000, 99_999_999);
        Self {
            id: dice.hex(),
            website: dice.chance(80).then(|| format!("https://{domain}")),
            description: dice
                .chance(70)
                .then(|| format!("{name} is an invented company. Nobody works there.")),
            year_founded: dice.between(1921, 2024),
            headcount,
            headcount_range,
            company_type: dice.pick(TYPES),
            specialties: dice.pick_several(SPECIALTIES, 2),
            locations: Locations::invent(&mut dice),
            industry: dice.chance(95).then(|| Industry {
                main_industry: dice.weigh(INDUSTRIES),
            }),
            social_profiles: SocialProfiles::new(network_id, "company", format!("invented-{slug}"), None),
            logo_url: format!("https://{domain}/logo.png"),
            domain,
            name,
        }
    }
}

impl Locations {
    fn invent(dice: &mut Dice) -> Self {
        let headquarters = Place::invent(dice);
        let offices = match dice.below(3) {
            0 => None,
            count => Some((0..count).map(|_| Place::invent(dice)).collect()),
        };
        Self { headquarters, offices }
    }
}

/// Most companies have both figures; of some only the range is known and the headcount is 0, of a few neither.
fn size(dice: &mut Dice) -> (u64, Option<&'static str>) {
    let (range, low, high) = dice.weigh(SIZES);
    let headcount = dice.between(low, high);
    match dice.below(100) {
        0..4 => (0, None),
        4..16 => (0, Some(range)),
        _ => (headcount, Some(range)),
    }
}
