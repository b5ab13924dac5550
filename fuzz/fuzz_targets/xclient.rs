//! For any octets after XCLIENT, the parser does not panic, and returns no octet that is not
//! allowed in an envelope.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("xclient", bytes));
