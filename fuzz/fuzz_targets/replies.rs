//! For any octets from a server, the client does not panic, and each message ends once.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("replies", bytes));
