//! Properties that hold for any octets read as a sender's log; the fuzzer and tests check them.
use std::io::Cursor;
use std::ops::ControlFlow;

use super::event::LogEvent;
use super::lines::BUFFER_BYTES_MAX;
use super::reader::LogReader;
use super::totals::LogTotals;
use super::unpacked::Unpacked;

/// A check stops after one event for every 16 of these bytes: a few compressed octets may stand for
/// gigabytes of text.
const CHECKED_BYTES_MAX: u64 = 64 << 20;

/// Reads `octets` as a log; panics if something doesn't hold that always must: lines come in order
/// and not beyond the last one, a reported id is in its line, and memory is bounded.
pub fn check_sender_log(octets: &[u8]) {
    let Ok(Ok(unpacked)) = Unpacked::new(Cursor::new(octets)) else { return };
    let mut log = LogReader::new(unpacked);
    let lines: Option<Vec<&[u8]>> =
        is_plain(octets).then(|| octets.split(|octet| *octet == b'\n').collect());
    let (mut last, mut deliveries, mut bad) = (0, 0_u64, 0_u64);
    let outcome = log.read(&mut |event| {
        let line = match event {
            LogEvent::Progress(bytes) => {
                assert!(bytes <= octets.len() as u64);
                return ControlFlow::Continue(());
            }
            LogEvent::BadLine(line) => {
                assert!(line.line > last, "a bad line is reported once");
                assert!(!line.reason.to_string().is_empty());
                bad += 1;
                line.line
            }
            LogEvent::Delivery(delivery) => {
                let id = delivery.id.to_string();
                let holds = |line: &[u8]| memchr::memmem::find(line, id.as_bytes()).is_some();
                // JSON may write a digit as an escape.
                let is_escaped = |line: &[u8]| line.contains(&b'\\');
                if let Some(lines) = &lines {
                    let line = lines[delivery.line as usize - 1];
                    assert!(holds(line) || is_escaped(line));
                }
                assert!(delivery.recipient.is_none_or(|it| !it.is_empty()));
                deliveries += 1;
                delivery.line
            }
        };
        assert!(line >= last && line > 0);
        last = line;
        if deliveries + bad > CHECKED_BYTES_MAX / 16 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(log.buffer_bytes() <= BUFFER_BYTES_MAX);
    let totals = log.totals();
    assert!(last <= totals.lines && bad == totals.bad_lines);
    assert_eq!(deliveries, totals.deliveries.values().sum::<u64>());
    assert!(totals.lines_with_id <= deliveries);
    assert!(totals.lines_with_id + totals.bad_lines + totals.lines_without_id() == totals.lines);
    if outcome.is_ok() && lines.is_some() {
        check_plain(octets, &totals);
    }
}

/// Returns whether no compression or unsupported format is recognized in the octets.
fn is_plain(octets: &[u8]) -> bool {
    let Ok(Ok(unpacked)) = Unpacked::new(Cursor::new(octets)) else { return false };
    unpacked.compression() == super::Compression::Plain
}

fn check_plain(octets: &[u8], totals: &LogTotals) {
    let ends = octets.iter().filter(|octet| **octet == b'\n').count() as u64;
    let is_open = octets.last().is_some_and(|octet| *octet != b'\n');
    assert_eq!(totals.lines, ends + u64::from(is_open));
    assert_eq!((totals.bytes, totals.is_cut), (octets.len() as u64, is_open));
}

#[cfg(test)]
pub(super) use tables::*;

#[cfg(test)]
mod tables {
    use crate::analysis::sender_log::claim::{LoggedClaim, Reading, Recipients};
    use crate::time::UnixNs;

    /// Id, sink, recipient, time.
    pub type Expected<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Option<UnixNs>);

    #[track_caller]
    fn claim<'a>(read: impl FnOnce(&'a [u8]) -> Reading<'a>, line: &'a str) -> LoggedClaim<'a> {
        match read(line.as_bytes()) {
            Reading::Claim(claim) => claim,
            reading => panic!("{line}: {reading:?}"),
        }
    }

    /// Checks that the line claims one delivery.
    #[track_caller]
    pub fn check_claim<'a>(
        read: impl FnOnce(&'a [u8]) -> Reading<'a>,
        line: &'a str,
        expected: Expected<'_>,
    ) {
        let claim = claim(read, line);
        let recipient = match &claim.recipients {
            Recipients::Unnamed => None,
            Recipients::One(one) => Some(str::from_utf8(one).unwrap()),
            Recipients::Several(_) => panic!("{line}: several recipients"),
        };
        let id = claim.id.to_string();
        let found = (id.as_str(), claim.sink.as_deref(), recipient, claim.at_ns);
        assert_eq!(found, expected, "{line}");
    }

    /// Returns the recipients that a line claims.
    #[track_caller]
    pub fn recipients<'a>(
        read: impl FnOnce(&'a [u8]) -> Reading<'a>,
        line: &'a str,
    ) -> Vec<String> {
        match claim(read, line).recipients {
            Recipients::Several(all) => {
                all.iter().map(|one| String::from_utf8_lossy(one).into_owned()).collect()
            }
            recipients => panic!("{line}: {recipients:?}"),
        }
    }

    #[track_caller]
    pub fn check_nothing<'a>(read: impl FnOnce(&'a [u8]) -> Reading<'a>, line: &'a str) {
        let reading = read(line.as_bytes());
        assert!(matches!(reading, Reading::Nothing), "{line}: {reading:?}");
    }

    #[track_caller]
    pub fn check_foreign<'a>(read: impl FnOnce(&'a [u8]) -> Reading<'a>, line: &'a str) {
        let reading = read(line.as_bytes());
        assert!(matches!(reading, Reading::Foreign), "{line}: {reading:?}");
    }

    #[track_caller]
    pub fn check_bad<'a>(
        read: impl FnOnce(&'a [u8]) -> Reading<'a>,
        line: &'a str,
        expected: &str,
    ) {
        match read(line.as_bytes()) {
            Reading::Bad(reason) => {
                let reason = reason.to_string();
                assert!(reason.contains(expected), "{line}: {reason}");
            }
            reading => panic!("{line}: {reading:?}"),
        }
    }
}
