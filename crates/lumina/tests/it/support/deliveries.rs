//! What newsletters and sign-up forms deliver.

use lumina::http::{HttpSettings, NewsletterSource};
use lumina_intake::newsletters::{ConfiguredSource, SharedSecrets, SigningSecrets};

use super::{Call, SUBSCRIBE_SECRET, post};

/// The secret of the source that [`add_any_source`] describes.
pub const ANY_SECRET: &str = "the-secret-in-the-url";

/// Describes the source `any`: the address is at `/email`, the secret in the URL.
pub fn add_any_source(settings: &mut HttpSettings) {
    let source = NewsletterSource {
        fields: ConfiguredSource {
            email: "/email".parse().unwrap(),
            name: None,
            source: None,
        },
        secrets: Some(SharedSecrets::new(ANY_SECRET, None).unwrap()),
        header: None,
    };
    settings.newsletters.insert("any".to_owned(), source);
}

impl Call {
    /// A delivery of the source `any`.
    pub fn any_source(body: impl Into<Vec<u8>>) -> Self {
        post(&format!("/api/webhooks/newsletters/any?secret={ANY_SECRET}")).body(body)
    }

    /// A delivery of our own webhook, signed with the secret in use.
    pub fn subscribe(body: impl Into<Vec<u8>>) -> Self {
        Self::subscribe_signed_with(SUBSCRIBE_SECRET, body)
    }

    /// A delivery of our own webhook, signed with this secret.
    pub fn subscribe_signed_with(secret: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let signature = SigningSecrets::new(secret, None).unwrap().sign(&body);
        post("/api/webhooks/subscribe")
            .header("X-Webhook-Signature", &signature)
            .body(body)
    }
}
