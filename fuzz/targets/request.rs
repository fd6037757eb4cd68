//! `cargo fuzz run request`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| okgate_fuzz::request(input));
