//! For any octets in place of a handshake and of records, TLS does not panic, and accepts nothing
//! that the peer did not seal.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("tls", bytes));
