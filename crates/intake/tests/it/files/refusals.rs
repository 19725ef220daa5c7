use lumina_intake::files::{FileError, FileOptions, NotText, SubscriberFile};

fn refusal(bytes: &[u8]) -> FileError {
    SubscriberFile::open(bytes, FileOptions::default()).expect_err("the file is refused")
}

#[test]
fn a_file_without_addresses_is_one_clear_error() {
    let error = refusal(b"name,city\nSarah,Berlin\nBob,Rome\n");
    assert_eq!(error.code(), "NO_ADDRESS_COLUMN");
    assert_eq!(
        error.to_string(),
        "no column holds e-mail addresses (columns: \"name\", \"city\"); name the column \"email\" in the first line"
    );
    let prose = "Dear reader,\nthis is a letter\nthat mentions\nsarah@gmail.com\nonce and no more.\n";
    assert_eq!(refusal(prose.as_bytes()).code(), "NO_ADDRESS_COLUMN");
    let wide = (0..50).map(|n| format!("{n:x>100}")).collect::<Vec<_>>().join(",");
    let message = refusal(wide.as_bytes()).to_string();
    assert!(message.contains("and 38 more") && message.len() < 800, "{message}");
}

#[test]
fn an_empty_file_is_told() {
    for bytes in ["", "\n\n\r\n", "\u{feff}", " \n ,, \n"] {
        assert_eq!(refusal(bytes.as_bytes()).code(), "EMPTY_FILE", "{bytes:?}");
    }
}

#[test]
fn other_formats_are_named_with_what_to_do() {
    let workbook = [b"PK\x03\x04\x14\0\x06\0".as_slice(), b"[Content_Types].xml", &[0; 100]].concat();
    let rows: [(&[u8], NotText, &str); 6] = [
        (&workbook, NotText::Workbook, "save it as \"CSV UTF-8\""),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0\0\0",
            NotText::OldWorkbook,
            "an Excel workbook, not CSV",
        ),
        (b"PK\x03\x04subscribed.csv", NotText::Zip, "unpack it"),
        (b"%PDF-1.7\n...", NotText::Pdf, "a PDF"),
        (
            b"<html><body>Please log in</body></html>",
            NotText::Markup,
            "a web page",
        ),
        (b"[{\"email\":\"a@b.co\"}]", NotText::Json, "JSON"),
    ];
    for (bytes, format, hint) in rows {
        let error = refusal(bytes);
        assert_eq!(error.code(), "NOT_TEXT");
        assert!(error.to_string().contains(hint), "{error}");
        assert!(matches!(error, FileError::NotText(found) if found == format), "{error}");
    }
}

#[test]
fn a_first_line_that_cannot_be_read_is_told() {
    let wide = format!("email{}\na@b.co\n", ",x".repeat(2_000));
    let rows = [
        (
            wide.as_str(),
            "the first line cannot be read: this row has more than 1024 cells; check the delimiter",
        ),
        (
            "\"email,name\na@b.co,A\n",
            "the first line cannot be read: a quote is opened on this line and not closed; the line was left out",
        ),
    ];
    for (file, message) in rows {
        let error = refusal(file.as_bytes());
        assert_eq!((error.code(), error.to_string().as_str()), ("BAD_HEADER", message));
    }
}
