//! Any octets after XCLIENT: no panic, and no octet is read that may not stand in an envelope.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("xclient", bytes));
