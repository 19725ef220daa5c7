//! What people and companies have in common: where they are, and their page in the professional network.

use serde::Serialize;

use super::names::PLACES;
use crate::dice::Dice;

/// A place as the provider writes it.
#[derive(Serialize)]
pub(super) struct Place {
    city: &'static str,
    region: &'static str,
    country: &'static str,
    country_code: &'static str,
}

impl Place {
    pub(super) fn invent(dice: &mut Dice) -> Self {
        let (city, region, country, country_code) = dice.pick(PLACES);
        Self {
            city,
            region,
            country,
            country_code,
        }
    }
}

#[derive(Serialize)]
pub(super) struct SocialProfiles {
    professional_network: Network,
}

#[derive(Serialize)]
struct Network {
    id: u64,
    url: String,
    handle: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_count: Option<u64>,
}

impl SocialProfiles {
    /// A page under `section`; only people have connections. No such page exists.
    pub(super) fn new(id: u64, section: &str, handle: String, connection_count: Option<u64>) -> Self {
        let url = format!("https://www.linkedin.com/{section}/{handle}");
        Self {
            professional_network: Network {
                id,
                url,
                handle,
                connection_count,
            },
        }
    }
}
