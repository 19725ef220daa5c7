//! Payloads encrypted with keys from a file.

use std::path::{Path, PathBuf};

use lumina_workflow::codec::{AesGcmCodec, Codec, CodecError, KeyFileError, from_stored, new_key_line, to_stored};
use lumina_workflow::{PAYLOAD_HARD_LIMIT, Payload};
use proptest::prelude::*;
use tempfile::TempDir;

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join("lumina.keys");
        std::fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
        path
    }

    fn codec(&self, text: &str) -> AesGcmCodec {
        AesGcmCodec::open(&self.write(text)).unwrap()
    }

    fn refusal(&self, text: impl AsRef<[u8]>) -> KeyFileError {
        AesGcmCodec::open(&self.write(text)).unwrap_err()
    }
}

fn set_mode(path: &Path, mode: u32) {
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    #[cfg(not(unix))]
    let _ = (path, mode);
}

fn codec(text: &str) -> AesGcmCodec {
    Folder::new().codec(text)
}

fn seal(codec: &AesGcmCodec, payload: &Payload) -> String {
    to_stored(Some(codec), payload).unwrap().into_owned()
}

fn seven() -> Payload {
    Payload::from_stored("7")
}

/// What is stored stays readable. The value was made by another implementation (OpenSSL) of the form that
/// `codec.rs` describes, with a nonce of zeros.
#[test]
fn the_stored_form_stays() {
    let codec = codec(&format!("2026-07 {HEX}"));
    let stored = "\"encoded:2026-07:AAAAAAAAAAAAAAAAdZ7U/I8d/oVW2UCtu8GJ+ITpDgprD1M\"";
    let read = from_stored(Some(&codec), stored).unwrap();
    assert_eq!(read.as_str(), "{\"a\":1}");
}

/// Also for the largest payload that there may be: the limits are about the plain text.
#[test]
fn a_payload_of_the_largest_size_comes_back() {
    let codec = codec(&format!("a {HEX}"));
    let payload = Payload::encode(&"x".repeat(PAYLOAD_HARD_LIMIT - 2)).unwrap();
    let stored = seal(&codec, &payload);
    assert!(stored.len() > PAYLOAD_HARD_LIMIT);
    assert!(from_stored(Some(&codec), &stored).unwrap() == payload);
}

#[test]
fn one_value_never_looks_the_same_twice() {
    let codec = codec(&format!("a {HEX}"));
    let all: std::collections::BTreeSet<String> = (0..1_000).map(|_| seal(&codec, &seven())).collect();
    assert_eq!(all.len(), 1_000);
}

/// A new key is put first. What older keys encrypted, and what was never encrypted, stays readable.
#[test]
fn keys_are_replaced_by_a_line_above() {
    let before = codec(&format!("old {HEX}"));
    let stored = seal(&before, &seven());
    let after = codec(&format!("new {OTHER}\nold {HEX}"));
    assert_eq!(after.key_ids().collect::<Vec<_>>(), ["new", "old"]);
    assert!(seal(&after, &seven()).starts_with("\"encoded:new:"));
    for stored in [stored.as_str(), &seal(&after, &seven()), "7"] {
        assert_eq!(from_stored(Some(&after), stored), Ok(seven()));
    }

    let without = Folder::new();
    let error = from_stored(Some(&without.codec(&format!("new {OTHER}"))), &stored).unwrap_err();
    let path = without.0.path().join("lumina.keys");
    assert!(matches!(&error, CodecError::UnknownKey { key, .. } if key == "old"));
    let said = format!(
        "encoded with the key `old`, which is not in {}: put this key back into the file, behind the first line",
        path.display()
    );
    assert!(error.to_string().contains(&said), "{error}");
}

#[test]
fn other_bytes_under_the_same_id_open_nothing() {
    let stored = seal(&codec(&format!("a {HEX}")), &seven());
    let error = from_stored(Some(&codec(&format!("a {OTHER}"))), &stored).unwrap_err();
    assert_eq!(error, CodecError::Damaged { key: "a".to_owned() });
    let said = "it is damaged, or the bytes of this key are not those that it was encoded with";
    assert!(error.to_string().contains(said), "{error}");
}

/// The id is bound to the value: under another one not even the same bytes open it.
#[test]
fn a_value_opens_under_its_own_id_alone() {
    let codec = codec(&format!("a {HEX}\nb {HEX}"));
    let renamed = seal(&codec, &seven()).replacen(":a:", ":b:", 1);
    assert_eq!(
        from_stored(Some(&codec), &renamed),
        Err(CodecError::Damaged { key: "b".to_owned() })
    );
}

