//! Any octets of a server: no panic, and each message ends once.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sinkd::smtp::client::testkit::check_replies(bytes));
