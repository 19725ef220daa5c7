//! Files of subscribers.

use crate::support::{FAST, Place, World};

/// A place in which nothing is bought.
fn start() -> Place {
    Place::for_provider(([127, 0, 0, 1], 9).into())
}

#[test]
fn a_file_that_is_none_is_refused_in_a_sentence() {
    let place = start();
    // The beginning of every .xlsx file: a zip with this in it.
    let workbook = [
        &b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00"[..],
        b"[Content_Types].xml",
        &[0; 64],
    ]
    .concat();
    place.write("list.xlsx", &workbook);
    place.write("renamed.csv", &workbook);
    place.write("empty.csv", "\n  \n");
    place.write("odd.csv", "name,city\nAnna,Berlin\nBert,Bonn\n");
    place.write("picture.csv", [0x89, b'P', b'N', b'G', 0, 1, 2, 3, 0, 0, 0, 255]);
    std::fs::create_dir(place.path("folder.csv")).unwrap();
    let rows = [
        ("missing.csv", "missing.csv cannot be opened"),
        ("list.xlsx", "CSV"),
        ("renamed.csv", "CSV"),
        ("empty.csv", "the file is empty"),
        (
            "odd.csv",
            "no column holds e-mail addresses (columns: \"name\", \"city\"); name the column \"email\"",
        ),
        ("picture.csv", "picture.csv cannot be imported"),
        ("folder.csv", "folder.csv cannot be imported"),
    ];
    for (file, told) in rows {
        for more in [
            &["--no-enrich"][..],
            &["--yes"][..],
            &["--strict", "--json", "--yes"][..],
        ] {
            let failed = place.run(&[&["import", file], more].concat());
            failed.assert_failed(told);
            assert_eq!(failed.out, "", "{file}");
        }
    }
    assert_eq!(place.database().count("subscriber"), 0);
}

#[test]
fn bad_rows_are_listed_and_cost_nothing_else() {
    let place = start();
    let list = "email,name\nanna@gmail.com,Anna\nnobody,Bert\ncarla@@gmail.com,Carla\n,Dora\nemil@web.de,Emil\n";
    place.write("list.csv", list);
    let told = place.run(&["import", "list.csv", "--no-enrich", "--json"]).json();
    assert_eq!(
        (&told["totalRows"], &told["newSubscribers"]),
        (&5.into(), &2.into()),
        "{told}"
    );
    let errors = told["errors"].as_array().unwrap();
    let lines: Vec<u64> = errors.iter().map(|error| error["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 4, 5]);
    assert!(
        errors
            .iter()
            .all(|error| error["message"].as_str().is_some_and(|told| !told.is_empty())),
        "{told}"
    );

    place.write("again.csv", list.replace("gmail", "gmx"));
    let strict = place.run(&["import", "again.csv", "--no-enrich", "--json", "--strict"]);
    assert_eq!(strict.code, Some(1), "bad rows are a failure to who wants them to be");
    let told: serde_json::Value = serde_json::from_str(&strict.out).unwrap();
    assert_eq!(
        (&told["newSubscribers"], &told["duplicatesSkipped"]),
        (&1.into(), &1.into())
    );
    place.write("good.csv", "email\nanna@gmail.com\n");
    place.run(&["import", "good.csv", "--no-enrich", "--strict"]).ok();
    let table = place.run(&["import", "list.csv", "--no-enrich"]);
    assert!(
        table.ok().contains("errors               3") && table.err.contains("line 3: "),
        "{table:?}"
    );
}

#[test]
fn of_many_bad_rows_a_thousand_are_listed_and_the_others_counted() {
    let place = start();
    let rows: String = (0..1_500).map(|number| format!("nonsense {number},x\n")).collect();
    place.write("list.csv", format!("email,name\nanna@gmail.com,Anna\n{rows}"));
    let told = place.run(&["import", "list.csv", "--no-enrich", "--json"]).json();
    let errors = told["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1_001);
    assert_eq!(errors[1_000]["code"], "MORE");
    assert!(
        errors[1_000]["message"].as_str().unwrap().starts_with("500 more rows"),
        "{}",
        errors[1_000]
    );
    assert_eq!(
        (&told["totalRows"], &told["newSubscribers"]),
        (&1_501.into(), &1.into())
    );
}

/// Text in other encodings is read; people who have left stay out unless they are asked for.
#[test]
fn lists_of_many_kinds_are_read() {
    let place = start();
    let text = "email;name;status\nanna@gmail.com;Jörg;active\nbert@gmail.com;Bert;unsubscribed\n";
    let utf16: Vec<u8> = [0xfeff]
        .into_iter()
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    place.write("utf16.csv", utf16);
    let told = place.run(&["import", "utf16.csv", "--no-enrich", "--json"]).json();
    assert_eq!(
        (&told["newSubscribers"], &told["skippedUnsubscribed"]),
        (&1.into(), &1.into()),
        "{told}"
    );
    assert_eq!(
        place.database().column::<String>("SELECT name FROM subscriber"),
        ["Jörg"]
    );
    let all = ["import", "utf16.csv", "--no-enrich", "--json", "--include-unsubscribed"];
    assert_eq!(place.run(&all).json()["newSubscribers"], 1);
}

/// A quote that is never closed does not take the rest of the file with it.
#[test]
fn an_open_quote_costs_its_line_alone() {
    let place = start();
    let people: String = (0..2_000)
        .map(|number| format!("invented{number}@gmail.com,Somebody\n"))
        .collect();
    place.write(
        "list.csv",
        format!("email,name\nanna@gmail.com,Anna\nbert@gmail.com,\"Bert\n{people}"),
    );
    let told = place.run(&["import", "list.csv", "--no-enrich", "--json"]).json();
    assert_eq!(
        (&told["totalRows"], &told["newSubscribers"]),
        (&2_002.into(), &2_001.into()),
        "{told}"
    );
    assert_eq!(
        (&told["errors"][0]["line"], &told["errors"][0]["code"]),
        (&3.into(), &"UNCLOSED_QUOTE".into())
    );
}

/// An import that was cut off is simply made again.
#[test]
fn an_import_that_was_killed_goes_on_where_it_stopped() {
    let world = World::start(FAST);
    let place = &world.place;
    place.run(&["metrics"]).ok();
    place.write_people("people.csv", 0..30_000);
    let mut import = place.spawn(&["import", "people.csv", "--no-enrich"]);
    crate::support::until_true("some people to be stored", || {
        place.database().count("subscriber") >= 2_000
    });
    import.kill();
    let stored = place.database().count("subscriber");
    assert!((2_000..30_000).contains(&stored), "{stored}");
    assert_eq!(stored % 1_000, 0, "a transaction is there or not");
    let told = place.run(&["import", "people.csv", "--no-enrich", "--json"]).json();
    assert_eq!(
        (&told["newSubscribers"], &told["duplicatesSkipped"]),
        (&(30_000 - stored).into(), &stored.into())
    );
    assert_eq!(place.database().count("subscriber"), 30_000);
}
