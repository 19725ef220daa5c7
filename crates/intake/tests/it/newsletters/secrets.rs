use lumina_intake::newsletters::{MIN_SECRET_BYTES, SharedSecrets, SignatureError, SigningSecrets};
use proptest::prelude::*;

const OLD: &str = "old-secret-of-enough-bytes";
const NEW: &str = "new-secret-of-enough-bytes";

/// Made with `openssl dgst -sha256 -hmac 0123456789abcdef`.
#[test]
fn signatures_agree_with_other_implementations() {
    let secrets = SigningSecrets::new("0123456789abcdef", None).unwrap();
    let body = br#"{"email":"sarah@gmail.com"}"#;
    assert_eq!(
        secrets.sign(body),
        "d771fee7be1e488db0e7fe73573cdef15325f4210b8a25c3ebc9776deb8d178c"
    );
}

#[test]
fn a_signature_is_taken_from_either_secret_in_either_case() {
    let (before, after) = (
        SigningSecrets::new(OLD, None).unwrap(),
        SigningSecrets::new(NEW, Some(OLD)).unwrap(),
    );
    let body = b"body";
    for signature in [before.sign(body), after.sign(body)] {
        assert_eq!(after.verify(body, Some(&signature)), Ok(()));
        assert_eq!(after.verify(body, Some(&signature.to_uppercase())), Ok(()));
        assert_eq!(after.verify(body, Some(&format!(" sha256={signature} "))), Ok(()));
    }
    assert_eq!(
        before.verify(body, Some(&after.sign(body))),
        Err(SignatureError::Invalid)
    );
}

#[test]
fn what_is_no_signature_is_refused() {
    let secrets = SigningSecrets::new(NEW, None).unwrap();
    let good = secrets.sign(b"body");
    assert_eq!(secrets.verify(b"body", None), Err(SignatureError::Missing));
    assert_eq!(secrets.verify(b"body", Some("  ")), Err(SignatureError::Missing));
    let wrong = [
        "00",
        "zz",
        "sha256=",
        &good[..62],
        &format!("{good}00"),
        &good.replace(&good[..2], "é"),
        OLD,
    ];
    for signature in wrong {
        assert_eq!(
            secrets.verify(b"body", Some(signature)),
            Err(SignatureError::Invalid),
            "{signature}"
        );
    }
    assert_eq!(SignatureError::Missing.code(), "MISSING_SIGNATURE");
    assert_eq!(SignatureError::Invalid.code(), "INVALID_SIGNATURE");
}

#[test]
fn short_secrets_are_refused_in_every_place() {
    let short = "x".repeat(MIN_SECRET_BYTES - 1);
    assert!(SigningSecrets::new(&short, None).is_err());
    assert!(SigningSecrets::new(NEW, Some(&short)).is_err());
    assert!(SharedSecrets::new(&short, None).is_err());
    assert!(SharedSecrets::new(NEW, Some("")).is_err());
    let error = SigningSecrets::new(&short, None).unwrap_err().to_string();
    assert!(
        error.starts_with("the webhook secret has 15 bytes; use at least 16"),
        "{error}"
    );
}

#[test]
fn shared_secrets_are_compared_whole() {
    let secrets = SharedSecrets::new(NEW, Some(OLD)).unwrap();
    assert!(secrets.accepts(NEW.as_bytes()) && secrets.accepts(OLD.as_bytes()));
    for wrong in ["", "new", &NEW[1..], &format!("{NEW} "), &NEW.to_uppercase()] {
        assert!(!secrets.accepts(wrong.as_bytes()), "{wrong:?}");
    }
    assert!(!SharedSecrets::new(NEW, None).unwrap().accepts(OLD.as_bytes()));
}

#[test]
fn secrets_are_never_shown() {
    let shown = format!(
        "{:?} {:?}",
        SigningSecrets::new(NEW, Some(OLD)),
        SharedSecrets::new(NEW, Some(OLD))
    );
    assert!(!shown.contains("secret-of"), "{shown}");
}

proptest! {
    #[test]
    fn a_changed_body_is_not_signed(body in prop::collection::vec(any::<u8>(), 1..100), at in any::<prop::sample::Index>()) {
        let secrets = SigningSecrets::new(NEW, Some(OLD)).unwrap();
        let signature = secrets.sign(&body);
        prop_assert_eq!(secrets.verify(&body, Some(&signature)), Ok(()));
        let mut changed = body.clone();
        changed[at.index(body.len())] ^= 1;
        prop_assert_eq!(secrets.verify(&changed, Some(&signature)), Err(SignatureError::Invalid));
    }
}
