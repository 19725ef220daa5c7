use super::*;

#[test]
fn unknown_keys_name_the_nearest_and_their_place() {
    let in_file = [
        (
            "[enrichment]\n\nbugdet.per_day = 5",
            "enrichment.bugdet.per_day (lumina.toml:3) is no setting; the nearest one is enrichment.budget.per_day",
        ),
        (
            "[databse]\nurl = \"x\"",
            "databse.url (lumina.toml:2) is no setting; the nearest one is database.url",
        ),
        (
            "database.encryption_keyfile = \"x\"",
            "database.encryption_keyfile (lumina.toml:1) is no setting; the nearest one is \
             database.encryption_key_file",
        ),
        (
            "log.fromat = \"json\"",
            "log.fromat (lumina.toml:1) is no setting; the nearest one is log.format",
        ),
        (
            "dedline = \"1h\"",
            "dedline (lumina.toml:1) is no setting; the nearest one is ",
        ),
        (
            "enrichment.per_day = 5",
            "enrichment.per_day (lumina.toml:1) is no setting; the nearest one is enrichment.budget.per_day",
        ),
        (
            "newsletters.beehiiv.mail = \"/a\"",
            "newsletters.beehiiv.mail (lumina.toml:1) is no setting; the nearest one is newsletters.beehiiv.email",
        ),
        (
            "\n[icp]\nseniority.ceo = 5",
            "icp.seniority.ceo (lumina.toml:3) is no setting; the nearest one is icp.seniority.",
        ),
        (
            "[serer]",
            "serer (lumina.toml:1) is no setting; the nearest one is server.",
        ),
        ("enrichment.per_dya = 5", "the nearest one is enrichment.budget.per_day"),
        ("log.name = 5", "the nearest one is log."),
        (
            "enrichment = 5",
            "enrichment (lumina.toml:1) is a section and takes no value; the nearest setting in it is enrichment.",
        ),
    ];
    for (file, expected) in in_file {
        let refusal = from_file(file).refusal();
        assert!(refusal.contains(expected), "{refusal}\nhas no\n{expected}");
    }
    let elsewhere = [
        (
            from_environment(&[("LUMINA_ENRICHMENT__BUDGET__PERDAY", "5")]).refusal(),
            "LUMINA_ENRICHMENT__BUDGET__PERDAY (environment LUMINA_ENRICHMENT__BUDGET__PERDAY) is no setting; the \
             nearest one is LUMINA_ENRICHMENT__BUDGET__PER_DAY",
        ),
        (
            from_environment(&[("LUMINA_DATABASE_URL", "x")]).refusal(),
            "LUMINA_DATABASE_URL (environment LUMINA_DATABASE_URL) is no setting; the nearest one is \
             LUMINA_DATABASE__URL",
        ),
        (
            Layers {
                flags: &[("server.adress", "x")],
                ..Layers::default()
            }
            .refusal(),
            "server.adress (flag) is no setting; the nearest one is server.address",
        ),
    ];
    for (refusal, expected) in elsewhere {
        assert_eq!(refusal, expected);
    }
}

