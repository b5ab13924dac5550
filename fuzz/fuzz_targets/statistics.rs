//! Any octets can be read as a file of counters and as one of values, and no sum overflows.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("statistics", bytes));
