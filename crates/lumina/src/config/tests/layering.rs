use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;
use crate::config::{CallbackMode, CallbackUrl, Database, LogFormat};

/// (file, environment, flags) -> the value of `enrichment.deadline` and where it is from.
type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
);

#[test]
fn later_layers_win_key_by_key() {
    const FILE: &str = "# ours\n[enrichment]\ndeadline = \"1h\"\n";
    const ENVIRONMENT: &[(&str, &str)] = &[("LUMINA_ENRICHMENT__DEADLINE", "2h")];
    const FLAGS: &[(&str, &str)] = &[("enrichment.deadline", "3h")];
    let rows: [(Row, &str, &str); 6] = [
        (("", &[], &[]), "24h", "default"),
        ((FILE, &[], &[]), "1h", "line 3"),
        (
            (FILE, ENVIRONMENT, &[]),
            "2h",
            "environment LUMINA_ENRICHMENT__DEADLINE",
        ),
        ((FILE, ENVIRONMENT, FLAGS), "3h", "flag"),
        (("", &[], FLAGS), "3h", "flag"),
        ((FILE, &[("LUMINA_ENRICHMENT__DEADLINE", "")], &[]), "1h", "line 3"),
    ];
    for ((file, environment, flags), value, from) in rows {
        let config = Layers {
            file,
            environment,
            flags,
        }
        .load();
        assert_eq!(shown(&config, "enrichment.deadline"), format!("\"{value}\""));
        assert_eq!(origin(&config, "enrichment.deadline"), from);
        assert_eq!(
            config.enrichment.deadline,
            lumina_workflow::parse_duration(value).unwrap()
        );
        assert_eq!(
            config.enrichment.linger,
            Duration::from_secs(2),
            "the others keep their values"
        );
    }
}

#[test]
fn the_names_of_the_old_world_work() {
    let rows = [
        ("DATABASE_URL", "other.db", "database.url", "\"other.db\""),
        ("FULLENRICH_API_KEY", "abc", "fullenrich.api_key", "\"***\""),
        (
            "FULLENRICH_BASE_URL",
            "http://localhost:9/",
            "fullenrich.base_url",
            "\"http://localhost:9/\"",
        ),
        (
            "FULLENRICH_WEBHOOK_URL",
            "https://a.example",
            "fullenrich.webhook_url",
            "\"https://a.example\"",
        ),
        (
            "NEWSLETTER_WEBHOOK_SECRET",
            "sixteen bytes ok",
            "webhooks.secret",
            "\"***\"",
        ),
        ("PORT", "3000", "server.address", "\"127.0.0.1:3000\""),
    ];
    for (name, value, key, expected) in rows {
        let config = from_environment(&[("HOME", "/root"), (name, value)]).load();
        assert_eq!(shown(&config, key), expected, "{name}");
        assert_eq!(origin(&config, key), format!("environment {name}"));
        let config = from_environment(&[(name, "")]).load();
        assert_eq!(origin(&config, key), "default", "an empty {name} is none");
    }
    let all = rows.map(|(name, value, ..)| (name, value));
    let config = from_environment(&all).load();
    assert_eq!(config.fullenrich.api_key.as_ref().unwrap().expose_secret(), "abc");
    assert_eq!(config.fullenrich.base_url.as_str(), "http://localhost:9");
    assert_eq!(
        config.webhooks.secrets().next().unwrap().expose_secret(),
        "sixteen bytes ok"
    );
    assert_eq!(config.server.token_file.to_str(), Some("other.db.token"));
}

