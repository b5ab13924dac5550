//! Reads a log from the first line to the last.
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;

use super::claim::{LoggedClaim, Reading, Recipients};
use super::event::{BadLine, LogEvent, LoggedDelivery};
use super::failure::LogError;
use super::lines::{Line, Lines};
use super::powermta::Accounting;
use super::reason::Reason;
use super::totals::{Format, LogTotals};
use super::unpacked::{Unpacked, UnsupportedFormat};
use super::{answer, exim, free, haraka, kumomta, postfix};

/// Number of bytes between two progress events.
const PROGRESS_BYTES: u64 = 4 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Receives the events of a log. `Break` stops reading.
pub(super) type EventHandler<'a> = dyn FnMut(LogEvent<'_>) -> ControlFlow<()> + 'a;

/// Reads the log `path`, and passes its events to `on` in the order of the lines. `Break` stops
/// reading; the totals then cover what was read.
///
/// A log that is cut off is not an error; its existing part is read. Takes one pass over the file,
/// and memory for one line and the window of zstd, whatever the file contains.
///
/// Errors: the file cannot be opened, has an unsupported format, or is damaged. Events before the
/// damage are valid.
pub fn read(
    path: &Path,
    on: &mut dyn FnMut(LogEvent<'_>) -> ControlFlow<()>,
) -> Result<LogTotals, LogError> {
    let at_open = |source| LogError::Open { path: path.to_owned(), source };
    let file = File::open(path).map_err(at_open)?;
    let unpacked =
        Unpacked::new(file).map_err(at_open)?.map_err(|UnsupportedFormat(form, advice)| {
            LogError::Form { path: path.to_owned(), form, advice }
        })?;
    let mut log = LogReader::new(unpacked);
    match log.read(on) {
        Ok(()) => Ok(log.totals()),
        Err(source) => {
            let line = log.line + 1;
            Err(LogError::Read { path: path.to_owned(), line, source })
        }
    }
}

/// The state of reading a log, with the counts so far.
pub(super) struct LogReader<S> {
    lines: Lines<Unpacked<S>>,
    /// The number of the last line read; 0 before the first.
    pub line: u64,
    lines_with_id: u64,
    bad_lines: u64,
    deliveries: BTreeMap<Format, u64>,
    is_last_line_open: bool,
    accounting: Accounting,
}

impl<S: Read> LogReader<S> {
    pub fn new(unpacked: Unpacked<S>) -> LogReader<S> {
        LogReader {
            lines: Lines::new(unpacked),
            line: 0,
            lines_with_id: 0,
            bad_lines: 0,
            deliveries: BTreeMap::new(),
            is_last_line_open: false,
            accounting: Accounting::default(),
        }
    }

    /// Reads all lines, until `on` returns `Break`.
    pub fn read(&mut self, on: &mut EventHandler<'_>) -> io::Result<()> {
        let mut reported_bytes = 0;
        loop {
            let file_bytes = self.lines.source.file_bytes();
            if file_bytes - reported_bytes >= PROGRESS_BYTES {
                reported_bytes = file_bytes;
                if on(LogEvent::Progress(file_bytes)).is_break() {
                    return Ok(());
                }
            }
            let Some(line) = self.lines.next()? else { return Ok(()) };
            self.line += 1;
            let number = self.line;
            let (text, is_open) = match line {
                Line::Whole(text) => (text, false),
                Line::Open(text) => (text, true),
                Line::TooLong => {
                    self.bad_lines += 1;
                    let bad = BadLine { line: number, reason: Reason::TooLong };
                    if on(LogEvent::BadLine(bad)).is_break() {
                        return Ok(());
                    }
                    continue;
                }
            };
            self.is_last_line_open = is_open;
            let (format, reading) = recognize(&mut self.accounting, trimmed(number, text));
            let flow = match reading {
                Reading::Foreign | Reading::Nothing => continue,
                Reading::Claim(claim) if is_open && claim.is_at_end => {
                    self.bad_lines += 1;
                    on(LogEvent::BadLine(BadLine { line: number, reason: Reason::Cut }))
                }
                Reading::Bad(reason) => {
                    self.bad_lines += 1;
                    on(LogEvent::BadLine(BadLine { line: number, reason }))
                }
                Reading::Claim(claim) => {
                    self.lines_with_id += 1;
                    let count = self.deliveries.entry(format).or_default();
                    report_deliveries(number, &claim, count, on)
                }
            };
            if flow.is_break() {
                return Ok(());
            }
        }
    }

    pub fn totals(&self) -> LogTotals {
        LogTotals {
            compression: self.lines.source.compression(),
            lines: self.line,
            bytes: self.lines.bytes,
            lines_with_id: self.lines_with_id,
            bad_lines: self.bad_lines,
            deliveries: self.deliveries.clone(),
            is_cut: self.is_last_line_open || self.lines.source.is_cut(),
        }
    }

    /// Returns the memory that the line buffer uses.
    #[cfg(feature = "testkit")]
    pub fn buffer_bytes(&self) -> usize {
        self.lines.buffer_bytes()
    }
}

/// Returns a line without the UTF-8 byte order mark and without leading NULs. A log begins with
/// NULs after it was copied and truncated while its writer kept its position.
fn trimmed(number: u64, line: &[u8]) -> &[u8] {
    let line = if number == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
    let nuls = line.iter().take_while(|octet| **octet == 0).count();
    &line[nuls..]
}

/// The formats, in the order in which they are tried. Formats that recognize their lines by the
/// beginning come first, because a subject in such a line could look like a line of another format.
const FORMATS: [Format; 6] = [
    Format::KumoMta,
    Format::PowerMta,
    Format::Exim,
    Format::Postfix,
    Format::Haraka,
    Format::Text,
];

/// Returns the first format that recognizes the line, and what it reads. A line without a possible
/// reply is not parsed.
fn recognize<'a>(accounting: &mut Accounting, line: &'a [u8]) -> (Format, Reading<'a>) {
    accounting.follow(line);
    if !answer::is_possible(line) {
        return (Format::Text, Reading::Nothing);
    }
    let read = |format: Format| match format {
        Format::KumoMta => kumomta::read(line),
        Format::PowerMta => accounting.read(line),
        Format::Exim => exim::read(line),
        Format::Postfix => postfix::read(line),
        Format::Haraka => haraka::read(line),
        Format::Text => free::read(line),
    };
    let readings = FORMATS.into_iter().zip(FORMATS.into_iter().map(read));
    let mut own = readings.filter(|(_, reading)| !matches!(reading, Reading::Foreign));
    own.next().unwrap_or((Format::Text, Reading::Nothing))
}

