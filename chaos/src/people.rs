//! Invented subscribers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::dice::Dice;
use crate::world::Subscriber;

/// The name that the sandbox's forged callbacks claim.
pub const FORGED_NAME: &str = "Forged";

/// What the addresses begin with that the sandbox refuses.
const REFUSED_BEGINNING: &str = "invalid-";

/// Of a thousand people, so many have an address that the provider refuses: each divides its batch down to itself.
const REFUSED: u64 = 12;

/// So many of a hundred have an address that is not personal.
const CORPORATE_PERCENT: u64 = 8;

/// Where people have personal addresses.
const PERSONAL: &[&str] = &["gmail.com", "yahoo.com", "outlook.com", "gmx.de", "proton.me"];

/// Whether the provider refuses this address.
#[must_use]
pub fn is_refused(email: &str) -> bool {
    email.starts_with(REFUSED_BEGINNING)
}

/// Everybody there can be, one after the other.
#[derive(Debug, Default)]
pub struct People {
    next: AtomicU64,
}

impl People {
    /// Somebody new.
    pub fn invent(&self, dice: &mut Dice) -> Subscriber {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if dice.chance(CORPORATE_PERCENT) {
            return Subscriber {
                email: format!("chaos{number}@company{}.example", number % 7),
                personal: false,
            };
        }
        let refused = if dice.roll(1_000) < REFUSED {
            REFUSED_BEGINNING
        } else {
            ""
        };
        Subscriber {
            email: format!("{refused}chaos{number}@{}", dice.choose(PERSONAL)),
            personal: true,
        }
    }
}
