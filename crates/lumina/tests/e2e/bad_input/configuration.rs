//! Settings, keys and addresses.

use std::net::TcpListener;

use crate::support::{Place, get};

fn start() -> Place {
    Place::for_provider(([127, 0, 0, 1], 9).into())
}

#[test]
fn without_a_key_nothing_is_executed_and_everything_else_works() {
    let mut place = start();
    place.unset_variable("FULLENRICH_API_KEY");
    for command in ["serve", "worker"] {
        let failed = place.run(&[command]);
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(failed.err.contains("FULLENRICH_API_KEY"), "{failed:?}");
        assert_eq!(failed.err.lines().count(), 1, "one sentence: {failed:?}");
    }
    place.write_people("people.csv", 0..3);
    place.run(&["import", "people.csv", "--no-enrich"]).ok();
    assert_eq!(place.run(&["metrics", "--json"]).json()["totalSubscribers"], 3);
    place.run(&["leads"]).ok();
}

#[test]
fn an_address_that_is_taken_is_named() {
    let place = start();
    let taken = TcpListener::bind(place.address()).unwrap();
    let told = format!(
        "cannot listen on {}; choose another address (server.address, PORT)",
        place.address()
    );
    place.run(&["serve"]).assert_failed(&told);
    drop(taken);
    let server = place.serve();
    assert_eq!(server.call_openly(&get("/healthz")).status, 200);
}

#[test]
fn an_unknown_setting_is_named_with_the_nearest_one() {
    let place = start();
    let nearest = "the nearest one is enrichment.deadline";
    place
        .run(&["leads", "--set", "enrichment.dedline=3h"])
        .assert_failed(nearest);
    place.run(&["config", "check", "--set", "enrichment.dedline=3h"]);
    place.write("lumina.toml", "[enrichment]\ndedline = \"3h\"\n");
    let failed = place.run(&["leads"]);
    failed.assert_failed(nearest);
    assert!(failed.err.contains("lumina.toml"), "{failed:?}");
    for arguments in [&["config", "check"][..], &["config", "check", "--json"][..]] {
        let checked = place.run(arguments);
        assert_eq!(checked.code, Some(1), "{checked:?}");
        assert!(
            format!("{}{}", checked.out, checked.err).contains(nearest),
            "{checked:?}"
        );
    }
    let mut variable = start();
    variable.set_variable("LUMINA_ENRICHMENT__DEDLINE", "3h");
    variable
        .run(&["leads"])
        .assert_failed("the nearest one is LUMINA_ENRICHMENT__DEADLINE");
}

#[test]
fn a_bad_value_is_named_with_what_it_must_be() {
    let place = start();
    for (setting, told) in [
        ("enrichment.deadline=soon", "enrichment.deadline"),
        (
            "enrichment.budget.per_day=lots",
            "a whole number of credits, such as 500, or \"unlimited\"",
        ),
        ("server.address=here", "server.address"),
        ("fullenrich.base_url=somewhere", "fullenrich.base_url"),
        ("deadline", "write KEY=VALUE"),
    ] {
        place.run(&["leads", "--set", setting]).assert_failed(told);
    }
    place.write("lumina.toml", "[enrichment\ndeadline = \"3h\"\n");
    place.run(&["leads"]).assert_failed("lumina.toml:1 is no valid TOML");
    place
        .run(&["leads", "--config", "other.toml"])
        .assert_failed("other.toml cannot be read");
}

#[test]
fn a_configuration_is_checked_and_printed() {
    let mut place = start();
    place.set("enrichment.deadline", "12h");
    let checked = place.run(&["config", "check", "--json"]).json();
    assert_eq!(checked["ok"], true, "{checked}");
    let printed = place.run(&["config", "print"]);
    assert!(printed.ok().contains("deadline = \"12h\""), "{}", printed.out);
    assert!(!printed.out.contains("sandbox-key-not-real"), "no secret is shown");
    // What was printed is a configuration.
    place.write("printed.toml", &printed.out);
    let again = place
        .run(&["config", "print", "--config", "printed.toml", "--json"])
        .json();
    assert_eq!(again["enrichment.deadline"]["value"], "12h", "{again}");
}

#[test]
fn a_wrong_command_line_is_a_matter_of_usage() {
    let place = start();
    let rows: [&[&str]; 6] = [
        &[],
        &["leeds"],
        &["import"],
        &["leads", "--min-score", "101"],
        &["jobs", "list", "--status", "lost"],
        &["workflows", "show", "no-id"],
    ];
    for arguments in rows {
        let failed = place.run(arguments);
        assert_eq!(
            (failed.code, failed.out.as_str()),
            (Some(2), ""),
            "{arguments:?}: {failed:?}"
        );
        assert!(!failed.err.is_empty() && !failed.err.contains("panicked"), "{failed:?}");
    }
    assert_eq!(place.run(&["--help"]).code, Some(0));
    assert!(place.run(&["--version"]).ok().starts_with("lumina "));
}

#[cfg(unix)]
#[test]
fn a_token_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let place = start();
    let file = place.write("lumina.db.token", "0".repeat(64));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let failed = place.run(&["serve"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.err.contains("chmod 600"), "{failed:?}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    place.serve().stop();
}
