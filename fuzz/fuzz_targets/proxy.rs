//! For any octets before a session, the parser does not panic, and a header does not depend on what
//! follows it.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("proxy", bytes));
