use std::collections::HashMap;

use super::domains::{BUILT_IN, Family};
use super::{AddressClass, EmailAddress};

/// The most domains an operator may list: far more than anybody writes by hand, and small in memory.
pub const MAX_OVERRIDES: usize = 100_000;

/// Domains whose class an operator sets or corrects, from the configuration. An entry speaks for the domain and
/// everything below it and goes before the built-in lists; of two entries the longer one wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassOverrides {
    /// Domains whose addresses are looked up.
    pub personal: Vec<String>,
    /// Domains of companies.
    pub corporate: Vec<String>,
    /// Domains that forward to hidden addresses.
    pub relay: Vec<String>,
    /// Domains of throw-away mailboxes.
    pub disposable: Vec<String>,
}

impl ClassOverrides {
    fn all(&self) -> impl Iterator<Item = (&str, AddressClass)> {
        let lists = [
            (&self.personal, AddressClass::Personal),
            (&self.corporate, AddressClass::Corporate),
            (&self.relay, AddressClass::Relay),
            (&self.disposable, AddressClass::Disposable),
        ];
        lists
            .into_iter()
            .flat_map(|(list, class)| list.iter().map(move |domain| (domain.as_str(), class)))
    }
}

/// Sorts addresses into classes by their domain, from lists that the crate carries and from the operator's.
///
/// In this order: the operator's entries; the listed domains (free providers by the exact domain, relays and
/// disposable ones with everything below them); families such as `yahoo.*`; else corporate.
///
/// ```
/// use lumina_enrichment::email::{AddressClass, Classifier, ClassOverrides, EmailAddress};
///
/// let ours = ClassOverrides { corporate: vec!["example.de".into()], ..ClassOverrides::default() };
/// let classifier = Classifier::with_overrides(&ours)?;
/// let class = |raw| EmailAddress::parse(raw).map(|address| classifier.classify(&address));
/// assert_eq!(class("a@yahoo.co.uk")?, AddressClass::Personal);
/// assert_eq!(class("a@duck.com")?, AddressClass::Relay);
/// assert_eq!(class("a@mail.example.de")?, AddressClass::Corporate);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Classifier {
    overrides: HashMap<Box<str>, AddressClass>,
}

impl Classifier {
    /// A classifier with the built-in lists alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A classifier in which the operator's entries go first.
    ///
    /// # Errors
    /// An entry that is no domain, a domain in two classes, or more than [`MAX_OVERRIDES`] entries.
    pub fn with_overrides(overrides: &ClassOverrides) -> Result<Self, ClassifierError> {
        if overrides.all().count() > MAX_OVERRIDES {
            return Err(ClassifierError::TooMany);
        }
        let mut all = HashMap::new();
        for (entry, class) in overrides.all() {
            let domain = read_domain(entry)?;
            let other = all.insert(domain, class);
            if let Some(other) = other.filter(|other| *other != class) {
                let domain = entry.to_owned();
                return Err(ClassifierError::TwoClasses { domain, other, class });
            }
        }
        Ok(Self { overrides: all })
    }

    /// The class of an address.
    #[must_use]
    pub fn classify(&self, address: &EmailAddress) -> AddressClass {
        let domain = address.lower_domain();
        self.overridden(&domain)
            .or_else(|| listed(&domain))
            .or_else(|| Family::of_domain(&domain).map(Family::class))
            .unwrap_or(AddressClass::Corporate)
    }

    fn overridden(&self, domain: &str) -> Option<AddressClass> {
        if self.overrides.is_empty() {
            return None;
        }
        with_parents(domain).find_map(|name| self.overrides.get(name).copied())
    }
}

fn listed(domain: &str) -> Option<AddressClass> {
    if let Some(listed) = BUILT_IN.get(domain) {
        return Some(listed.class);
    }
    let parents = with_parents(domain).skip(1);
    let listed = parents
        .filter_map(|name| BUILT_IN.get(name))
        .find(|l| l.with_subdomains);
    listed.map(|listed| listed.class)
}

/// `a.b.com`, then `b.com`; a top-level domain alone is never on a list.
fn with_parents(domain: &str) -> impl Iterator<Item = &str> {
    let above = |name: &str| name.find('.').map(|dot| dot + 1);
    let mut rest = Some(domain);
    std::iter::from_fn(move || {
        let name = rest?;
        rest = above(name).map(|start| &name[start..]);
        Some(name)
    })
    .filter(|name| name.contains('.'))
}

/// The entry as a domain in lower case and punycode; `@example.com` and `*.example.com` are understood.
fn read_domain(entry: &str) -> Result<Box<str>, ClassifierError> {
    let bare = entry.trim();
    let bare = bare
        .strip_prefix("*.")
        .or_else(|| bare.strip_prefix('@'))
        .unwrap_or(bare);
    let parsed = EmailAddress::parse(&format!("someone@{bare}"));
    let parsed = parsed.map_err(|_| ClassifierError::NoDomain(entry.to_owned()))?;
    Ok(parsed.lower_domain().into())
}

/// What is wrong with an operator's list of domains.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClassifierError {
    /// An entry that cannot be a domain.
    #[error("{0:?} in the lists of domains is no domain; write it like example.com")]
    NoDomain(String),
    /// One domain in two lists.
    #[error("{domain:?} is listed as {other} and as {class}; keep one of the two")]
    TwoClasses {
        /// The domain as written.
        domain: String,
        /// The class it already had.
        other: AddressClass,
        /// The class that contradicts it.
        class: AddressClass,
    },
    /// More than [`MAX_OVERRIDES`] entries.
    #[error("the lists of domains hold more than {MAX_OVERRIDES} entries; shorten them")]
    TooMany,
}
