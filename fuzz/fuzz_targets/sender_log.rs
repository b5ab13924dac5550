//! Any octets are read as a sender's log, in order and in bounded memory.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("sender_log", bytes));
