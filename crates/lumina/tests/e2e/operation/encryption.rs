//! Payloads encrypted with a key file: switched on, keys replaced, and what is said without the key.

use crate::support::{FAST, Place, World};

/// Puts a new key above those that the file has.
fn add_key(place: &mut Place, id: &str) {
    let made = place.run(&["config", "new-key", id]);
    let older = std::fs::read_to_string(place.path("lumina.keys")).unwrap_or_default();
    let path = place.write("lumina.keys", format!("{}{older}", made.ok()));
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    #[cfg(not(unix))]
    let _ = path;
    place.set("database.encryption_key_file", "lumina.keys");
}

/// How many payloads are under each key; those that are plain under an empty one.
fn payloads_by_key(place: &Place) -> Vec<(String, u64)> {
    const SQL: &str = "WITH payload AS (SELECT input AS text FROM workflow_run UNION ALL \
         SELECT output FROM workflow_run UNION ALL SELECT payload FROM workflow_record UNION ALL \
         SELECT payload FROM workflow_inbox UNION ALL SELECT payload FROM workflow_unrouted UNION ALL \
         SELECT payload FROM workflow_applied) \
         SELECT CASE WHEN text LIKE '\"encoded:%' THEN substr(text, 10, instr(substr(text, 10), ':') - 1) ELSE '' END, \
         count(*) FROM payload WHERE text IS NOT NULL GROUP BY 1 ORDER BY 1";
    place.database().rows(SQL, |row| Ok((row.get(0)?, row.get(1)?)))
}

#[test]
fn a_list_is_enriched_while_encryption_comes_and_keys_change() {
    let mut world = World::start(FAST);
    let mut plain = 0;
    for (number, key) in (0..).zip(["", "one", "two"]) {
        if !key.is_empty() {
            add_key(&mut world.place, key);
        }
        let server = world.place.serve();
        world.import(number * 5..(number + 1) * 5);
        world.wait_until_settled();
        let shown = world.place.run(&["workflows", "list", "--json"]).ok().to_owned();
        assert!(!shown.contains("encoded:"), "{shown}");
        server.stop();
        let counts = payloads_by_key(&world.place);
        let keys: Vec<&str> = counts.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, &["", "one", "two"][..=number as usize]);
        assert!(
            number == 0 || counts[0].1 == plain,
            "nothing plain is added: {counts:?}"
        );
        plain = counts[0].1;
    }
    world.assert_truth(15);

    world.place.set("database.encryption_key_file", "");
    let said = "is encoded with the key `two`, and no key file is configured: set database.encryption_key_file to the \
                file that has this key";
    for command in [
        &["serve"][..],
        &["worker"],
        &["import", "people.csv", "--yes"],
        &["workflows", "list"],
    ] {
        world.place.run(command).assert_failed(said);
    }
    // The application's own tables are not encrypted.
    assert!(world.place.run(&["leads", "--json"]).ok().contains("@gmail.com"));
}

#[test]
fn a_key_file_that_cannot_be_used_is_named() {
    let mut place = Place::for_provider(([127, 0, 0, 1], 9).into());
    place.set("database.encryption_key_file", "lumina.keys");
    let commands: [&[&str]; 4] = [&["serve"], &["worker"], &["leads"], &["enrich", "--yes"]];
    for (content, told) in [
        (
            None,
            "database.encryption_key_file: the key file lumina.keys cannot be read",
        ),
        (Some("a key"), "the key `a` is not 32 bytes as base64 or hex"),
    ] {
        if let Some(content) = content {
            let path = place.write("lumina.keys", content);
            #[cfg(unix)]
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            #[cfg(not(unix))]
            let _ = path;
        }
        for command in commands {
            place.run(command).assert_failed(told);
        }
        let checked = place.run(&["config", "check"]);
        assert_eq!(checked.code, Some(1));
        assert!(
            checked.out.contains("error: database.encryption_key_file: "),
            "{checked:?}"
        );
    }
    assert!(
        !place.path("lumina.db").exists(),
        "no database is made without its keys"
    );
    place
        .run(&["config", "new-key", "a b"])
        .assert_failed("`a b` cannot be the id of a key");
}
