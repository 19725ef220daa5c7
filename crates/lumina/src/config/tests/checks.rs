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
        (&[("database.url", "postgres://db/lumina")], &[]),
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
fn a_key_file_that_cannot_be_used_is_an_error() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let said = || {
        let flags = [
            SOUND[0],
            SOUND[1],
            SOUND[2],
            ("database.encryption_key_file", path.to_str().unwrap()),
        ];
        let config = Layers {
            flags: &flags,
            ..Layers::default()
        }
        .load();
        assert_eq!(config.encryption_key_file.as_deref(), Some(path.as_path()));
        let all: Vec<String> = config.check().iter().map(ToString::to_string).collect();
        all.join("\n")
    };
    assert!(
        said().starts_with("error: database.encryption_key_file: the key file "),
        "{}",
        said()
    );
    let line = lumina_workflow::codec::new_key_line("2026").unwrap();
    let rows: [(&str, u32, &str); 3] = [
        (line.as_str(), 0o600, ""),
        (
            line.as_str(),
            0o640,
            "error: database.encryption_key_file: others on this machine can read the keys",
        ),
        (
            "2026 short",
            0o600,
            "error: database.encryption_key_file: line 1 of the key file",
        ),
    ];
    for (text, mode, expected) in rows {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let said = said();
        assert!(
            said.starts_with(expected) && said.is_empty() == expected.is_empty(),
            "{said}"
        );
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
        ("database.url = \"postgres://a:b@c/d\"", 0o644, 0o600, &["database.url"]),
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
