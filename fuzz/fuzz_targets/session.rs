//! Any octets, any cuts: no panic, and the same as in one piece.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sinkd::smtp::testkit::check_session(bytes));
