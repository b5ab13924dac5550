//! Any text is a query that displays as itself and answers, or an error with a place.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sinkd::index::query::testkit::check_query(bytes));
