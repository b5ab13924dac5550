//! Golden dialogues: every `tests/dialogues/*.txt` is replayed, one write per turn and octet by
//! octet.
//!
//! A dialogue is a list of lines; `#` begins a comment.
//!
//! ```text
//! limits: message_bytes_max=100        bounds other than the default (first line only)
//! protocol: lmtp                       LMTP instead of SMTP (in the first two lines only)
//! trust: xclient                       clients may send XCLIENT (in the first three lines only)
//! trust: auth                          clients may authenticate as anyone (same lines)
//! trust: tls                           clients may begin TLS, and authenticate under it (same lines)
//! trust: tls-required                  clients have to begin TLS (same lines)
//! greet: EHLO client.example           the client sends this and gets a 250, not shown here
//! C: MAIL FROM:<a@b.example>           the client sends the line and CRLF
//! C~ half a line                       the client sends without CRLF
//! C*300 x                              the client sends `x` 300 times, without CRLF
//! S: 250                               the next reply line begins like this
//! stored: 12 bytes Hello.\r\n          a message was stored; its size and, if not long, its bytes
//! envelope: client.example ESMTP <a@b> SIZE=9 -> <c@d> NOTIFY=NEVER
//! closed                               the server has closed
//! handshake                            from here on, both sides use TLS
//! ```
//!
//! A dialogue is replayed with both syntaxes, with the same result. If there is a twin called
//! `NAME_lenient.txt`, `NAME.txt` is replayed only with the strict syntax, and the twin with the
//! lenient one.
//!
//! ```text
//! tolerated: no-brackets (2), dots      rules broken by commands that were accepted since
//!                                      the client spoke, and how often
//! envelope: … ; no-brackets, dots      rules broken by the commands of a message
//! envelope: … ; as PLAIN ann              the client has authenticated
//! envelope: … ; under TLSv1.3             the message came under TLS
//! envelope: … ; of CLIENT by way of unix   XCLIENT has named the client
//! ```
//!
//! `\r \n \t \0 \xHH \\` stand for octets in what the client sends. `UPDATE_GOLDEN=1 cargo test
//! --test sink dialogues` rewrites the server's lines: review the diff before you commit it.
use sinkd::server::testkit::{
    Dialogue, Pieces as SealedPieces, StoredMessage, Tolerated, Trust, with_trusting_sink,
};
use sinkd::smtp::envelope;
use sinkd::smtp::limits::{Protocol, SessionLimits, Syntax};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Stored messages longer than this show only their size.
const SHOWN_BYTES_MAX: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Pieces {
    Turns,
    Octets,
}

fn dialogues() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some()).collect();
    files.sort();
    files
}

