//! For any octets and any cuts, the session does not panic, and behaves as with uncut input.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("session", bytes));
