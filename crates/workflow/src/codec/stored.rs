//! The stored form: recognised by its beginning, whoever wrote it.

use std::borrow::Cow;

use super::{Codec, CodecError, Encoded, is_key_id};
use crate::payload::Payload;

/// How an encoded value begins. No plain one does, because those are wrapped.
const MARK: &str = "\"encoded:";

/// The text that a store keeps for a payload. Without a codec it is the payload's own, and
/// nothing is copied.
///
/// # Errors
/// When the codec fails, or makes what could not be read again.
///
/// An example is at [`codec`](super).
pub fn to_stored<'p>(codec: Option<&dyn Codec>, payload: &'p Payload) -> Result<Cow<'p, str>, CodecError> {
    let plain = payload.as_str();
    if let Some(codec) = codec
        && let Some(encoded) = codec.encode(plain)?
    {
        return Ok(Cow::Owned(join(&encoded)?));
    }
    if plain.starts_with(MARK) {
        return Ok(Cow::Owned(wrap(plain)));
    }
    Ok(Cow::Borrowed(plain))
}

/// The payload that a store kept.
///
/// # Errors
/// When it is encoded and the codec is missing, lacks the key, or finds it damaged.
///
/// An example is at [`codec`](super).
pub fn from_stored(codec: Option<&dyn Codec>, stored: &str) -> Result<Payload, CodecError> {
    Ok(match stored.strip_prefix(MARK) {
        None => Payload::from_stored(stored),
        Some(rest) => Payload::from_stored(open(codec, rest)?),
    })
}

/// Whether this is what a store kept for this payload. Without a codec nothing is copied.
///
/// # Errors
/// As [`from_stored`].
///
/// An example is at [`codec`](super).
pub fn is_stored(codec: Option<&dyn Codec>, stored: &str, payload: &Payload) -> Result<bool, CodecError> {
    match stored.strip_prefix(MARK) {
        None => Ok(stored == payload.as_str()),
        Some(rest) => Ok(open(codec, rest)? == payload.as_str()),
    }
}

fn join(encoded: &Encoded<'_>) -> Result<String, CodecError> {
    let Encoded { key, body } = encoded;
    if !is_key_id(key) {
        return Err(CodecError::Encode(format!("`{key}` cannot be the id of a key")));
    }
    if !body.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\') {
        let problem = format!("the codec's body under the key `{key}` has more than visible ASCII");
        return Err(CodecError::Encode(problem));
    }
    Ok(format!("{MARK}{key}:{body}\""))
}

/// A plain text inside a JSON text, behind an empty key.
fn wrap(plain: &str) -> String {
    let quoted = serde_json::to_string(plain).expect("a text has a JSON form");
    format!("{MARK}:{}", &quoted[1..])
}

