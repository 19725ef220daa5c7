//! Who signed up, and what came along with the address.

mod metadata;
mod text;

pub use metadata::{MAX_METADATA_BYTES, MAX_METADATA_KEYS, Metadata, MetadataError};
pub use text::{MAX_NAME_CHARS, MAX_SOURCE_CHARS, tidy_name, tidy_source};

use std::fmt;

use uuid::Uuid;

use crate::email::{AddressClass, Classifier, DedupeKey, EmailAddress};

/// Names a subscriber. Made by whoever stores it, from an injected clock and randomness (UUIDv7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriberId(pub Uuid);

impl fmt::Display for SubscriberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Somebody who is about to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSubscriber {
    /// The address, as given after cleaning; this is what is looked up.
    pub email: EmailAddress,
    /// Which addresses are this one; subscribers are unique by it.
    pub dedupe_key: DedupeKey,
    /// What kind of mailbox the address is.
    pub class: AddressClass,
    /// Whether the address belongs to a post and not to a person.
    pub is_role: bool,
    /// Where the subscriber came from, such as a form, a campaign or a file.
    pub source: String,
    /// The name, where one came along.
    pub name: Option<String>,
    /// Whatever else came along.
    pub metadata: Metadata,
}

impl NewSubscriber {
    /// Derives from the address what is derived from it; the name and the metadata are empty.
    ///
    /// ```
    /// use lumina_enrichment::email::{Classifier, EmailAddress};
    /// use lumina_enrichment::subscriber::NewSubscriber;
    /// let email = EmailAddress::parse("info@gmail.com")?;
    /// let subscriber = NewSubscriber::new(email, "footer form", &Classifier::new());
    /// assert!(subscriber.is_role && subscriber.class.is_looked_up());
    /// # Ok::<(), lumina_enrichment::email::AddressError>(())
    /// ```
    #[must_use]
    pub fn new(email: EmailAddress, source: &str, classifier: &Classifier) -> Self {
        Self {
            dedupe_key: email.dedupe_key(),
            class: classifier.classify(&email),
            is_role: email.is_role(),
            source: tidy_source(source).unwrap_or_default(),
            name: None,
            metadata: Metadata::default(),
            email,
        }
    }

    /// The same with a name, tidied.
    #[must_use]
    pub fn with_name(self, name: Option<&str>) -> Self {
        Self {
            name: name.and_then(tidy_name),
            ..self
        }
    }

    /// The same with metadata.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }
}

/// Somebody who is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// The name in the database.
    pub id: SubscriberId,
    /// What was stored.
    pub details: NewSubscriber,
    /// When the address came in for the first time.
    pub created_at: jiff::Timestamp,
}
