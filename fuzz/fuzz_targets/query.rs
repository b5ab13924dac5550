//! Any text is either a query that displays as itself and can be run, or an error with a position.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("query", bytes));
