use std::collections::BTreeSet;
use std::time::Duration;

use lumina_enrichment::credits::Credits;
use lumina_enrichment::email::ClassOverrides;
use lumina_enrichment::icp::IcpProfile;

use super::*;
use crate::config::{Budget, CallbackMode, LogFormat, keys};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn nothing_set_is_the_documented_configuration() {
    let config = Layers::default().load();
    let e = &config.enrichment;
    let durations = [
        (e.deadline, 24 * HOUR),
        (e.linger, Duration::from_secs(2)),
        (e.reconcile_window, 2 * HOUR),
        (e.poll.without_webhook, 5 * MINUTE),
        (e.poll.first, 10 * MINUTE),
        (e.poll.every, 15 * MINUTE),
        (e.schedule, 15 * MINUTE),
        (e.refresh_after, 90 * 24 * HOUR),
        (e.sweep, MINUTE),
        (config.retention.raw, 30 * 24 * HOUR),
        (config.retention.runs, 30 * 24 * HOUR),
    ];
    for (row, (given, expected)) in durations.into_iter().enumerate() {
        assert_eq!(given, expected, "row {row}");
    }
    assert_eq!(e.max_in_flight_batches.get(), 3);
    assert_eq!(e.budget.per_day, Budget::AtMost(Credits::new(500)));
    assert_eq!(e.budget.per_month, Budget::Unlimited);
    assert_eq!(config.server.address.to_string(), "127.0.0.1:7878");
    assert_eq!(config.server.webhook_address, None);
    assert_eq!(config.server.token_file.to_str(), Some("./lumina.db.token"));
    assert_eq!(config.database.sqlite_path().unwrap().to_str(), Some("./lumina.db"));
    assert_eq!(config.encryption_key_file, None);
    assert_eq!(config.fullenrich.callback_mode(), CallbackMode::Polling);
    assert!(config.fullenrich.api_key.is_none());
    assert!(config.webhooks.secret.is_none());
    assert!(config.newsletters.is_empty());
    assert_eq!(
        (config.log.filter.as_str(), config.log.format),
        ("info", LogFormat::Text)
    );
    assert_eq!(config.worker.max_in_flight.get(), 256);
}

#[test]
fn defaults_are_those_of_the_crates_that_use_them() {
    let config = Layers::default().load();
    assert_eq!(config.icp, IcpProfile::default());
    assert_eq!(config.addresses, ClassOverrides::default());
    assert_eq!(config.fullenrich.base_url.as_str(), lumina_fullenrich::DEFAULT_BASE_URL);
    assert_eq!(
        config.fullenrich.calls_per_minute,
        lumina_fullenrich::DEFAULT_CALLS_PER_MINUTE
    );
    assert!(config.fullenrich.is_real_provider());
}

#[test]
fn every_setting_is_declared_once_and_explained() {
    let mut paths = BTreeSet::new();
    for key in keys() {
        assert!(paths.insert(key.path), "{} is declared twice", key.path);
        assert!(
            key.summary.ends_with('.') && key.summary.len() > 15,
            "{}: {}",
            key.path,
            key.summary
        );
        assert!(
            !(key.is_secret && key.default.is_some_and(|default| !default.is_empty())),
            "{}",
            key.path
        );
    }
}

/// A date is no setting's value: one that is not refused was not read.
#[test]
fn every_setting_is_read() {
    for key in keys() {
        let path = key.path.replace('*', "beehiiv");
        let refusal = from_file(&format!("{path} = 1979-05-27")).refusal();
        assert!(refusal.contains(&path), "{path}: {refusal}");
    }
}

#[test]
fn every_setting_has_its_environment_variable() {
    let email = ("LUMINA_NEWSLETTERS__BEEHIIV__EMAIL", "/email");
    for key in keys() {
        let path = key.path.replace('*', "beehiiv");
        let name = key.environment_name().replace('*', "BEEHIIV");
        // No text is a value of every type; what is refused was understood as this setting.
        let (_folder, config) = from_environment(&[email, (&name, "{ no = 1979-05-27 }")]).load_from();
        match config {
            Ok(config) => assert_eq!(config.origin(&path).unwrap().to_string(), format!("environment {name}")),
            Err(error) => {
                assert!(
                    error
                        .problems
                        .iter()
                        .any(|problem| problem.key() == Some(path.as_str())),
                    "{name}: {error}"
                );
            }
        }
    }
}
