//! The lists that the crate carries, and the families of providers that have a domain in many countries.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::AddressClass;

const FREE_PROVIDERS: &str = include_str!("../../data/free_providers.txt");
const FASTMAIL: &str = include_str!("../../data/fastmail.txt");
const RELAYS: &str = include_str!("../../data/relays.txt");
const DISPOSABLE: &str = include_str!("../../data/disposable.txt");

/// The lines of a list that are entries: neither blank nor a `#` comment.
pub(super) fn entries(list: &str) -> impl Iterator<Item = &str> {
    let is_entry = |line: &&str| !line.is_empty() && !line.starts_with('#');
    list.lines().map(str::trim).filter(is_entry)
}

/// What a listed domain says about addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) class: AddressClass,
    /// Whether the entry also speaks for the domains below it.
    pub(super) with_subdomains: bool,
    /// One of Fastmail's, whose mailboxes take a `+tag`.
    pub(super) is_fastmail: bool,
}

pub(super) static BUILT_IN: LazyLock<HashMap<&'static str, Listed>> = LazyLock::new(|| {
    let lists = [
        (DISPOSABLE, AddressClass::Disposable, true, false),
        (FREE_PROVIDERS, AddressClass::Personal, false, false),
        (FASTMAIL, AddressClass::Personal, false, true),
        (RELAYS, AddressClass::Relay, true, false),
    ];
    let mut all = HashMap::new();
    for (list, class, with_subdomains, is_fastmail) in lists {
        let listed = Listed {
            class,
            with_subdomains,
            is_fastmail,
        };
        all.extend(entries(list).map(|domain| (domain, listed)));
    }
    all
});

/// A provider with a domain in many countries (`yahoo.*`), known by the label before the public suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Hotmail, Outlook and Live.
    Microsoft,
    /// Proton and its older name.
    Proton,
    /// SimpleLogin, a relay.
    SimpleLogin,
    /// Any other free provider.
    Free,
}

impl Family {
    pub(super) fn class(self) -> AddressClass {
        match self {
            Self::SimpleLogin => AddressClass::Relay,
            Self::Microsoft | Self::Proton | Self::Free => AddressClass::Personal,
        }
    }

    fn of_label(label: &str) -> Option<Self> {
        match label {
            "hotmail" | "outlook" | "live" => Some(Self::Microsoft),
            "proton" | "protonmail" => Some(Self::Proton),
            "simplelogin" => Some(Self::SimpleLogin),
            "yahoo" | "gmx" | "yandex" | "aol" | "tuta" | "tutanota" => Some(Self::Free),
            _ => None,
        }
    }

    /// The family of a domain in lower case, by its registrable domain.
    ///
    /// Only suffixes that existed before the sale of arbitrary endings count (countries, `com`, `net`, `org`):
    /// `live.de` is the provider, `live.events` is some company.
    pub(super) fn of_domain(domain: &str) -> Option<Self> {
        domain.split('.').find_map(Self::of_label)?;
        let parsed = psl::domain(domain.as_bytes())?;
        let suffix = parsed.suffix();
        if suffix.typ() != Some(psl::Type::Icann) || !is_classic(suffix.as_bytes()) {
            return None;
        }
        let registrable = std::str::from_utf8(parsed.as_bytes()).ok()?;
        Self::of_label(registrable.split('.').next()?)
    }
}

fn is_classic(suffix: &[u8]) -> bool {
    let last = suffix.rsplit(|b| *b == b'.').next().unwrap_or(suffix);
    last.len() == 2 || matches!(last, b"com" | b"net" | b"org")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email::EmailAddress;

    #[test]
    fn lists_are_sorted_lower_case_and_hold_real_domains() {
        for list in [FREE_PROVIDERS, FASTMAIL, RELAYS, DISPOSABLE] {
            let all: Vec<&str> = entries(list).collect();
            assert!(
                all.is_sorted_by(|a, b| a < b),
                "sorted and without repeats: {:?}",
                all[0]
            );
            for domain in all {
                let parsed = EmailAddress::parse(&format!("someone@{domain}"));
                assert_eq!(parsed.map(|a| a.domain().to_lowercase()), Ok(domain.to_owned()));
                let suffix = psl::suffix(domain.as_bytes()).expect("a domain has a suffix");
                assert!(suffix.is_known(), "{domain} ends in no public suffix");
            }
        }
    }

    #[test]
    fn no_domain_is_on_two_lists() {
        let length = |list| entries(list).count();
        let apart: usize = [FREE_PROVIDERS, FASTMAIL, RELAYS, DISPOSABLE].map(length).iter().sum();
        assert_eq!(BUILT_IN.len(), apart);
    }
}