#[test]
fn a_wrong_value_names_its_key_its_place_and_what_to_write() {
    let rows = [
        (
            "enrichment.deadline = \"soon\"",
            "= \"soon\" (lumina.toml:1): `soon` is not a duration: write a number",
        ),
        (
            "enrichment.deadline = 24",
            "= 24 (lumina.toml:1): write a duration in quotes, such as \"24h\"",
        ),
        ("enrichment.deadline = \"0s\"", "write at least 1s"),
        ("enrichment.deadline = \"99999d\"", "write at most 3650d"),
        ("enrichment.sweep = \"99ms\"", "write at least 100ms"),
        ("enrichment.budget.per_day = \"a lot\"", "such as 500, or \"unlimited\""),
        ("enrichment.budget.per_day = -1", "such as 500, or \"unlimited\""),
        (
            "enrichment.budget.per_day = 1.5",
            "or \"unlimited\"; this is a decimal number",
        ),
        (
            "enrichment.max_in_flight_batches = 0",
            "write a whole number from 1 to 100",
        ),
        (
            "enrichment.max_in_flight_batches = \"3\"",
            "write a whole number without quotes; this is text",
        ),
        (
            "enrichment.max_in_flight_batches = 5000000000",
            "write a whole number from 0 to 4294967295",
        ),
        (
            "enrichment.credit_price = \"cheap\"",
            "\"cheap\" is no price of a credit",
        ),
        ("enrichment.credit_price = true", "a price such as 0.055"),
        ("worker.max_in_flight = 0", "write a whole number from 1 to 10000"),
        (
            "fullenrich.calls_per_minute = 0",
            "write a whole number from 1 to 100000",
        ),
        (
            "fullenrich.connect_timeout = \"50s\"",
            "not longer than fullenrich.timeout",
        ),
        ("fullenrich.base_url = \"app.fullenrich.com\"", "write a full URL"),
        ("fullenrich.base_url = \"ftp://x/y\"", "write a full URL"),
        (
            "fullenrich.base_url = \"https://x/?a=b\"",
            "leave out what begins with ? or #",
        ),
        ("fullenrich.webhook_url = \"/api\"", "write a full URL"),
        (
            "fullenrich.webhook_url = \"https://a.example/#x\"",
            "leave out what begins with ? or #",
        ),
        ("server.address = \"7878\"", "write an IP address and a port in quotes"),
        ("server.address = 7878", "write an IP address and a port in quotes"),
        (
            "server.webhook_address = \"127.0.0.1:7878\"",
            "give it another port than server.address",
        ),
        ("server.token_file = \"\"", "write a path; this is empty"),
        ("database.encryption_key_file = \"\"", "write a path; this is empty"),
        ("database.url = \"mysql://x\"", "write `sqlite:PATH`"),
        ("database.url = \"sqlite::memory:\"", "would lose what was paid for"),
        ("database.url = \":memory:\"", "would lose what was paid for"),
        ("database.url = \"sqlite:a.db?mode=ro\"", "leave out what begins with ?"),
        ("database.url = \"sqlite:\"", "write the path of a file"),
        ("log.format = \"xml\"", "write \"text\" or \"json\""),
        ("log.filter = \"lumina=loud\"", "write a level, such as info"),
        ("icp.weights.headcount = 300", "write a whole number from 0 to 255"),
        ("icp.industry.builtin = 1", "write true or false; this is a number"),
        (
            "icp.headcount.bands = [{ form = 1, points = 2 }]",
            "entry 1 of the list: unknown field `form`",
        ),
        ("icp.headcount.bands = [3]", "entry 1 of the list: write a band"),
        (
            "icp.headcount.ranges.\"1-10\" = \"x\"",
            "\"1-10\": write a whole number",
        ),
        ("addresses.personal = \"a.example\"", "write a list"),
        (
            "addresses.personal = [\"a.example\", 5]",
            "entry 2 of the list: write text in quotes; this is a number",
        ),
        ("retention.raw = \"-1d\"", "is not a duration"),
        ("newsletters.zine.email = \"email\"", "write a JSON pointer"),
        ("newsletters.zine.email = \"/a~2\"", "write a JSON pointer"),
        ("newsletters.Zine.email = \"/a\"", "name the source with small letters"),
        (
            "newsletters.zine = { email = \"/a\", header = \"a b\" }",
            "write the name of a header",
        ),
        (
            "webhooks.previous_secret = \"sixteen bytes ok\"",
            "set webhooks.secret too",
        ),
    ];
    for (file, expected) in rows {
        let refusal = from_file(file).refusal();
        let key = file.split([' ', '"']).next().unwrap().trim_end_matches('.');
        assert!(refusal.starts_with(key), "{refusal}\nis not about\n{key}");
        assert!(refusal.contains(expected), "{refusal}\nhas no\n{expected}");
        assert!(!refusal.contains('\n'), "one mistake is one sentence: {refusal}");
    }
    let refusal = from_file("newsletters.zine.secret = \"sixteen bytes ok\"").refusal();
    assert!(
        refusal.starts_with("newsletters.zine.email (default): not set; write where"),
        "{refusal}"
    );
}

#[test]
fn a_wrong_value_names_the_layer_it_is_from() {
    let rows = [
        (
            from_environment(&[("LUMINA_WORKER__MAX_IN_FLIGHT", "many")]).refusal(),
            "worker.max_in_flight = \"many\" (environment LUMINA_WORKER__MAX_IN_FLIGHT): write a whole number",
        ),
        (
            from_environment(&[("PORT", "eighty")]).refusal(),
            "server.address = \"127.0.0.1:eighty\" (environment PORT): write an IP address and a port",
        ),
        (
            from_environment(&[("PORT", "99999")]).refusal(),
            "server.address = \"127.0.0.1:99999\" (environment PORT): write an IP address and a port",
        ),
        (
            Layers {
                flags: &[("enrichment.linger", "x")],
                ..Layers::default()
            }
            .refusal(),
            "enrichment.linger = \"x\" (flag): `x` is not a duration",
        ),
    ];
    for (refusal, expected) in rows {
        assert!(
            refusal.starts_with(expected),
            "{refusal}\ndoes not begin with\n{expected}"
        );
    }
}

