use super::read;

#[test]
fn an_unclosed_quote_costs_its_own_line_only() {
    let rows = [
        "email,name\na@b.co,A\nx@b.co,\"oops\nb@b.co,B\nc@b.co,C\n",
        "email,name\na@b.co,A\n\"x@b.co,oops\nb@b.co,B\nc@b.co,C\n",
        "email,name\r\na@b.co,A\r\n\"x@b.co,oops\r\nb@b.co,B\r\nc@b.co,C\r\n",
        "email,name\na@b.co,A\nx@b.co,\"oops\nb@b.co,B\nc@b.co,\"C\"\n",
    ];
    for file in rows {
        let outcome = read(file);
        assert_eq!(outcome.emails(), ["a@b.co", "b@b.co", "c@b.co"], "{file:?}");
        assert_eq!(outcome.errors, [(3, "UNCLOSED_QUOTE")], "{file:?}");
        assert_eq!(outcome.rows, 4);
    }
}

#[test]
fn two_unclosed_quotes_do_not_swallow_what_is_between() {
    let file = "email,name\na@b.co,A\n\"x@b.co,oops\nb@b.co,B\n\"y@b.co,oops\nc@b.co,C\n";
    let outcome = read(file);
    assert_eq!(outcome.emails(), ["a@b.co", "b@b.co", "c@b.co"]);
    assert_eq!(outcome.errors, [(3, "UNCLOSED_QUOTE"), (5, "UNCLOSED_QUOTE")]);
    let opened_again = format!("email,name\na@b.co,A\n{}", "a\"b,\"c\n".repeat(2_000));
    let outcome = read(opened_again);
    assert_eq!(outcome.errors[0], (3, "UNCLOSED_QUOTE"));
    assert_eq!(outcome.errors[1], (4, "UNCLOSED_QUOTE"));
}

#[test]
fn an_unclosed_quote_before_a_long_rest_is_followed_only_so_far() {
    let mut file = String::from("email,name\nx@b.co,\"oops\n");
    for n in 0..40_000 {
        file.push_str(&format!("person{n}@example.com,Somebody\n"));
    }
    let outcome = read(&file);
    assert_eq!(outcome.people.len(), 40_000);
    assert_eq!(outcome.errors, [(2, "UNCLOSED_QUOTE")]);
}

#[test]
fn a_file_full_of_unclosed_quotes_is_given_up() {
    let good = "person@example.com,Somebody\n".repeat(1_000);
    // Each line opens a quote that no later line closes for good.
    let torn = format!("a\"b,\"c{}\n", "x".repeat(300)).repeat(5_000);
    let outcome = read(format!("email,name\n{good}{torn}"));
    assert_eq!(outcome.people.len(), 1_000);
    let (line, code) = outcome.errors[outcome.errors.len() - 1];
    assert_eq!(code, "BROKEN_QUOTES");
    assert!(line < 2_000, "{line}");
    assert!(
        outcome
            .errors
            .iter()
            .rev()
            .skip(1)
            .all(|(_, code)| *code == "UNCLOSED_QUOTE")
    );
}

#[test]
fn quotes_inside_cells_are_read_as_meant() {
    let rows = [
        ("email,name\na@b.co,\"A \"\"B\"\" C\"\n", "A \"B\" C"),
        ("email,name\na@b.co,A \"B\" C\n", "A \"B\" C"),
        ("email,note,name\na@b.co,\"two\nlines, one cell\",A\n", "A"),
        ("email,note,name\r\na@b.co,\"two\r\n\r\nlines\",A\r\n", "A"),
        ("email,name\na@b.co,\"A", "A"),
    ];
    for (file, name) in rows {
        let outcome = read(file);
        assert_eq!(
            outcome.people,
            [("a@b.co".to_owned(), Some(name.to_owned()))],
            "{file:?}"
        );
        assert!(outcome.errors.is_empty());
    }
}

#[test]
fn stray_nul_bytes_do_no_harm() {
    let mut file = String::from("email,name\na@b.co,A\0B\n");
    file.push_str(&"person@example.com,Somebody\n".repeat(100));
    let outcome = read(&file);
    assert_eq!(outcome.people[0].1.as_deref(), Some("A B"));
    assert_eq!(outcome.rows, 101);
}
