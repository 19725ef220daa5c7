//! The invented list that an import is measured with.

use crate::key::Keys;

/// The list is the same in every measurement.
const SEED: u64 = 0x0013_3907;

/// Addresses of the personal half are spread over these.
const PERSONAL_DOMAINS: [&str; 4] = ["gmail.com", "yahoo.com", "outlook.com", "icloud.com"];

const FIRST_NAMES: [&str; 16] = [
    "aisha", "carlos", "daniel", "elena", "fatima", "george", "hannah", "ivan", "julia", "kenji", "laura", "maria",
    "nikhil", "olivia", "pavel", "sarah",
];

const LAST_NAMES: [&str; 16] = [
    "anders", "brown", "cohen", "dubois", "evans", "fischer", "garcia", "haddad", "ito", "jensen", "keller", "lopez",
    "martin", "novak", "okafor", "patel",
];

/// One address of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The address, in the form that is also its dedupe key: lower case, no dots or tags that a provider ignores.
    pub email: String,
    /// Whether it lies with a mail provider for private people; if not, with a company (under `example.com`).
    pub personal: bool,
}

/// `rows` different addresses, every second one personal, in the order of no index, as people sign up. The
/// product's import is measured with this same list, because the order of a list decides how many pages of an
/// index each commit writes.
pub fn addresses(rows: usize) -> impl Iterator<Item = Address> {
    let mut keys = Keys::new(SEED);
    (0..rows).map(move |row| {
        let bits = usize::try_from(keys.bits() >> 32).expect("32 bits fit");
        let (first, last) = (FIRST_NAMES[bits % 16], LAST_NAMES[(bits >> 4) % 16]);
        let local = format!("{first}{last}{:03}{row}", (bits >> 8) % 1000);
        let personal = row % 2 == 0;
        let email = if personal {
            format!("{local}@{}", PERSONAL_DOMAINS[(bits >> 20) % 4])
        } else {
            format!("{local}@team{}.example.com", (bits >> 20) % 2000)
        };
        Address { email, personal }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn addresses_are_distinct_half_personal_and_in_no_order() {
        let list: Vec<_> = addresses(10_000).collect();
        let distinct: BTreeSet<_> = list.iter().map(|address| &address.email).collect();
        assert_eq!(distinct.len(), 10_000);
        assert_eq!(list.iter().filter(|address| address.personal).count(), 5_000);
        let rising = list.windows(2).filter(|pair| pair[0].email < pair[1].email).count();
        assert!(
            (4_500..5_500).contains(&rising),
            "{rising} of 9,999 neighbours are in order"
        );
    }

    #[test]
    fn the_list_is_the_same_each_time() {
        assert!(addresses(100).eq(addresses(200).take(100)));
    }
}
