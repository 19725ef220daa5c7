use super::*;
use crate::config::Severity;

/// Nothing is found wrong with this one.
const SOUND: [(&str, &str); 3] = [
    ("fullenrich.api_key", "a-key"),
    ("webhooks.secret", "sixteen bytes ok"),
    ("server.token_file", "no-such-folder/token"),
];

fn findings(more: &[(&str, &str)]) -> Vec<(Severity, String)> {
    let flags: Vec<(&str, &str)> = SOUND.iter().chain(more).copied().collect();
    let config = Layers {
        flags: &flags,
        ..Layers::default()
    }
    .load();
    config
        .check()
        .into_iter()
        .map(|finding| (finding.severity, finding.key))
        .collect()
}

/// What is set beside [`SOUND`], and what is found.
type Row = (
    &'static [(&'static str, &'static str)],
    &'static [(Severity, &'static str)],
);

#[test]
fn each_thing_to_know_is_found_and_nothing_else() {
    use Severity::{Error, Warning};
    const SANDBOX: (&str, &str) = ("fullenrich.base_url", "http://127.0.0.1:9");
    let rows: [Row; 22] = [
        (&[], &[]),
        (&[SANDBOX], &[]),
        (&[("database.url", "postgres://db/lumina")], &[(Error, "database.url")]),
        (&[("server.address", "0.0.0.0:80")], &[(Warning, "server.address")]),
        (&[("server.webhook_address", "0.0.0.0:80")], &[]),
        (
            &[("fullenrich.base_url", "http://app.fullenrich.com")],
            &[(Warning, "fullenrich.base_url")],
        ),
        (
            &[("fullenrich.calls_per_minute", "61")],
            &[(Warning, "fullenrich.calls_per_minute")],
        ),
        (&[SANDBOX, ("fullenrich.calls_per_minute", "600")], &[]),
        (&[("fullenrich.webhook_url", "https://lumina.example.com")], &[]),
        (
            &[("fullenrich.webhook_url", "http://lumina.example.com")],
            &[(Warning, "fullenrich.webhook_url")],
        ),
        (
            &[("fullenrich.webhook_url", "http://localhost:7878")],
            &[(Error, "fullenrich.webhook_url")],
        ),
        (
            &[("fullenrich.webhook_url", "https://[::1]:7878")],
            &[(Error, "fullenrich.webhook_url")],
        ),
        (&[SANDBOX, ("fullenrich.webhook_url", "http://127.0.0.1:7878")], &[]),
        (
            &[("enrichment.budget.per_day", "unlimited")],
            &[(Warning, "enrichment.budget.per_day")],
        ),
        (
            &[("enrichment.budget.per_day", "0")],
            &[(Warning, "enrichment.budget.per_day")],
        ),
        (
            &[("enrichment.reconcile_window", "10s")],
            &[(Warning, "enrichment.reconcile_window")],
        ),
        (&[SANDBOX, ("enrichment.reconcile_window", "10s")], &[]),
        (&[("enrichment.deadline", "10m")], &[(Warning, "enrichment.deadline")]),
        (&[("icp.weights.headcount", "41")], &[(Error, "icp")]),
        (
            &[("addresses.personal", "a.example"), ("addresses.relay", "a.example")],
            &[(Error, "addresses")],
        ),
        (
            &[("newsletters.zine.email", "/email")],
            &[(Warning, "newsletters.zine.secret")],
        ),
        (
            &[
                ("enrichment.budget.per_day", "unlimited"),
                ("icp.weights.headcount", "41"),
            ],
            &[(Error, "icp"), (Warning, "enrichment.budget.per_day")],
        ),
    ];
    for (more, expected) in rows {
        let expected: Vec<_> = expected
            .iter()
            .map(|(severity, key)| (*severity, (*key).to_owned()))
            .collect();
        assert_eq!(findings(more), expected, "{more:?}");
    }
}

#[test]
fn what_is_missing_is_said() {
    let config = Layers::default().load();
    let said: Vec<String> = config.check().iter().map(ToString::to_string).collect();
    let starts = [
        "error: fullenrich.api_key: no API key",
        "warning: webhooks.secret: no webhook secret",
    ];
    assert_eq!(said.len(), starts.len(), "{said:?}");
    for (said, start) in said.iter().zip(starts) {
        assert!(said.starts_with(start), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn files_with_secrets_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (file, token) = (folder.path().join("lumina.toml"), folder.path().join("token"));
    let set_mode = |path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let token_text = token.to_str().unwrap();
    let rows: [(&str, u32, u32, &[&str]); 5] = [
        ("fullenrich.api_key = \"k\"", 0o600, 0o600, &[]),
        ("fullenrich.api_key = \"k\"", 0o640, 0o600, &["fullenrich.api_key"]),
        ("log.format = \"text\"", 0o644, 0o600, &[]),
        ("log.format = \"text\"", 0o644, 0o604, &["server.token_file"]),
        (
            "database.url = \"postgres://a:b@c/d\"",
            0o644,
            0o600,
            &["database.url", "database.url"],
        ),
    ];
    for (text, file_mode, token_mode, expected) in rows {
        std::fs::write(&file, text).unwrap();
        std::fs::write(&token, "x").unwrap();
        set_mode(&file, file_mode);
        set_mode(&token, token_mode);
        let mut environment = owned(&[("LUMINA_SERVER__TOKEN_FILE", token_text)]);
        environment.extend(owned(&[("NEWSLETTER_WEBHOOK_SECRET", "sixteen bytes ok")]));
        if !text.contains("api_key") {
            environment.extend(owned(&[("FULLENRICH_API_KEY", "k")]));
        }
        let sources = Sources {
            file: ConfigFile::At(file.clone()),
            environment,
            flags: Vec::new(),
        };
        let findings = Config::load(sources).unwrap().check();
        let keys: Vec<&str> = findings.iter().map(|finding| finding.key.as_str()).collect();
        assert_eq!(keys, expected, "{text} {file_mode:o} {token_mode:o}");
        let is_advised = |finding: &crate::config::Finding| finding.message.contains("chmod 600");
        assert_eq!(findings.iter().any(is_advised), !expected.is_empty());
    }
}
