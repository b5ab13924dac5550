//! Any octets before a session: no panic, and a header is the same whatever follows it.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("proxy", bytes));
