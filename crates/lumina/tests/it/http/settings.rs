//! From the configuration to what HTTP needs of it.

use std::path::PathBuf;

use lumina::config::{Config, ConfigFile, Sources};
use lumina::http::{BodyLimits, HttpSettings};
use lumina::token::{Token, load_or_create};

fn token() -> Token {
    let folder = tempfile::tempdir().unwrap();
    load_or_create(&folder.path().join("token"), &|| [7; 32]).unwrap().0
}

fn read(flags: &[(&str, &str)]) -> HttpSettings {
    let flags = flags
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect();
    let config = Config::load(Sources {
        file: ConfigFile::Nothing,
        environment: Vec::new(),
        flags,
    })
    .unwrap();
    HttpSettings::new(&config, token(), 7878).unwrap()
}

#[test]
fn by_default_every_webhook_is_closed() {
    let settings = read(&[("database.url", "sqlite:/var/lib/lumina/leads.db")]);
    assert!(settings.subscribe.is_none());
    assert!(settings.newsletters.is_empty());
    assert!(settings.signing_keys.is_empty());
    assert_eq!(
        settings.upload_folder,
        PathBuf::from("/var/lib/lumina/leads.db.uploads")
    );
    let beside_others = read(&[("database.url", "postgres://db/lumina")]);
    assert_eq!(beside_others.upload_folder, PathBuf::from("./lumina.7878.uploads"));
    assert_eq!(settings.limits, BodyLimits::default());
    assert!(settings.token.matches(&"07".repeat(32)));
}

#[test]
fn what_is_configured_opens_them() {
    let settings = read(&[
        ("webhooks.secret", "the secret after the rotation"),
        ("webhooks.previous_secret", "the secret before the rotation"),
        ("fullenrich.api_key", "the-key"),
        ("newsletters.kit.email", "/subscriber/email_address"),
        ("newsletters.kit.name", "/subscriber/first_name"),
        ("newsletters.kit.source", "/form"),
        ("newsletters.kit.secret", "a-secret-of-the-platform"),
        ("newsletters.kit.header", "X-Kit-Secret"),
        ("newsletters.later.email", "/email"),
    ]);
    let subscribe = settings.subscribe.expect("there is a secret");
    // Made with `openssl dgst -sha256 -hmac` and either secret.
    for signature in [
        "7a456593be99188e4a2e7a9e9b2b015ddc0648e32419cb3a87a45fbd74c2906c",
        "4adc1ee6cbc91c298c149de803cbe408456114f38a8c15dc0877521be21ef2a8",
    ] {
        assert_eq!(subscribe.verify(b"{}", Some(signature)), Ok(()));
    }
    assert_eq!(settings.signing_keys.len(), 1);

    let kit = &settings.newsletters["kit"];
    assert_eq!(kit.header.as_ref().map(http::HeaderName::as_str), Some("x-kit-secret"));
    assert!(
        kit.secrets
            .as_ref()
            .is_some_and(|secrets| secrets.accepts(b"a-secret-of-the-platform"))
    );
    let body = br#"{"form": "footer", "subscriber": {"email_address": "sarah@gmail.com", "first_name": "Sarah"}}"#;
    let row = kit.fields.read(body).unwrap();
    assert_eq!(row.email.as_str(), "sarah@gmail.com");
    assert_eq!(
        (row.name.as_deref(), row.source.as_deref()),
        (Some("Sarah"), Some("footer"))
    );

    let later = &settings.newsletters["later"];
    assert!(later.secrets.is_none() && later.header.is_none());
}
