//! For any AUTH responses, the server does not panic, and accepts no user name that is not allowed
//! in an envelope.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::check("sasl", bytes));
