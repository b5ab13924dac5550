//! Any octets can be read as `events.jsonl`, and a shorter file says the same.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("events", bytes));
