use lumina_enrichment::email::ClassOverrides;

use super::Key;
use super::values::Values;

pub(super) const KEYS: &[Key] = &[
    Key::list(
        "addresses.personal",
        "Domains whose addresses are looked up, whatever the built-in lists say.",
    ),
    Key::list(
        "addresses.corporate",
        "Domains of companies: their addresses are not looked up.",
    ),
    Key::list("addresses.relay", "Domains that forward to hidden addresses."),
    Key::list("addresses.disposable", "Domains of throw-away mailboxes."),
];

/// Reads the lists; whether they contradict each other is for the classifier that is made of them.
pub(super) fn read(values: &mut Values) -> ClassOverrides {
    ClassOverrides {
        personal: values.get("addresses.personal"),
        corporate: values.get("addresses.corporate"),
        relay: values.get("addresses.relay"),
        disposable: values.get("addresses.disposable"),
    }
}
