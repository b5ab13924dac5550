//! Any octets, any cuts: no panic, and the same as in one piece.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("session", bytes));