/// The plain text of what stands behind the mark.
fn open(codec: Option<&dyn Codec>, rest: &str) -> Result<String, CodecError> {
    let inner = rest
        .strip_suffix('"')
        .ok_or(CodecError::Malformed("its end is missing"))?;
    let (key, body) = inner.split_once(':').ok_or(CodecError::Malformed("no key is named"))?;
    if key.is_empty() {
        let quoted = format!("\"{body}\"");
        return serde_json::from_str(&quoted).map_err(|_| CodecError::Malformed("the text in it is no JSON text"));
    }
    if !is_key_id(key) {
        return Err(CodecError::Malformed("what it names is no id of a key"));
    }
    match codec {
        Some(codec) => codec.decode(key, body),
        None => Err(CodecError::NoCodec { key: key.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Says what it was asked.
    struct Plain(Option<(&'static str, &'static str)>);

    impl Codec for Plain {
        fn encode(&self, _: &str) -> Result<Option<Encoded<'_>>, CodecError> {
            Ok(self.0.map(|(key, body)| Encoded {
                key,
                body: body.to_owned(),
            }))
        }

        fn decode(&self, key: &str, body: &str) -> Result<String, CodecError> {
            Ok(format!("[\"{key}\",\"{body}\"]"))
        }
    }

    fn payload(text: &str) -> Payload {
        Payload::from_stored(text)
    }

    #[test]
    fn plain_texts_are_stored_as_they_are() {
        let abstaining = Plain(None);
        for text in [
            "null",
            "{}",
            "\"encoded\"",
            " \"encoded:a:b\"",
            "\"x\"",
            "[\"encoded:a:b\"]",
        ] {
            for codec in [None, Some(&abstaining as &dyn Codec)] {
                let given = payload(text);
                let stored = to_stored(codec, &given).unwrap();
                assert!(matches!(stored, Cow::Borrowed(_)), "{text}");
                assert_eq!(stored, text);
                assert_eq!(from_stored(codec, text), Ok(given));
            }
        }
    }

    #[test]
    fn a_codec_gets_key_and_body() {
        let codec = Plain(Some(("k-1.a_B", "abc+/=:")));
        let seven = payload("7");
        let stored = to_stored(Some(&codec), &seven).unwrap();
        assert_eq!(stored, "\"encoded:k-1.a_B:abc+/=:\"");
        assert_eq!(
            serde_json::from_str::<String>(&stored).unwrap(),
            "encoded:k-1.a_B:abc+/=:",
            "the column stays JSON"
        );
        let read = payload("[\"k-1.a_B\",\"abc+/=:\"]");
        assert_eq!(from_stored(Some(&codec), &stored).unwrap(), read);
        assert!(is_stored(Some(&codec), &stored, &read).unwrap());
        assert!(!is_stored(Some(&codec), &stored, &payload("7")).unwrap());
    }

    /// A stranger may send anything: it is data.
    #[test]
    fn what_only_looks_encoded_is_data() {
        for text in [
            "\"encoded:a:b\"",
            "\"encoded::x\"",
            "\"encoded:\"",
            "\"encoded:\\\"\\u20ac\"",
        ] {
            let given = payload(text);
            let stored = to_stored(None, &given).unwrap();
            assert_ne!(stored, text);
            assert!(stored.starts_with("\"encoded::"), "{stored}");
            serde_json::from_str::<String>(&stored).unwrap();
            assert_eq!(from_stored(None, &stored), Ok(given.clone()));
            assert!(is_stored(None, &stored, &given).unwrap());
            assert!(!is_stored(None, &stored, &payload("7")).unwrap());
        }
    }

    #[test]
    fn what_could_not_be_read_again_is_not_stored() {
        let long: &'static str = "k".repeat(33).leak();
        let rows = [
            ("", "b"),
            ("a:b", "b"),
            ("é", "b"),
            (long, "b"),
            ("a", "\""),
            ("a", "\\"),
            ("a", "é"),
            ("a", "\n"),
        ];
        let seven = payload("7");
        for (key, body) in rows {
            let answer = to_stored(Some(&Plain(Some((key, body)))), &seven);
            assert!(matches!(answer, Err(CodecError::Encode(_))), "{key} {body}: {answer:?}");
        }
    }

    #[test]
    fn damaged_marks_are_named() {
        let codec = Plain(None);
        let rows = [
            ("\"encoded:a:b", "its end is missing"),
            ("\"encoded:", "its end is missing"),
            ("\"encoded:a\"", "no key is named"),
            ("\"encoded:a b:c\"", "no id of a key"),
            ("\"encoded::\\\"", "no JSON text"),
        ];
        for (text, expected) in rows {
            let error = from_stored(Some(&codec), text).unwrap_err();
            assert!(matches!(error, CodecError::Malformed(_)), "{text}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    proptest! {
        /// Every text comes back, also one that looks like what another store call made.
        #[test]
        fn every_text_comes_back(text in "(\"encoded:)?(:)?\\PC{0,40}\"?", times in 1..4) {
            let first = payload(&text);
            let mut stored = first.clone();
            for _ in 0..times {
                stored = payload(&to_stored(None, &stored).unwrap());
            }
            for _ in 0..times {
                stored = from_stored(None, stored.as_str()).unwrap();
            }
            prop_assert_eq!(stored, first);
        }
    }
}
