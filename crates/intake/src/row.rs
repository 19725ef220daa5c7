use lumina_enrichment::email::EmailAddress;
use lumina_enrichment::subscriber::Metadata;

/// Somebody who signed up, as a file or a webhook tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeRow {
    /// The address, cleaned and checked.
    pub email: EmailAddress,
    /// The name on one line, where one is given.
    pub name: Option<String>,
    /// Where the subscriber came from, where that is given.
    pub source: Option<String>,
    /// What else is given; a file gives nothing else.
    pub metadata: Metadata,
}