#[test]
fn the_port_keeps_the_host_of_the_layers_below() {
    const FILE: &str = "server.address = \"[::1]:80\"";
    const EXACT: (&str, &str) = ("LUMINA_SERVER__ADDRESS", "0.0.0.0:5");
    let rows: [(Row, &str); 5] = [
        (("", &[("PORT", "3000")], &[]), "127.0.0.1:3000"),
        ((FILE, &[("PORT", "3000")], &[]), "[::1]:3000"),
        ((FILE, &[("PORT", "3000"), EXACT], &[]), "0.0.0.0:5"),
        ((FILE, &[EXACT, ("PORT", "3000")], &[]), "0.0.0.0:5"),
        (
            (FILE, &[("PORT", "3000")], &[("server.address", "localhost:0")]),
            "127.0.0.1:0",
        ),
    ];
    for ((file, environment, flags), expected) in rows {
        let config = Layers {
            file,
            environment,
            flags,
        }
        .load();
        assert_eq!(config.server.address.to_string(), expected);
    }
}

#[test]
fn the_exact_name_goes_before_the_old_one() {
    let both = [("LUMINA_DATABASE__URL", "ours.db"), ("DATABASE_URL", "theirs.db")];
    let config = from_environment(&both).load();
    assert_eq!(config.database.sqlite_path().unwrap().to_str(), Some("ours.db"));
}

#[test]
fn text_from_outside_becomes_what_the_setting_is() {
    let rows = [
        ("worker.max_in_flight", "9", "9"),
        ("enrichment.budget.per_day", "700", "700"),
        ("enrichment.budget.per_day", "unlimited", "\"unlimited\""),
        ("enrichment.credit_price", "0.10", "\"0.10\""),
        ("icp.industry.builtin", "false", "false"),
        ("icp.industry.full", "Banking, Retail", "[\"Banking\", \"Retail\"]"),
        ("icp.industry.full", "[\"Travel, Leisure\"]", "[\"Travel, Leisure\"]"),
        ("addresses.personal", "", "[]"),
        (
            "icp.headcount.bands",
            "[{ from = 1, points = 5 }]",
            "[{ from = 1, points = 5 }]",
        ),
        ("fullenrich.extra_signing_keys", "one,two", "[\"***\", \"***\"]"),
        ("newsletters.beehiiv.email", "/data/email", "\"/data/email\""),
        ("server.token_file", "42", "\"42\""),
    ];
    for (key, text, expected) in rows {
        let flags = [(key, text)];
        let config = Layers {
            flags: &flags,
            ..Layers::default()
        }
        .load();
        assert_eq!(shown(&config, key), expected, "{key} = {text}");
    }
    let config = from_environment(&[("LUMINA_FULLENRICH__EXTRA_SIGNING_KEYS", "one,two")]).load();
    let keys: Vec<&str> = config
        .fullenrich
        .extra_signing_keys
        .iter()
        .map(ExposeSecret::expose_secret)
        .collect();
    assert_eq!(keys, ["one", "two"]);
    assert_eq!(config.fullenrich.signing_keys().len(), 2);
}

#[test]
fn databases_are_files() {
    let rows = [
        ("sqlite:./lumina.db", "./lumina.db"),
        ("sqlite:/var/lib/l.db", "/var/lib/l.db"),
        ("sqlite:///var/lib/l.db", "/var/lib/l.db"),
        ("sqlite://l.db", "l.db"),
        ("leads/l.db", "leads/l.db"),
        ("C:\\leads\\l.db", "C:\\leads\\l.db"),
    ];
    for (url, path) in rows {
        let config = from_environment(&[("DATABASE_URL", url)]).load();
        assert_eq!(config.database.sqlite_path().unwrap().to_str(), Some(path), "{url}");
    }
    for url in ["postgres://ann:pw@db/lumina", "postgresql://db/lumina"] {
        let config = from_environment(&[("DATABASE_URL", url)]).load();
        assert!(matches!(&config.database, Database::Postgres { url: kept } if kept.expose_secret() == url));
    }
}