#[test]
fn golden_dialogues_match() {
    let files = dialogues();
    assert!(files.len() >= 25, "{} dialogues", files.len());
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut failures = String::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let syntaxes = syntaxes(&file);
        let held = replay(&text, syntaxes[0], Pieces::Turns);
        for syntax in syntaxes {
            for pieces in [Pieces::Turns, Pieces::Octets] {
                if let Err(difference) = compare(&held, &replay(&text, *syntax, pieces)) {
                    let name = file.display();
                    writeln!(failures, "{name}: {syntax:?}, {pieces:?}: {difference}").unwrap();
                }
            }
        }
        if update {
            std::fs::write(&file, &held).unwrap();
        } else if let Err(difference) = compare(&text, &held) {
            writeln!(failures, "{}: {difference}", file.display()).unwrap();
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

/// The syntaxes with which a dialogue is replayed.
fn syntaxes(file: &Path) -> &'static [Syntax] {
    let stem = file.file_stem().unwrap().to_str().unwrap();
    if stem.ends_with("_lenient") {
        &[Syntax::Lenient]
    } else if file.with_file_name(format!("{stem}_lenient.txt")).exists() {
        &[Syntax::Strict]
    } else {
        &[Syntax::Strict, Syntax::Lenient]
    }
}

/// Compares each line with the expected one, reply lines by their beginning.
fn compare(expected: &str, held: &str) -> Result<(), String> {
    let (mut expected, mut held) = (expected.lines(), held.lines());
    for number in 1.. {
        match (expected.next(), held.next()) {
            (None, None) => break,
            (Some(want), Some(found)) if want == found => {}
            (Some(want), Some(found)) if want.starts_with("S: ") && found.starts_with(want) => {}
            (want, found) => {
                return Err(format!("line {number}: expected {want:?}, found {found:?}"));
            }
        }
    }
    Ok(())
}

/// Returns the actual dialogue: client lines and comments from `text`, everything else from the
/// server.
fn replay(text: &str, syntax: Syntax, pieces: Pieces) -> String {
    let limits = limits(text.lines().next().unwrap_or_default());
    let is_lmtp = text.lines().take(2).any(|line| line == "protocol: lmtp");
    let protocol = if is_lmtp { Protocol::Lmtp } else { Protocol::Smtp };
    let trust = text.lines().take(3).find_map(|line| match line {
        "trust: xclient" => Some(Trust::Xclient),
        "trust: auth" => Some(Trust::Auth),
        "trust: tls" => Some(Trust::Tls),
        "trust: tls-required" => Some(Trust::TlsRequired),
        _ => None,
    });
    let trust = trust.unwrap_or(Trust::None);
    with_trusting_sink(&limits, syntax, trust, |sink| {
        let mut held = Held::begin(sink.connect(protocol), pieces);
        text.lines().for_each(|line| held.line(line));
        held.end()
    })
}

/// A dialogue being replayed.
struct Held<'a> {
    session: Dialogue<'a>,
    pieces: Pieces,
    /// Octets that the client has not sent yet.
    turn: Vec<u8>,
    was_closed: bool,
    out: String,
}

