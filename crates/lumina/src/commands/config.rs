//! `lumina config print`, `lumina config check` and `lumina config new-key`.

use std::fmt::Write;

use lumina_workflow::codec::new_key_line;
use serde_json::json;

use crate::config::{Config, ConfigError, Finding, Origin, Setting, Severity, Shown};

/// All settings as TOML that can be loaded again, each with its origin behind it; or as one JSON object, key by key.
///
/// What a file could not say the same way stands behind a `#`: secrets, which are shown as `***`, settings that are
/// unset, and what follows from other settings.
#[must_use]
pub fn print(config: &Config, json: bool) -> String {
    if json {
        print_json(config.settings())
    } else {
        print_toml(config.settings())
    }
}

fn print_toml(settings: &[Setting]) -> String {
    let mut out = String::new();
    let mut open = "";
    for setting in settings {
        let (table, name) = split(&setting.key);
        if table != open {
            let gap = if open.is_empty() { "" } else { "\n" };
            out.push_str(&format!("{gap}[{table}]\n"));
            open = table;
        }
        out.push_str(&line(name, setting));
        out.push('\n');
    }
    out
}

/// The table that a setting is printed in, and its name there.
fn split(key: &str) -> (&str, &str) {
    let depth = if key.starts_with("newsletters.") { 2 } else { 1 };
    let dot = key.match_indices('.').nth(depth - 1).map(|(at, _)| at);
    dot.map_or(("", key), |at| (&key[..at], &key[at + 1..]))
}

fn line(name: &str, setting: &Setting) -> String {
    let origin = &setting.origin;
    match &setting.shown {
        Shown::Unset => format!("# {name} is not set"),
        Shown::Plain(value) => format!("{name} = {value} # {origin}"),
        Shown::Masked(value) => format!("# {name} = {value} # {origin}"),
        Shown::Derived(value) => format!("# {name} = {value} # {origin}, from other settings"),
    }
}

fn print_json(settings: &[Setting]) -> String {
    let of = |setting: &Setting| {
        json!({
            "value": setting.shown.value(),
            "origin": setting.origin.to_string(),
            "isSet": setting.origin != Origin::Default,
        })
    };
    let all = settings.iter().map(|setting| (setting.key.clone(), of(setting)));
    pretty(&serde_json::Value::Object(all.collect()))
}

/// What [`Config::check`] found, and the exit code: 0 when nothing but warnings was found, else 1.
#[must_use]
pub fn check(config: &Config, json: bool) -> (String, u8) {
    render(&config.check(), json)
}

/// The same for a configuration that cannot even be loaded.
#[must_use]
pub fn check_failed(error: &ConfigError, json: bool) -> (String, u8) {
    let problems = error.problems.iter();
    let findings = problems.map(|problem| Finding {
        severity: Severity::Error,
        key: problem.key().unwrap_or_default().to_owned(),
        message: problem.to_string(),
    });
    let findings: Vec<Finding> = findings.collect();
    if json {
        render(&findings, true)
    } else {
        (
            lines(findings.iter().map(|f| format!("{}: {}", f.severity, f.message))),
            1,
        )
    }
}

fn render(findings: &[Finding], json: bool) -> (String, u8) {
    let is_sound = findings.iter().all(|finding| finding.severity != Severity::Error);
    let text = if json {
        render_json(findings, is_sound)
    } else if findings.is_empty() {
        "The configuration is sound.\n".to_owned()
    } else {
        lines(findings.iter().map(Finding::to_string))
    };
    (text, if is_sound { 0 } else { 1 })
}

fn render_json(findings: &[Finding], is_sound: bool) -> String {
    let of = |finding: &Finding| {
        let Finding { severity, key, message } = finding;
        json!({ "severity": severity.to_string(), "key": key, "message": message })
    };
    pretty(&json!({ "ok": is_sound, "findings": findings.iter().map(of).collect::<Vec<_>>() }))
}