#[test]
fn a_callback_url_without_a_path_gets_the_route() {
    let rows = [
        ("https://a.example", "https://a.example/api/webhooks/enrichment"),
        ("https://a.example/", "https://a.example/api/webhooks/enrichment"),
        (
            "https://a.example:8443/",
            "https://a.example:8443/api/webhooks/enrichment",
        ),
        ("https://a.example/hooks/in", "https://a.example/hooks/in"),
        ("https://a.example/hooks/in/", "https://a.example/hooks/in"),
    ];
    let url_of = |given| {
        let config = from_environment(&[("FULLENRICH_WEBHOOK_URL", given)]).load();
        match config.fullenrich.callback_mode() {
            CallbackMode::Webhook { url } => url,
            CallbackMode::Polling => panic!("{given} is a callback URL"),
        }
    };
    for (given, expected) in rows {
        let url: CallbackUrl = url_of(given);
        assert_eq!(
            (url.batch(), url.contact()),
            (expected, format!("{expected}/contact")),
            "{given}"
        );
    }
}

#[test]
fn a_newsletter_is_put_together_from_its_layers() {
    let file = "[newsletters.beehiiv]\nemail = \"/data/email\"\nname = \"/data/name\"\nheader = \"X-Secret\"\n\
                [newsletters.zine_2]\nemail = \"/email\"\nsource = \"/form\"";
    let environment = [("LUMINA_NEWSLETTERS__BEEHIIV__SECRET", "sixteen bytes ok")];
    let config = Layers {
        file,
        environment: &environment,
        ..Layers::default()
    }
    .load();
    assert_eq!(config.newsletters.keys().collect::<Vec<_>>(), ["beehiiv", "zine_2"]);
    let beehiiv = &config.newsletters["beehiiv"];
    assert_eq!(beehiiv.email.as_str(), "/data/email");
    assert_eq!(beehiiv.name.as_ref().unwrap().as_str(), "/data/name");
    assert_eq!(beehiiv.header.as_ref().unwrap(), "x-secret");
    assert_eq!(beehiiv.secret.as_ref().unwrap().expose_secret(), "sixteen bytes ok");
    assert!(beehiiv.source.is_none());
    assert!(config.newsletters["zine_2"].secret.is_none());
    assert_eq!(origin(&config, "newsletters.zine_2.email"), "line 6");
}

#[test]
fn a_profile_is_read_as_its_crate_reads_it() {
    let profile = "weights = { headcount = 50, industry = 20, seniority = 30 }\n\
                   headcount.bands = [{ from = 1, to = 99, points = 100 }, { from = 100, points = 20 }]\n\
                   headcount.ranges = { \"51-200\" = 90 }\nindustry.points.other = 0\nindustry.builtin = false\n\
                   industry.full = [\"Hospitals and Health Care\"]\nindustry.related = [\"Banking\"]\n\
                   industry.other = [\"Retail\"]\nseniority = { c_level = 1, founder = 2, owner = 3, vp = 4, head = 5, \
                   director = 6, partner = 7, manager = 8, lead = 9, senior = 10, other = 11 }\n";
    let config = from_file(&format!("[icp]\n{profile}")).load();
    assert_eq!(config.icp, toml::from_str(profile).unwrap());
}

#[test]
fn the_file_may_be_absent_unless_it_is_named() {
    let (_folder, path) = missing_file();
    let named = Sources {
        file: ConfigFile::At(path.clone()),
        ..Sources::default()
    };
    let error = Config::load(named).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{} cannot be read: ", path.display())),
        "{error}"
    );
    let unnamed = Sources {
        file: ConfigFile::Nothing,
        ..Sources::default()
    };
    assert_eq!(Config::load(unnamed).unwrap().log.format, LogFormat::Text);
}

#[test]
fn sources_do_not_show_the_environment() {
    let environment = owned(&[("FULLENRICH_API_KEY", "nobody-may-see")]);
    let flags = owned(&[("webhooks.secret", "nobody-may-see")]);
    let sources = Sources {
        environment,
        flags,
        ..Sources::default()
    };
    assert!(!format!("{sources:?}").contains("nobody"));
}
