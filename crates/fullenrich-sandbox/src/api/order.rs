//! The body of a POST: read, checked, and from then on an [`Order`].

use std::collections::BTreeMap;

use http::Uri;
use serde::Deserialize;

use super::refusal::Refusal;
use crate::moods::Moods;

/// Contacts in one batch, at most.
const MAX_CONTACTS: usize = 100;
/// Keys in one contact's `custom`, at most.
const MAX_CUSTOM_KEYS: usize = 10;
/// Characters in one value of `custom`, at most.
const MAX_CUSTOM_CHARS: usize = 100;

/// A batch that can be accepted.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) name: String,
    pub(crate) webhook_url: Option<String>,
    pub(crate) contact_url: Option<String>,
    pub(crate) contacts: Vec<ContactBody>,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    webhook_url: Option<String>,
    #[serde(default)]
    webhook_events: Option<EventsBody>,
    #[serde(default)]
    data: Option<Vec<ContactBody>>,
}

#[derive(Deserialize)]
struct EventsBody {
    #[serde(default)]
    contact_finished: Option<String>,
}

/// One contact, as sent.
#[derive(Debug, Deserialize)]
pub(crate) struct ContactBody {
    #[serde(default)]
    pub(crate) email: String,
    #[serde(default)]
    pub(crate) custom: Option<BTreeMap<String, String>>,
}

impl Order {
    /// Reads a body and holds it to every documented rule. One bad contact refuses all, and so does one that a mood
    /// refuses.
    pub(super) fn read(body: &[u8], moods: &Moods) -> Result<Self, Refusal> {
        let body: Body = serde_json::from_slice(body)
            .map_err(|error| Refusal::Unreadable(format!("The body cannot be read: {error}")))?;
        let name = body
            .name
            .filter(|name| !name.trim().is_empty())
            .ok_or(Refusal::NameEmpty)?;
        let contacts = body.data.filter(|data| !data.is_empty()).ok_or(Refusal::DataEmpty)?;
        if contacts.len() > MAX_CONTACTS {
            return Err(Refusal::TooManyContacts);
        }
        let contact_url = body.webhook_events.and_then(|events| events.contact_finished);
        [&body.webhook_url, &contact_url]
            .into_iter()
            .flatten()
            .try_for_each(|url| check_url(url))?;
        contacts.iter().try_for_each(|contact| check_contact(contact, moods))?;
        Ok(Self {
            name,
            webhook_url: body.webhook_url,
            contact_url,
            contacts,
        })
    }
}

fn check_url(url: &str) -> Result<(), Refusal> {
    let parsed: Uri = url.parse().map_err(|_| Refusal::WebhookUrl)?;
    let known = matches!(parsed.scheme_str(), Some("http" | "https"));
    let hosted = parsed.host().is_some_and(|host| !host.is_empty());
    if known && hosted {
        Ok(())
    } else {
        Err(Refusal::WebhookUrl)
    }
}

fn check_contact(contact: &ContactBody, moods: &Moods) -> Result<(), Refusal> {
    if contact.email.trim().is_empty() {
        return Err(Refusal::EmailEmpty);
    }
    if !is_address(&contact.email) {
        return Err(Refusal::EmailInvalid);
    }
    if moods.refuses(&contact.email) {
        return Err(Refusal::EmailUnwelcome);
    }
    let Some(custom) = &contact.custom else { return Ok(()) };
    if custom.len() > MAX_CUSTOM_KEYS {
        return Err(Refusal::CustomKeys);
    }
    if custom.values().any(|value| value.chars().count() > MAX_CUSTOM_CHARS) {
        return Err(Refusal::CustomValue);
    }
    Ok(())
}

/// A plain address as mail takes it: dot-atoms of ASCII before the `@`, a domain of at least two labels behind it.
fn is_address(email: &str) -> bool {
    let Some((local, domain)) = email.split_once('@') else {
        return false;
    };
    email.len() <= 254 && is_local_part(local) && is_domain(domain)
}

fn is_local_part(local: &str) -> bool {
    let is_atom = |atom: &str| !atom.is_empty() && atom.bytes().all(is_atom_byte);
    local.len() <= 64 && local.split('.').all(is_atom)
}

fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn is_domain(domain: &str) -> bool {
    let mut labels = domain.rsplit('.');
    let top_has_letter = labels
        .next()
        .is_some_and(|top| is_label(top) && top.bytes().any(|b| b.is_ascii_alphabetic()));
    top_has_letter && domain.contains('.') && labels.all(is_label)
}

fn is_label(label: &str) -> bool {
    let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn addresses_are_told_from_what_is_none() {
        for good in [
            "a@b.co",
            "sarah.dev+news@gmail.com",
            "O'Neil_x@sub.example.museum",
            "x@xn--bcher-kva.example",
            &format!("{}@example.com", "a".repeat(64)),
        ] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "plain",
            "@example.com",
            "a@",
            "a@b",
            "a@b@c.com",
            "a b@c.com",
            " a@c.com",
            "a@c.com\u{feff}",
            ".a@c.com",
            "a..b@c.com",
            "a.@c.com",
            "a@-c.com",
            "a@c-.com",
            "a@c..com",
            "a@.com",
            "a@127.0.0.1",
            "ä@c.com",
            "a@bücher.example",
            &format!("{}@example.com", "a".repeat(65)),
            &format!("a@{}.com", "b".repeat(64)),
            &format!("a@{}com", "bcd.".repeat(70)),
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
