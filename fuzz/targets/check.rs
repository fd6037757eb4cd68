//! `cargo fuzz run check`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| okgate_fuzz::check(input));
