//! What is fuzzed, over the seeds: so it is compiled and holds wherever tests run.

use std::fs;
use std::path::Path;

#[path = "../../../../fuzz/src/callback_body.rs"]
mod callback_body;
#[path = "../../../../fuzz/src/signature_header.rs"]
mod signature_header;

/// Has each seed of a target checked, and each beginning of it.
fn drive(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/seeds")
        .join(target);
    let mut seeds = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let seed = fs::read(entry.unwrap().path()).unwrap();
        check(&seed);
        (0..seed.len()).step_by(13).for_each(|length| check(&seed[..length]));
        seeds += 1;
    }
    assert!(seeds >= 5, "{target} has {seeds} seeds");
}

#[test]
fn any_callback_body_is_read_as_a_strict_reader_would() {
    drive("callback_body", callback_body::check);
}

#[test]
fn only_the_right_signature_is_believed() {
    drive("signature_header", signature_header::check);
}
