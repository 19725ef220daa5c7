use lumina_intake::files::{FileOptions, SubscriberFile};

use super::read;

fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes_of).collect()
}

const TABLE: &str = "email;name\r\njürgen.müller@example.de;\r\nzoe@example.com;Zoé Müller\r\n";

#[test]
fn unicode_in_all_its_encodings() {
    let with_mark = format!("\u{feff}{TABLE}");
    let files = [
        ("UTF-8", TABLE.as_bytes().to_vec()),
        ("UTF-8", with_mark.as_bytes().to_vec()),
        ("UTF-16LE", utf16(&with_mark, u16::to_le_bytes)),
        ("UTF-16BE", utf16(&with_mark, u16::to_be_bytes)),
        ("UTF-16LE", utf16(TABLE, u16::to_le_bytes)),
        ("UTF-16BE", utf16(TABLE, u16::to_be_bytes)),
    ];
    for (encoding, bytes) in files {
        let shape = SubscriberFile::open(&*bytes, FileOptions::default())
            .unwrap()
            .shape()
            .clone();
        assert_eq!(
            (shape.encoding, shape.delimiter, shape.email_column),
            (encoding, ';', 1)
        );
        let outcome = read(&bytes);
        assert_eq!(
            outcome.people,
            [("zoe@example.com".to_owned(), Some("Zoé Müller".to_owned()))],
            "{encoding}"
        );
        assert_eq!(outcome.errors, [(2, "INVALID_EMAIL")], "{encoding}");
    }
}

#[test]
fn legacy_encodings_are_guessed() {
    let rows: [(&[u8], &str); 3] = [
        (b"email;name\nzoe@example.com;Zo\xe9 M\xfcller aus K\xf6ln\n", "Zoé Müller aus Köln"),
        (
            b"email,name\nivan@example.com,\xc8\xe2\xe0\xed \xcf\xe5\xf2\xf0\xee\xe2\xe8\xf7 \xd1\xe8\xe4\xee\xf0\xee\xe2\n",
            "Иван Петрович Сидоров",
        ),
        (
            b"email,name\nyamada@example.com,\x8eR\x93c\x91\xbe\x98Y\x82\xb3\x82\xf1\x82\xcc\x8f\x8a\n",
            "山田太郎さんの所",
        ),
    ];
    for (bytes, name) in rows {
        assert_eq!(read(bytes).people[0].1.as_deref(), Some(name));
    }
}

#[test]
fn a_legacy_byte_far_behind_the_beginning_costs_nothing() {
    let mut file = b"email,name\n".to_vec();
    for n in 0..5_000 {
        file.extend(format!("person{n}@example.com,Somebody\n").bytes());
    }
    file.extend(b"zoe@example.com,Zo\xe9\n");
    let outcome = read(&file);
    assert_eq!((outcome.rows, outcome.errors.len()), (5_001, 0));
    assert_eq!(outcome.people[5_000].1.as_deref(), Some("Zoé"));
}

#[test]
fn text_of_many_windows_is_decoded_without_a_seam() {
    let rows: String = (0..20_000)
        .map(|n| format!("person{n}@example.com;Zoé Müller {n} 山田\r\n"))
        .collect();
    let text = format!("email;name\r\n{rows}");
    let utf8 = read(&text);
    assert_eq!(utf8.people.len(), 20_000);
    assert_eq!(utf8.people[19_999].1.as_deref(), Some("Zoé Müller 19999 山田"));
    assert_eq!(read(utf16(&text, u16::to_le_bytes)), utf8);
    assert_eq!(read(utf16(&text, u16::to_be_bytes)), utf8);
}
