//! What an index keeps of any mail is read back, and taking it apart never panics.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sinkd::index::testkit::check_facts(bytes));
