//! Any text is a query that displays as itself and answers, or an error with a place.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("query", bytes));
