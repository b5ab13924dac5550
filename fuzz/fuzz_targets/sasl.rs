//! Any responses of AUTH: no panic, and no user is named that may not stand in an envelope.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("sasl", bytes));
