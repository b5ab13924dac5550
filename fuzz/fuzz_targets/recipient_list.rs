//! Any octets are read as a list of recipients, and each row is accepted or reported with its line.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("recipient_list", bytes));
