//! An index file of any content is read without a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sinkd::index::testkit::check_sidecar(bytes));
