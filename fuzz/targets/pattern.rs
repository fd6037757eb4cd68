//! `cargo fuzz run pattern`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| okgate_fuzz::pattern(input));
