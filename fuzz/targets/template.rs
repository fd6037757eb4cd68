//! `cargo fuzz run template`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| okgate_fuzz::template(input));