/// Wherever it is cut or changed, it is refused, and nothing panics.
#[test]
fn damaged_values_are_refused() {
    let codec = codec(&format!("a {HEX}"));
    let stored = seal(&codec, &Payload::from_stored("\"twenty letters of it\""));
    let body = &stored["\"encoded:a:".len()..stored.len() - 1];
    let damaged = CodecError::Damaged { key: "a".to_owned() };
    for end in 0..body.len() {
        assert_eq!(codec.decode("a", &body[..end]), Err(damaged.clone()), "cut at {end}");
        let other = if body.as_bytes()[end] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &body[..end], &body[end + 1..]);
        assert_eq!(codec.decode("a", &changed), Err(damaged.clone()), "changed at {end}");
    }
    for end in "\"encoded:".len()..stored.len() {
        assert!(from_stored(Some(&codec), &stored[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn key_files_are_read_as_people_write_them() {
    let padless = BASE64.trim_end_matches('=');
    let files = [
        format!("a {HEX}"),
        format!("a {}\r\n", HEX.to_uppercase()),
        format!("# made by ann\n\n  a\t{BASE64}  # in use\n#b {OTHER}\n"),
        format!("a {padless}\nb {OTHER}\n"),
    ];
    let reader = codec(&format!("a {HEX}"));
    for file in files {
        let writer = codec(&file);
        assert_eq!(
            from_stored(Some(&reader), &seal(&writer, &seven())),
            Ok(seven()),
            "{file}"
        );
    }
}

/// Each mistake names its line and what to write; no message shows a key.
#[test]
fn mistakes_in_a_key_file_are_named() {
    let rows = [
        (
            format!("# keys\na {HEX}\nb"),
            "line 3",
            "write the id of a key, a blank, and the key",
        ),
        (HEX.to_owned(), "line 1", "write the id of a key, a blank, and the key"),
        (format!("a {HEX} {OTHER}"), "line 1", "write the id of a key"),
        (
            format!("a {}", &HEX[..62]),
            "line 1",
            "the key `a` is not 32 bytes as base64 or hex",
        ),
        (format!("a {}", &BASE64[..40]), "line 1", "the key `a` is not 32 bytes"),
        (format!("a {}g", &HEX[..63]), "line 1", "the key `a` is not 32 bytes"),
        (format!("a:b {HEX}"), "line 1", "`a:b` cannot be the id of a key"),
        (
            format!("{HEX} a"),
            "line 1",
            "the first word cannot be the id of a key: write 1 to 32 letters",
        ),
        (
            format!("{BASE64} a"),
            "line 1",
            "the first word cannot be the id of a key",
        ),
        (
            format!("a {HEX}\na {OTHER}"),
            "line 2",
            "the key `a` is in the file twice",
        ),
        (String::new(), "lumina.keys", "holds no key: write a line `ID KEY`"),
        ("# none yet\n".to_owned(), "lumina.keys", "holds no key"),
        ("#".repeat(65 * 1024), "cannot be read", "above the limit of 65536"),
    ];
    let folder = Folder::new();
    for (file, place, problem) in rows {
        let said = folder.refusal(&file).to_string();
        assert!(
            said.contains(place) && said.contains(problem),
            "{said}\nhas no\n{place} {problem}"
        );
        assert!(said.contains("lumina.keys"), "{said}");
        assert!(
            !said.contains(&HEX[..16]) && !said.contains(&BASE64[..16]) && !said.contains("ffff"),
            "{said}"
        );
    }
    assert!(matches!(folder.refusal([0xff, 0xfe]), KeyFileError::Unreadable { .. }));
    let missing = AesGcmCodec::open(&folder.0.path().join("missing")).unwrap_err();
    assert!(missing.to_string().contains("missing cannot be read"), "{missing}");
}

#[cfg(unix)]
#[test]
fn a_key_file_is_for_its_owner_alone() {
    let folder = Folder::new();
    let path = folder.write(format!("a {HEX}"));
    for mode in [0o644, 0o640, 0o604, 0o660, 0o601] {
        set_mode(&path, mode);
        let error = AesGcmCodec::open(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::OpenToOthers { .. }), "{mode:o}: {error}");
        assert!(
            error.to_string().contains(&format!("chmod 600 {}", path.display())),
            "{error}"
        );
    }
    for mode in [0o600, 0o400] {
        set_mode(&path, mode);
        AesGcmCodec::open(&path).unwrap();
    }
}

#[test]
fn new_keys_differ_and_can_be_used() {
    let (one, two) = (new_key_line("a").unwrap(), new_key_line("a").unwrap());
    assert_ne!(*one, *two);
    let stored = seal(&codec(&one), &seven());
    assert_eq!(from_stored(Some(&codec(&one)), &stored), Ok(seven()));
    assert!(from_stored(Some(&codec(&two)), &stored).is_err());
    for id in ["", "a b", "a:b", "ä"] {
        assert!(new_key_line(id).is_err(), "{id}");
    }
}

#[test]
fn keys_are_never_shown() {
    let shown = format!("{:?}", codec(&format!("a {HEX}\nb {OTHER}")));
    assert!(
        shown.starts_with("AesGcmCodec(a, b of ") && !shown.contains("0001") && !shown.contains("ffff"),
        "{shown}"
    );
}

proptest! {
    /// Every text comes back under every key of the file, and none of it can be seen.
    #[test]
    fn every_payload_comes_back(text in "(\"encoded:)?\\PC{0,200}", first in any::<bool>()) {
        let (a, b) = (format!("a {HEX}"), format!("b {OTHER}"));
        let writer = codec(if first { &a } else { &b });
        let reader = codec(&format!("{b}\n{a}"));
        let payload = Payload::from_stored(text.as_str());
        let stored = seal(&writer, &payload);
        prop_assert!(text.len() < 12 || !stored.contains(&text));
        prop_assert_eq!(from_stored(Some(&reader), &stored), Ok(payload));
    }
}