impl<'a> Held<'a> {
    fn begin(mut session: Dialogue<'a>, pieces: Pieces) -> Held<'a> {
        assert!(session.take_replies().starts_with(b"220 "));
        Held { session, pieces, turn: Vec::new(), was_closed: false, out: String::new() }
    }

    fn line(&mut self, line: &str) {
        if let Some(hello) = line.strip_prefix("greet: ") {
            self.session.send(format!("{hello}\r\n").as_bytes());
            assert!(self.session.take_replies().starts_with(b"250"), "{hello}");
            writeln!(self.out, "{line}").unwrap();
            return;
        }
        if let Some(client_octets) = client_octets(line) {
            writeln!(self.out, "{line}").unwrap();
            self.turn.extend(client_octets);
            return;
        }
        self.answer();
        if line == "handshake" {
            let pieces = match self.pieces {
                Pieces::Turns => SealedPieces::Whole,
                Pieces::Octets => SealedPieces::Octets,
            };
            self.session.handshake(pieces).unwrap();
            writeln!(self.out, "{line}").unwrap();
            return;
        }
        let is_setting =
            ["limits:", "protocol:", "trust:"].iter().any(|setting| line.starts_with(setting));
        if line.starts_with('#') || is_setting || line.is_empty() {
            writeln!(self.out, "{line}").unwrap();
        }
    }

    /// Sends the client's turn; records the replies.
    fn answer(&mut self) {
        // Each turn takes a second of the sink's time, and a handshake must end within ten.
        if self.turn.is_empty() {
            return;
        }
        let turn = std::mem::take(&mut self.turn);
        match self.pieces {
            Pieces::Turns => self.session.send(&turn),
            Pieces::Octets => turn.chunks(1).for_each(|octet| self.session.send(octet)),
        }
        let outcome = self.session.take_outcome();
        let replies = String::from_utf8(outcome.replies).unwrap();
        for line in replies.split_terminator("\r\n") {
            writeln!(self.out, "S: {line}").unwrap();
        }
        self.out.push_str(&tolerated(&outcome.tolerated));
        for stored in &outcome.stored {
            describe(stored, &mut self.out);
        }
        if outcome.closed && !self.was_closed {
            self.was_closed = true;
            self.out.push_str("closed\n");
        }
    }

    fn end(mut self) -> String {
        self.answer();
        let rest = self.session.leave();
        assert!(rest.replies.is_empty() && rest.stored.is_empty(), "{rest:?}");
        self.out
    }
}

/// Returns the octets that the client sends for this line; `None` if it is not a client line.
fn client_octets(line: &str) -> Option<Vec<u8>> {
    if let Some(line) = line.strip_prefix("C:") {
        Some([unescape(line.strip_prefix(' ').unwrap_or(line)), b"\r\n".to_vec()].concat())
    } else if let Some(line) = line.strip_prefix("C~ ") {
        Some(unescape(line))
    } else {
        let (count, octets) = line.strip_prefix("C*")?.split_once(' ').expect("C*count octets");
        Some(unescape(octets).repeat(count.parse().expect("C*count octets")))
    }
}

fn tolerated(kinds: &Tolerated) -> String {
    if kinds.is_empty() {
        return String::new();
    }
    let kinds = kinds.iter().map(|(kind, times)| match times {
        1 => kind.name().to_string(),
        _ => format!("{} ({times})", kind.name()),
    });
    format!("tolerated: {}\n", kinds.collect::<Vec<_>>().join(", "))
}

fn describe(stored: &StoredMessage, out: &mut String) {
    let message = stored.message();
    write!(out, "stored: {} bytes", message.len()).unwrap();
    if (1..=SHOWN_BYTES_MAX).contains(&message.len()) {
        write!(out, " {}", message.escape_ascii()).unwrap();
    }
    let decoded = envelope::decode(&stored.envelope).unwrap();
    let helo = decoded.helo.escape_ascii();
    write!(out, "\nenvelope: {helo} {}", decoded.protocol.escape_ascii()).unwrap();
    write_path(out, decoded.mail_from, decoded.mail_params);
    for (number, recipient) in decoded.recipients().enumerate() {
        out.push_str(if number == 0 { " ->" } else { "," });
        write_path(out, recipient.path, recipient.params);
    }
    if let (Some(client), Some(peer)) = (decoded.client, decoded.peer) {
        write!(out, "; of {client} by way of {peer}").unwrap();
    }
    if let Some(tls) = decoded.tls {
        write!(out, "; under {}", tls.version.escape_ascii()).unwrap();
    }
    if !decoded.auth.is_empty() {
        write!(out, "; as {}", decoded.auth.escape_ascii()).unwrap();
    }
    if !decoded.deviations.is_empty() {
        write!(out, "; {}", decoded.deviations.names()).unwrap();
    }
    out.push('\n');
}

fn write_path(out: &mut String, path: &[u8], parameters: &[u8]) {
    write!(out, " <{}>", path.escape_ascii()).unwrap();
    if !parameters.is_empty() {
        write!(out, " {}", parameters.escape_ascii()).unwrap();
    }
}

fn limits(line: &str) -> SessionLimits {
    let mut limits = SessionLimits::default();
    let settings = line.strip_prefix("limits:").unwrap_or_default();
    for setting in settings.split_whitespace() {
        let (key, value) = setting.split_once('=').expect("key=value");
        let number: u32 = value.parse().expect("a number");
        match key {
            "message_bytes_max" => limits.message_bytes_max = number.into(),
            "recipients_max" => limits.recipients_max = number,
            "command_line_bytes_max" => limits.command_line_bytes_max = number as usize,
            "errors_max" => limits.errors_max = Some(number),
            "messages_max" => limits.messages_max = Some(number),
            _ => panic!("no limit is called {key}"),
        }
    }
    limits
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        if octet != b'\\' {
            out.push(octet);
            continue;
        }
        out.push(match octets.next().expect("an escape") {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'x' => {
                let digits = [octets.next().unwrap(), octets.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).expect("hex")
            }
            b'\\' => b'\\',
            other => panic!("no escape \\{}", other as char),
        });
    }
    out
}
