//! What an index stores about any mail is read back, and parsing never panics.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("facts", bytes));
