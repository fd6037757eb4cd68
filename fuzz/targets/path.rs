//! `cargo fuzz run path`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| okgate_fuzz::path(input));
