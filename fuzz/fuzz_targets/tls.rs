//! Any octets in place of a handshake and of records: no panic, and nothing is accepted that the peer did not seal.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("tls", bytes));