fn lines(all: impl Iterator<Item = String>) -> String {
    all.fold(String::new(), |mut out, line| {
        writeln!(out, "{line}").expect("a string takes everything");
        out
    })
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// What is done with the configuration.
#[derive(clap::Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(clap::Subcommand)]
enum ConfigCommand {
    /// Says what is wrong or risky; exit code 1 when something is wrong.
    Check,
    /// Prints every setting with where it comes from; secrets are hidden.
    Print,
    /// Prints a line for the file of database.encryption_key_file: an id and a new random key.
    NewKey {
        /// What the key is called; every value that it encrypts names it. The day or year serves well.
        id: String,
    },
}

pub(super) fn run(global: &super::Global, args: &ConfigArgs) -> anyhow::Result<std::process::ExitCode> {
    let (text, code) = match &args.command {
        ConfigCommand::Print => of_config(global, |config| (print(config, global.json), 0))?,
        ConfigCommand::Check => of_config(global, |config| check(config, global.json))?,
        ConfigCommand::NewKey { id } => (new_key_line(id)?.to_string(), 0),
    };
    super::output::print_line(text.trim_end())?;
    Ok(code.into())
}

/// What is said of the configuration, or of why there is none.
fn of_config(global: &super::Global, say: impl Fn(&Config) -> (String, u8)) -> anyhow::Result<(String, u8)> {
    Ok(match Config::load(super::sources(global)?) {
        Ok(config) => say(&config),
        Err(error) => check_failed(&error, global.json),
    })
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{ConfigFile, Sources};

    const SECRETS: [&str; 5] = [
        "the-api-key-nobody-may-see",
        "an-old-key-nobody-may-see",
        "webhook-secret-nobody-may-see",
        "beehiiv-secret-nobody-may-see",
        "database-password-nobody-may-see",
    ];

    const FILE: &str = r#"
[enrichment]
deadline = "90m"
budget.per_day = "unlimited"
poll = { first = "20m" }
credit_price = 0.05

[fullenrich]
api_key = "the-api-key-nobody-may-see"
extra_signing_keys = ["an-old-key-nobody-may-see"]
webhook_url = "https://leads.example.com"

[icp]
weights = { headcount = 50, industry = 20, seniority = 30 }
headcount.bands = [{ from = 1, to = 99, points = 100 }, { from = 100, points = 20 }]
headcount.ranges = { "10001+" = 5, "51-200" = 90 }
industry.full = ["Hospitals and \"Health\" Care"]
seniority.manager = 60

[addresses]
corporate = ["example.de"]

[newsletters.beehiiv]
email = "/data/email"
secret = "beehiiv-secret-nobody-may-see"
header = "X-Secret"

[newsletters.zine]
email = "/a~1b/0"
"#;

    fn environment() -> Vec<(String, String)> {
        let all = [
            ("PORT", "8080"),
            ("NEWSLETTER_WEBHOOK_SECRET", "webhook-secret-nobody-may-see"),
            ("LUMINA_WORKER__MAX_IN_FLIGHT", "7"),
            ("LUMINA_ADDRESSES__PERSONAL", "isp.example, other.example"),
            ("LUMINA_SERVER__TOKEN_FILE", "a \"quoted\" path\twith\na break"),
            (
                "DATABASE_URL",
                "postgres://ann:database-password-nobody-may-see@db.internal/lumina",
            ),
        ];
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn write(folder: &Path, text: &str) -> PathBuf {
        let path = folder.join("lumina.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn load(file: PathBuf, environment: Vec<(String, String)>) -> Config {
        Config::load(Sources {
            file: ConfigFile::At(file),
            environment,
            flags: Vec::new(),
        })
        .unwrap()
    }

    fn full(folder: &Path) -> Config {
        load(write(folder, FILE), environment())
    }

    #[test]
    fn every_value_is_printed_with_its_origin() {
        let folder = tempfile::tempdir().unwrap();
        let printed = print(&full(folder.path()), false);
        let file = folder.path().join("lumina.toml");
        let line_of = |line: usize| format!("{}:{line}", file.display());
        let rows = [
            ("[enrichment]", String::new()),
            ("deadline = \"90m\" # ", line_of(3)),
            ("budget.per_day = \"unlimited\" # ", line_of(4)),
            ("poll.first = \"20m\" # ", line_of(5)),
            ("poll.every = \"15m\" # default", String::new()),
            ("address = \"127.0.0.1:8080\" # environment PORT", String::new()),
            (
                "max_in_flight = 7 # environment LUMINA_WORKER__MAX_IN_FLIGHT",
                String::new(),
            ),
            ("# api_key = \"***\" # ", line_of(9)),
            ("# extra_signing_keys = [\"***\"] # ", line_of(10)),
            (
                "# secret = \"***\" # environment NEWSLETTER_WEBHOOK_SECRET",
                String::new(),
            ),
            (
                "# url = \"postgres://***@db.internal/lumina\" # environment DATABASE_URL",
                String::new(),
            ),
            ("# webhook_address is not set", String::new()),
            ("[newsletters.beehiiv]", String::new()),
            ("email = \"/a~1b/0\" # ", line_of(29)),
        ];
        for (start, end) in rows {
            let line = format!("{start}{end}");
            assert!(
                printed.lines().any(|printed| printed == line),
                "{line}\nis not in\n{printed}"
            );
        }
    }

    #[test]
    fn what_is_printed_can_be_loaded_again() {
        let folder = tempfile::tempdir().unwrap();
        let empty = load(write(folder.path(), ""), Vec::new());
        for config in [empty, full(folder.path())] {
            let printed = print(&config, false);
            let again = load(write(folder.path(), &printed), Vec::new());
            let shown = |config: &Config, key: &str| {
                let mut settings = config.settings().iter();
                settings
                    .find(|setting| setting.key == key)
                    .map(|setting| setting.shown.clone())
            };
            for setting in config
                .settings()
                .iter()
                .filter(|setting| matches!(setting.shown, Shown::Plain(_)))
            {
                assert_eq!(
                    shown(&again, &setting.key).as_ref(),
                    Some(&setting.shown),
                    "{}",
                    setting.key
                );
            }
            assert_eq!(again.icp, config.icp);
            assert_eq!(again.enrichment, config.enrichment);
            assert_eq!(again.addresses, config.addresses);
        }
    }

    #[test]
    fn no_rendering_shows_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let config = full(folder.path());
        let renderings = [
            print(&config, false),
            print(&config, true),
            check(&config, false).0,
            check(&config, true).0,
            format!("{config:?}"),
            format!("{config:#?}"),
            format!("{:?}", config.settings()),
        ];
        for (secret, rendering) in SECRETS.iter().flat_map(|s| renderings.iter().map(move |r| (s, r))) {
            assert!(!rendering.contains(secret), "{secret} is in\n{rendering}");
        }
    }

    #[test]
    fn json_says_value_and_origin_of_each_key() {
        let folder = tempfile::tempdir().unwrap();
        let printed: serde_json::Value = serde_json::from_str(&print(&full(folder.path()), true)).unwrap();
        let rows = [
            (
                "enrichment.linger",
                json!({"value": "2s", "origin": "default", "isSet": false}),
            ),
            (
                "server.address",
                json!({"value": "127.0.0.1:8080", "origin": "environment PORT", "isSet": true}),
            ),
            (
                "server.webhook_address",
                json!({"value": null, "origin": "default", "isSet": false}),
            ),
            (
                "webhooks.secret",
                json!({"value": "***", "origin": "environment NEWSLETTER_WEBHOOK_SECRET", "isSet": true}),
            ),
        ];
        for (key, expected) in rows {
            assert_eq!(printed[key], expected, "{key}");
        }
    }

    #[test]
    fn the_exit_code_tells_errors_from_warnings() {
        let folder = tempfile::tempdir().unwrap();
        const SECRET: (&str, &str) = ("NEWSLETTER_WEBHOOK_SECRET", "sixteen-bytes-or-more");
        type Row = (&'static [(&'static str, &'static str)], u8, &'static str);
        let rows: [Row; 3] = [
            (&[], 1, "error: fullenrich.api_key: no API key"),
            (
                &[("FULLENRICH_API_KEY", "k")],
                0,
                "warning: webhooks.secret: no webhook secret",
            ),
            (&[("FULLENRICH_API_KEY", "k"), SECRET], 0, "The configuration is sound."),
        ];
        for (environment, code, start) in rows {
            let environment = environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let config = load(write(folder.path(), ""), environment.collect());
            let (text, exit) = check(&config, false);
            assert!(text.starts_with(start), "{text}");
            assert_eq!(exit, code, "{text}");
            let json: serde_json::Value = serde_json::from_str(&check(&config, true).0).unwrap();
            assert_eq!(json["ok"], json!(code == 0));
        }
    }

    #[test]
    fn a_configuration_that_cannot_be_loaded_is_a_finding_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), "enrichment.deadlin = \"1h\"\nlog.format = \"xml\"");
        let sources = Sources {
            file: ConfigFile::At(file),
            ..Sources::default()
        };
        let error = Config::load(sources).unwrap_err();
        let (text, exit) = check_failed(&error, false);
        assert_eq!((text.lines().count(), exit), (2, 1), "{text}");
        assert!(text.starts_with("error: enrichment.deadlin ("), "{text}");
        let (text, exit) = check_failed(&error, true);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(exit, 1);
        assert_eq!(json["findings"][1]["key"], "log.format");
    }
}
