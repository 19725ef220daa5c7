use lumina_intake::files::{FileOptions, SubscriberFile};

use super::{drain, emails, read};

#[test]
fn platforms_exports_are_read() {
    let substack = "Email,Name,Stripe plan,Cancel date,Start date,email_disabled\n\
        sarah@gmail.com,Sarah Dev,Monthly,2024-02-01,2023-01-01,false\nbob@gmail.com,,Free,,2023-01-02,true\n";
    let mailchimp = "\"Email Address\",\"First Name\",\"Last Name\",MEMBER_RATING,OPTIN_TIME,UNSUB_TIME\n\
        sarah@gmail.com,Sarah,Dev,2,\"2023-01-01 10:00:00\",\nbob@gmail.com,Bob,,2,,\"2024-01-01 10:00:00\"\n";
    let kit = "first_name,email,created_at,status\nSarah,sarah@gmail.com,2023-01-01,active\nBob,bob@gmail.com,2023-01-01,cancelled\n";
    let ghost = "id,email,name,note,subscribed_to_emails,complimentary_plan,created_at,deleted_at,labels,tiers\r\n\
        1,sarah@gmail.com,Sarah Dev,\"met at\r\n\"\"the\"\" fair, 2023\",true,,2023-01-01,,,\r\n2,bob@gmail.com,,,false,,2023-01-01,,,\r\n";
    let beehiiv = "email,First Name,Last Name,status,tier,created_at\nsarah@gmail.com,Sarah,Dev,active,free,2023\nbob@gmail.com,Bob,,inactive,free,2023\n";
    let brevo = "EMAIL;LASTNAME;FIRSTNAME;SMS;EMAIL_BLACKLISTED\nsarah@gmail.com;Dev;Sarah;;0\nbob@gmail.com;;Bob;;1\n";
    for export in [substack, mailchimp, kit, ghost, beehiiv, brevo] {
        let outcome = read(export);
        assert_eq!(outcome.emails(), ["sarah@gmail.com"], "{export}");
        assert!(outcome.people[0].1.as_deref().unwrap().starts_with("Sarah"), "{export}");
        assert_eq!(
            (outcome.rows, outcome.skipped, outcome.errors.len()),
            (2, 1, 0),
            "{export}"
        );
        let all = FileOptions {
            include_unsubscribed: true,
            ..FileOptions::default()
        };
        let outcome = drain(SubscriberFile::open(export.as_bytes(), all).unwrap());
        assert_eq!(outcome.emails(), ["sarah@gmail.com", "bob@gmail.com"], "{export}");
        assert_eq!(outcome.skipped, 0);
    }
}

#[test]
fn names_are_put_together_from_what_is_there() {
    let rows = [
        ("email,name\na@b.co,\" Sarah  Dev \"\n", Some("Sarah Dev")),
        ("email,first name,last name\na@b.co,Sarah,Dev\n", Some("Sarah Dev")),
        ("email,first name,last name\na@b.co,Sarah,\n", Some("Sarah")),
        ("email,first name,last name\na@b.co,,Dev\n", Some("Dev")),
        ("email,name,first name\na@b.co,,Sarah\n", Some("Sarah")),
        ("email,Prénom,Nom\na@b.co,Zoé,Dupont\n", Some("Zoé Dupont")),
        ("email,name\na@b.co,\n", None),
        ("email,name\na@b.co\n", None),
        ("email\na@b.co\n", None),
    ];
    for (file, name) in rows {
        assert_eq!(read(file).people[0].1.as_deref(), name, "{file}");
    }
}

#[test]
fn the_source_comes_along() {
    let file = "email,utm_source\na@b.co, spring \nb@b.co,\n";
    let rows: Vec<_> = SubscriberFile::open(file.as_bytes(), FileOptions::default())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(rows[0].source.as_deref(), Some("spring"));
    assert_eq!((rows[1].source.as_deref(), rows[1].metadata.is_empty()), (None, true));
}

