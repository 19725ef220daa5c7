#![no_main]

#[path = "../src/callback_body.rs"]
mod callback_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| callback_body::check(data));
