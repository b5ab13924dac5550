//! Properties that hold for any octets read as a list of recipients; the fuzzer checks them.
use super::address::AddressFolding;
use super::key::{KEY_BYTES_MAX, KeyKind, KeyRule, KeySource};
use super::list::{Expected, ListRule, decoded_values, read_list};
use crate::analysis::sorting::{Merge, Sorter};

/// Reads `octets` as a list, with addresses and with numbers as keys. Panics unless each row is
/// used or counted as bad, each line number is within the file, and the length of each key is
/// bounded.
pub fn check_list(octets: &[u8]) {
    for kind in [KeyKind::Text, KeyKind::Number] {
        for (separator, must_contain) in [(b',', vec![]), (b';', vec!["name".to_owned()])] {
            check(octets, kind, ListRule { column: None, must_contain, separator });
        }
    }
}

fn check(octets: &[u8], kind: KeyKind, rule: ListRule) {
    let folding = AddressFolding::default();
    let key_rule = KeyRule { source: KeySource::Recipient, pattern: None, kind, folding };
    let mut sorter = Sorter::new(1 << 20);
    let Ok(totals) = read_list(octets, &rule, &key_rule, &mut sorter) else { return };
    // Lines end in LF, CRLF or CR; this counts CRLF twice, which is enough for a bound.
    let lines = memchr::memchr2_iter(b'\r', b'\n', octets).count() as u64 + 1;
    assert!(totals.rows + totals.bad_rows < lines.max(2));
    assert!(totals.faults.len() as u64 <= totals.bad_rows);
    assert!(totals.faults.is_sorted_by_key(|(line, _)| *line));
    for (line, fault) in &totals.faults {
        assert!(*line <= lines && !fault.to_string().is_empty());
    }
    let mut merge = Merge::new([sorter.finish()]).expect("a MiB of memory is enough");
    let mut records = 0;
    while let Some(record) = merge.head() {
        let expected = Expected::decode(record.value);
        assert!((2..=lines).contains(&expected.line));
        // A domain grows when it is converted to A-labels. Only numbers have an empty text.
        assert!(record.key.len() <= 8 * KEY_BYTES_MAX);
        assert_eq!(record.key.is_empty(), kind == KeyKind::Number);
        let values = decoded_values(expected.encoded_values());
        assert_eq!(values.count(), rule.must_contain.len());
        records += 1;
        merge.advance().expect("nothing was written");
    }
    assert_eq!(records, totals.rows);
}
