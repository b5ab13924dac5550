//! What an index keeps of any mail is read back, and taking it apart never panics.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("facts", bytes));
