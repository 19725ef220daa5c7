#![no_main]

#[path = "../src/signature_header.rs"]
mod signature_header;

libfuzzer_sys::fuzz_target!(|data: &[u8]| signature_header::check(data));