#[test]
fn the_real_provider_is_not_polled_too_often() {
    let keys = [
        "enrichment.poll.without_webhook",
        "enrichment.poll.first",
        "enrichment.poll.every",
    ];
    let rows = [
        ("https://app.fullenrich.com/api/v2", "4m", false),
        ("https://APP.FullEnrich.com./api/v2", "299s", false),
        ("https://app.fullenrich.com/api/v2", "5m", true),
        ("http://127.0.0.1:9/", "100ms", true),
        ("http://sandbox.internal", "1s", true),
        ("https://notfullenrich.com", "1s", true),
    ];
    for (key, (url, every, is_allowed)) in keys.iter().flat_map(|key| rows.iter().map(move |row| (key, *row))) {
        let flags = [("fullenrich.base_url", url), (*key, every)];
        let (_folder, config) = Layers {
            flags: &flags,
            ..Layers::default()
        }
        .load_from();
        assert_eq!(config.is_ok(), is_allowed, "{key} = {every} at {url}");
        if let Err(error) = config {
            assert!(
                error.to_string().starts_with(&format!("{key} = \"{every}\" (flag): ")),
                "{error}"
            );
        }
    }
}

#[test]
fn secrets_must_be_worth_the_name_and_are_never_repeated() {
    let rows = [
        (
            "webhooks.secret",
            "fifteen-bytes-x",
            "it has 15 bytes; give at least 16",
        ),
        (
            "newsletters.zine.secret",
            "fifteen-bytes-x",
            "it has 15 bytes; give at least 16",
        ),
        (
            "webhooks.secret",
            "a-copied-line-with-a-break\n",
            "begins or ends with a blank or a line break",
        ),
        (
            "fullenrich.api_key",
            " nobody-may-see",
            "begins or ends with a blank or a line break",
        ),
        ("fullenrich.api_key", "***", "write the secret itself"),
        ("fullenrich.api_key", "", "it has 0 bytes; give at least 1"),
        (
            "fullenrich.extra_signing_keys",
            "nobody-may-see,***",
            "entry 2 of the list: *** is what is shown",
        ),
    ];
    for (key, secret, expected) in rows {
        let flags = [("newsletters.zine.email", "/email"), (key, secret)];
        let refusal = Layers {
            flags: &flags,
            ..Layers::default()
        }
        .refusal();
        assert!(refusal.starts_with(&format!("{key} (flag): ")), "{refusal}");
        assert!(refusal.contains(expected), "{refusal}");
        assert!(
            secret == "***" || secret.is_empty() || !refusal.contains(secret.trim()),
            "{refusal}"
        );
    }
}

#[test]
fn no_mistake_beside_a_secret_shows_it() {
    let files = [
        "fullenrich.api_key = nobody-may-see",
        "fullenrich.api_key = \"nobody-may-see",
        "fullenrich.api_key = \"a\"\nfullenrich.api_key = \"nobody-may-see\"",
        "fullenrich.api_kye = \"nobody-may-see\"",
        "fullenrich.api_key = [\"nobody-may-see\"]",
        "webhooks.secret = { value = \"nobody-may-see\" }",
        "fullenrich.base_url = \"https://ann:nobody-may-see@host\"",
        "database.url = \"postgre://ann:nobody-may-see@host/db\"",
        "database.url = [\"postgres://ann:nobody-may-see@host/db?password=nobody-may-see\"]",
    ];
    for file in files {
        let refusal = from_file(file).refusal();
        assert!(!refusal.contains("nobody"), "{refusal}");
        assert!(!refusal.contains("may-see"), "{refusal}");
    }
}

#[test]
fn a_file_that_is_no_toml_names_the_line() {
    let rows = [
        (
            "[log]\nformat = \"json\"\nfilter =\n",
            "lumina.toml:3 is no valid TOML: ",
        ),
        ("[log]\n[log]\n", "lumina.toml:2 is no valid TOML: "),
    ];
    for (file, expected) in rows {
        let refusal = from_file(file).refusal();
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

#[test]
fn all_mistakes_are_said_at_once() {
    let refusal = from_file("log.format = \"xml\"\nlgo.filter = \"x\"\nretention.raw = 5").refusal();
    let lines: Vec<&str> = refusal.lines().collect();
    assert_eq!(lines[0], "the configuration has 3 mistakes:", "{refusal}");
    let starts = [
        "- lgo.filter (lumina.toml:2)",
        "- retention.raw = 5 (lumina.toml:3)",
        "- log.format = \"xml\"",
    ];
    for (line, start) in lines[1..].iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
}