#[test]
fn delimiters_and_directives_are_understood() {
    let rows = [
        "email,name\na@b.co,A\nb@b.co,B\n",
        "email;name\na@b.co;\"A;1\"\nb@b.co;B, C\n",
        "email\tname\na@b.co\tA\nb@b.co\tB\n",
        "name|email\nA|a@b.co\nB|b@b.co\n",
        "sep=;\nemail;name\na@b.co;A\nb@b.co;B\n",
        "\"sep=|\"\r\nemail|name\r\na@b.co|A\r\nb@b.co|B\r\n",
        "sep=:\nname:email\nA:a@b.co\nB:b@b.co\n",
        "\n\nemail,name\n\na@b.co,A\n\nb@b.co,B",
        "email,name\ra@b.co,A\rb@b.co,B\r",
        "email,name\na@b.co\nb@b.co,B,too,many\n",
    ];
    for file in rows {
        assert_eq!(emails(file), ["a@b.co", "b@b.co"], "{file:?}");
    }
}

#[test]
fn the_column_is_found_by_its_name_or_by_its_cells() {
    let rows = [
        ("Contact,Who\na@b.co,A\n", 1, Some("Contact")),
        ("Who,Contact\nA,a@b.co\nB,\nC,c@b.co\n", 2, Some("Contact")),
        ("a@b.co\nb@b.co\n", 1, None),
        ("A,a@b.co\nB,b@b.co\n", 2, None),
        (
            "email,subscriber email\n,a@b.co\nyes,b@b.co\n",
            2,
            Some("subscriber email"),
        ),
        ("email,mail\na@b.co,b@b.co\n", 1, Some("email")),
        ("newsletter email,name\na@b.co,A\n", 1, Some("newsletter email")),
        ("email,contact\nyes,a@b.co\nno,b@b.co\n", 2, Some("contact")),
        ("email_status,adr\nok,a@b.co\n", 2, Some("adr")),
        ("id,E-Mail-Adresse\n1,a@b.co\n", 2, Some("E-Mail-Adresse")),
        ("name,email\n", 2, Some("email")),
        ("name,email\nA,nothing\n", 2, Some("email")),
    ];
    for (text, column, name) in rows {
        let file = SubscriberFile::open(text.as_bytes(), FileOptions::default()).unwrap();
        assert_eq!(file.shape().email_column, column, "{text}");
        assert_eq!(file.shape().email_name.as_deref(), name, "{text}");
    }
}

#[test]
fn a_first_line_of_data_is_data() {
    let outcome = read("a@b.co,A\nb@b.co,B\n");
    assert_eq!(outcome.emails(), ["a@b.co", "b@b.co"]);
    assert_eq!(outcome.rows, 2);
}

#[test]
fn the_shape_is_told() {
    let file = SubscriberFile::open("Name;E-Mail\nA;a@b.co\n".as_bytes(), FileOptions::default()).unwrap();
    let shape = file.shape();
    assert_eq!((shape.encoding, shape.delimiter), ("UTF-8", ';'));
    assert!(format!("{file:?}").contains("E-Mail"));
}

#[test]
fn rows_that_are_no_use_are_named_by_their_line() {
    let file = "name,email\n\nA,a@b.co\nB,\nC\nD,nonsense\n\n,,\nE,\"e\n@b.co\"\nF,f@b.co\n";
    let outcome = read(file);
    assert_eq!(outcome.emails(), ["a@b.co", "f@b.co"]);
    let expected = [
        (4, "MISSING_EMAIL"),
        (5, "MISSING_EMAIL"),
        (6, "INVALID_EMAIL"),
        (9, "INVALID_EMAIL"),
    ];
    assert_eq!(outcome.errors, expected);
    assert_eq!(outcome.rows, 6);
}

#[test]
fn errors_say_what_is_wrong_without_repeating_the_row() {
    let mut file = SubscriberFile::open("email\nsecret person\n".as_bytes(), FileOptions::default()).unwrap();
    let error = file.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "line 2: this is not an e-mail address: it has no @");
    assert!(!error.code.ends_reading());
    assert_eq!(file.line(), 2);
}
