//! `cargo fuzz run event`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| okgate_fuzz::event(input));