/// Passes each delivery that a line claims to `on`, and adds their number to `count`.
fn report_deliveries(
    line: u64,
    claim: &LoggedClaim<'_>,
    count: &mut u64,
    on: &mut EventHandler<'_>,
) -> ControlFlow<()> {
    let mut one = |recipient: Option<&[u8]>| {
        *count += 1;
        let (id, sink, at_ns) = (claim.id, claim.sink.as_deref(), claim.at_ns);
        on(LogEvent::Delivery(LoggedDelivery { line, id, sink, recipient, at_ns }))
    };
    let recipients = match &claim.recipients {
        Recipients::Unnamed => return one(None),
        Recipients::One(recipient) => std::slice::from_ref(recipient),
        Recipients::Several(recipients) => recipients,
    };
    recipients.iter().map(Cow::as_ref).map(Some).try_for_each(&mut one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sender_log::testkit::check_sender_log;
    use crate::analysis::sender_log::unpacked::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::{Cursor, Write};

    /// Returns the events of a log except progress, one line each.
    fn story(octets: &[u8]) -> (Vec<String>, LogTotals) {
        let mut log = LogReader::new(Unpacked::new(Cursor::new(octets)).unwrap().unwrap());
        let mut events = Vec::new();
        log.read(&mut |event| {
            events.extend(sentence(event));
            ControlFlow::Continue(())
        })
        .unwrap();
        (events, log.totals())
    }

    fn sentence(event: LogEvent<'_>) -> Option<String> {
        Some(match event {
            LogEvent::Progress(_) => return None,
            LogEvent::BadLine(bad) => format!("{}: {}", bad.line, bad.reason),
            LogEvent::Delivery(delivery) => {
                let recipient = delivery.recipient.map(String::from_utf8_lossy);
                format!(
                    "{}: {} of {} to {} at {}",
                    delivery.line,
                    delivery.id,
                    delivery.sink.unwrap_or("?"),
                    recipient.as_deref().unwrap_or("?"),
                    delivery.at_ns.map_or(String::from("?"), |at| at.second().to_string()),
                )
            }
        })
    }

    const ONE: &str = "Nov 28 10:00:01 mx postfix/smtp[12]: 4XyZ1: to=<a@b.example>, \
        relay=127.0.0.1[127.0.0.1]:2525, delay=0.05, delays=0/0/0/0, dsn=2.0.0, status=sent (250 \
        2.0.0 Ok 17:3 sink-a)\n";
    const ONE_EVENT: &str = "17:3 of sink-a to a@b.example at ?";

    #[test]
    fn lines_of_different_senders_may_be_mixed() {
        let subject = "postfix/smtp[1]: A: to=<x@y>, relay=z, status=sent (250 Ok 9:99)";
        let log = [
            "\u{feff}type,rcpt,dsnDiag,header_subject\n",
            &format!("d,a@b,smtp;250 2.0.0 Ok 1:1,\"{subject}\"\r\n"),
            &format!(
                "{{\"type\":\"Delivery\",\"recipient\":[\"a@b\",\"c@d\"],\
                 \"response\":{{\"code\":250,\"content\":\"Ok 1:2\"}},\
                 \"headers\":{{\"Subject\":\"{subject}\"}}}}\n"
            ),
            ONE,
            &format!("2026-11-28 10:00:01 1RwtJa-0009RI-2d <= s@x T=\"{subject}\"\n"),
            "a@b: 250 2.0.0 Ok 1:4\n",
            "\n",
        ]
        .concat();
        let (events, totals) = story(log.as_bytes());
        let expected = [
            "2: 1:1 of ? to a@b at ?",
            "3: 1:2 of ? to a@b at ?",
            "3: 1:2 of ? to c@d at ?",
            &format!("4: {ONE_EVENT}"),
            "6: 1:4 of ? to a@b at ?",
        ];
        assert_eq!(events, expected);
        assert_eq!((totals.lines, totals.lines_with_id, totals.lines_without_id()), (7, 4, 3));
        assert_eq!(totals.deliveries[&Format::KumoMta], 2);
        assert_eq!((totals.bytes, totals.is_cut), (log.len() as u64, false));
    }

    #[test]
    fn a_bad_line_is_reported_with_its_number_and_reading_continues() {
        let long = "x".repeat(2 << 20);
        let other = "d,2026-11-28 10:00:01+0000,a@b,smtp;250 Ok 1:1";
        let log = format!("{ONE}{long} 250 Ok 1:1\n{other}\n\0\0\0{ONE}");
        let (events, totals) = story(log.as_bytes());
        let expected = [
            format!("1: {ONE_EVENT}"),
            "2: longer than 1048576 bytes".to_owned(),
            "3: a row without a header line above it: the columns are unknown".to_owned(),
            format!("4: {ONE_EVENT}"),
        ];
        assert_eq!(events, expected);
        assert_eq!((totals.lines, totals.bad_lines, totals.lines_without_id()), (4, 2, 0));
    }

    #[test]
    fn a_last_line_without_end_counts_only_if_its_id_is_whole() {
        for (last, expected) in [
            (ONE.trim_end(), ONE_EVENT),
            ("250 2.0.0 Ok 17:3", "the log ends inside the reply: its id may be cut"),
            ("250 2.0.0 Ok 17:3 sin", "the log ends inside the reply: its id may be cut"),
            ("250 2.0.0 Ok 17:3 \"", "17:3 of ? to ? at ?"),
            (ONE.trim_end_matches(")\n"), "the reply has no end: expected \")\""),
        ] {
            let (events, totals) = story(format!("\n{last}").as_bytes());
            assert_eq!(events, [format!("2: {expected}")]);
            assert!(totals.is_cut && totals.lines == 2);
        }
    }

    #[test]
    fn compressed_logs_have_the_same_events_and_report_that_they_are_cut() {
        let log = ONE.repeat(20_000);
        let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(log.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = compress_to_vec(log.as_bytes(), CompressionLevel::Fastest);
        let plain = story(log.as_bytes()).0;
        for (file, compression) in [(gzip, Compression::Gzip), (zstd, Compression::Zstd)] {
            let (events, totals) = story(&file);
            assert!(events == plain && !totals.is_cut && totals.compression == compression);
            let (events, totals) = story(&file[..file.len() * 3 / 4]);
            assert!(totals.is_cut && totals.lines_with_id > 10_000, "{totals:?}");
            let whole = totals.lines_with_id as usize;
            assert_eq!(events[..whole], plain[..whole]);
        }
    }

    #[test]
    fn a_bomb_costs_no_memory() {
        let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::best());
        let zeros = vec![0; 1 << 20];
        (0..64).for_each(|_| gzip.write_all(&zeros).unwrap());
        gzip.write_all(format!("\n{ONE}").as_bytes()).unwrap();
        let file = gzip.finish().unwrap();
        assert!(file.len() < 100_000);
        check_sender_log(&file);
        let (events, _) = story(&file);
        assert_eq!(events, ["1: longer than 1048576 bytes".to_owned(), format!("2: {ONE_EVENT}")]);
    }

    #[test]
    fn logs_of_real_senders_have_the_recorded_events() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs");
        let (golden, mut events) = (folder.join("expected.txt"), String::new());
        let entries = std::fs::read_dir(&folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        for name in names.iter().filter(|name| *name != "README.md" && *name != "expected.txt") {
            let mut lines = Vec::new();
            let totals = read(&folder.join(name), &mut |event| {
                lines.extend(sentence(event));
                ControlFlow::Continue(())
            });
            let totals = totals.unwrap();
            events += &format!(
                "== {}: {}, {} lines, {} with an id, {} bad, {:?}\n{}\n",
                name.to_string_lossy(),
                totals.compression,
                totals.lines,
                totals.lines_with_id,
                totals.bad_lines,
                totals.deliveries,
                lines.join("\n"),
            );
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &events).unwrap();
        }
        assert_eq!(events, std::fs::read_to_string(&golden).unwrap());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let error = |octets: &[u8]| {
            std::fs::write(&path, octets).unwrap();
            let error = read(&path, &mut |_| ControlFlow::Continue(())).unwrap_err();
            error.to_string().replace(path.to_str().unwrap(), "PATH")
        };
        assert_eq!(
            error(b"BZh91AY"),
            "PATH: compressed by bzip2, expected text, gzip or zstd: decompress it with bunzip2 -k"
        );
        let frame = compress_to_vec(ONE.as_bytes(), CompressionLevel::Fastest);
        let damaged = [frame, b"more".to_vec()].concat();
        assert_eq!(error(&damaged), "PATH:2: cannot read on from this line");
        let missing = read(&folder.path().join("none"), &mut |_| ControlFlow::Continue(()));
        assert!(missing.unwrap_err().to_string().ends_with("none: cannot be read"));
    }

    #[test]
    fn reading_ends_where_the_listener_breaks_off() {
        let log = ONE.repeat(1000);
        let mut log = LogReader::new(Unpacked::new(Cursor::new(log.as_bytes())).unwrap().unwrap());
        log.read(&mut |_| ControlFlow::Break(())).unwrap();
        assert_eq!(log.totals().lines, 1);
    }

    #[test]
    fn progress_is_reported_even_if_no_line_has_an_id() {
        let log = "nothing in this line\n".repeat(500_000);
        let mut log = LogReader::new(Unpacked::new(Cursor::new(log.as_bytes())).unwrap().unwrap());
        let mut events = 0;
        log.read(&mut |event| {
            assert!(matches!(event, LogEvent::Progress(bytes) if bytes > events));
            events += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(events, 2);
    }

    /// Pieces of logs, whole and cut.
    const PIECES: [&str; 34] = [
        "\n",
        "\r\n",
        "\0",
        " ",
        "\"",
        "'",
        "\\",
        ",",
        "<",
        ">",
        "(",
        ")",
        "{",
        "}",
        "@",
        "=",
        "Ok ",
        "250 2.0.0 Ok 17:3 sink-a",
        "Ok 17:3",
        "17:3",
        "4294967296:0",
        "a@b.example",
        "\"a b\"@c",
        "Nov 28 10:00:01 mx postfix/smtp[12]: 4XyZ: to=<",
        ">, relay=x, status=sent (",
        "2026-11-28 10:00:01 1RwtJa-0009RI-2d => ",
        " C=\"",
        "[outbound] delivered file=x",
        " response=\"Ok 17:3\"",
        "{\"type\":\"Delivery\",\"recipient\":\"a@b\",\"response\":{\"code\":250,",
        "\"content\":\"Ok 17:3\"}}",
        "type,timeLogged,rcpt,dsnDiag\n",
        "d,1795860001,",
        "smtp;250 ",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn logs_put_together_at_random_are_read(pieces in prop::collection::vec(
            prop::sample::select(PIECES.to_vec()), 0..60,
        )) {
            check_sender_log(pieces.concat().as_bytes());
        }

        #[test]
        fn any_octets_are_read(octets in prop::collection::vec(any::<u8>(), 0..400)) {
            check_sender_log(&octets);
            for magic in [b"\x1f\x8b\x08\0".as_slice(), b"\x28\xb5\x2f\xfd\x00\x58"] {
                check_sender_log(&[magic, &octets].concat());
            }
        }

        #[test]
        fn damaged_compressed_logs_are_read_or_refused(
            lines in 1..200_usize, at in 0.0..1.0, octet in any::<u8>(), cut in 0.0..1.0,
        ) {
            let log = ONE.repeat(lines);
            let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(log.as_bytes()).unwrap();
            let zstd = compress_to_vec(log.as_bytes(), CompressionLevel::Fastest);
            for mut file in [gzip.finish().unwrap(), zstd] {
                let place = (file.len() as f64 * at) as usize;
                file[place] = octet;
                file.truncate(place.max((file.len() as f64 * cut) as usize));
                check_sender_log(&file);
            }
        }
    }
}
