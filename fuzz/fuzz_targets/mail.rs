//! Any octets are read as a mail without a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sinkd::mime::testkit::check_mail(bytes));
