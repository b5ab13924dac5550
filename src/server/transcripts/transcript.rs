//! The dialogue of a session as readable text.
//!
//! ```text
//! worker ─▶ Transcript (a bounded text) ─▶ bounded channel ─▶ `transcript` thread ─▶ DIR/….txt
//! ```
//!
//! A worker never waits: if the channel is full, lines are dropped, and the transcript says how
//! many are missing. Mail data and secrets are left out, and control characters are escaped.
//! Without transcripts, the cost is a branch for each group of commands and for each send.
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use memchr::memmem;

use super::redact::{LEFT_OUT, LineExtent, Redactor, escape};
use crate::config::Config;
use crate::config::transcript::TranscriptSessions;
use crate::smtp::deviation::Deviations;
use crate::smtp::envelope::Client;
use crate::time::{MonotonicMs, UnixNs};
use crate::tls::Agreed;

/// Text of a session is handed over when it exceeds this size.
const TEXT_BYTES_HANDED_OVER: usize = 8 << 10;
/// Limit on the text kept for a session without errors, if only sessions with errors are written.
const TEXT_BYTES_HELD_MAX: usize = 32 << 10;
/// Maximum size of a transcript's file, without the line that says that it was reached.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Length of the channel to the thread.
const PIECES_MAX: usize = 1024;
/// Number of pieces in the channel up to which text within a session is accepted. The rest is
/// reserved for the ends of sessions.
const INNER_PIECES_MAX: usize = PIECES_MAX / 2;

/// The workers' handle on the transcripts.
#[derive(Debug)]
pub struct Transcripts {
    which: TranscriptSessions,
    pieces: Sender<FileText>,
    /// Number of sessions, and of dropped lines. These counts publish nothing, so relaxed
    /// suffices.
    sessions: AtomicU64,
    dropped_lines: AtomicU64,
}

/// The workers' handle and the thread.
pub type StartedTranscripts = (Arc<Transcripts>, JoinHandle<()>);

/// Text to be appended to a file.
#[derive(Debug)]
struct FileText {
    file: Arc<str>,
    text: String,
}

/// The parties of a session, for the first line.
#[derive(Debug)]
pub struct SessionIdentity<'a> {
    pub session: u64,
    pub client: Client,
    /// The peer that connected, if PROXY named the client.
    pub peer: Option<Client>,
    pub listener: &'a str,
    pub started_unix_ns: UnixNs,
    pub now_ms: MonotonicMs,
}

impl Transcripts {
    /// Creates the folder and starts the thread, which ends when all handles are dropped. `None`:
    /// no transcripts are configured.
    pub fn start(config: &Config) -> Result<Option<StartedTranscripts>, TranscriptError> {
        let Some(folder) = config.transcripts.folder.clone() else { return Ok(None) };
        let failed = |source| TranscriptError { folder: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(failed)?;
        let (pieces, received) = bounded(PIECES_MAX);
        let thread_folder = folder.clone();
        let thread = std::thread::Builder::new()
            .name("transcript".into())
            .spawn(move || write_pieces(&thread_folder, &received))
            .map_err(failed)?;
        let transcripts = Transcripts::new(config.transcripts.sessions, pieces);
        Ok(Some((Arc::new(transcripts), thread)))
    }

    fn new(which: TranscriptSessions, pieces: Sender<FileText>) -> Transcripts {
        let (sessions, dropped_lines) = (AtomicU64::new(0), AtomicU64::new(0));
        Transcripts { which, pieces, sessions, dropped_lines }
    }

    /// Begins the transcript of a session; `None` if this session is not transcribed.
    pub fn begin(self: &Arc<Transcripts>, who: &SessionIdentity<'_>) -> Option<Box<Transcript>> {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        if let TranscriptSessions::OneIn(n) = self.which
            && !number.is_multiple_of(u64::from(n))
        {
            return None;
        }
        Some(Box::new(Transcript::new(self.clone(), who)))
    }
}

impl Drop for Transcripts {
    fn drop(&mut self) {
        let lines = *self.dropped_lines.get_mut();
        if lines > 0 {
            tracing::warn!(lines, "transcripts: lines were dropped because the disk was too slow");
        }
    }
}

/// The folder of the transcripts can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: transcripts cannot be written there", folder.display())]
pub struct TranscriptError {
    folder: PathBuf,
    source: std::io::Error,
}

/// Appends pieces to their files until all senders are dropped.
fn write_pieces(folder: &Path, pieces: &Receiver<FileText>) {
    let mut is_failing = false;
    for FileText { file, text } in pieces {
        let path = folder.join(&*file);
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
        if let Err(error) = &written
            && !is_failing
        {
            tracing::warn!(%error, path = %path.display(), "a transcript cannot be written");
        }
        is_failing = written.is_err();
    }
}

/// The transcript of one session.
#[derive(Debug)]
pub struct Transcript {
    shared: Arc<Transcripts>,
    file: Arc<str>,
    started_ms: MonotonicMs,
    redactor: Redactor,
    /// Lines that were not handed over yet.
    text: String,
    /// Octets handed over.
    handed_over: usize,
    /// Number of lines missing before `text`.
    missing: u64,
    has_error: bool,
    /// Whether the transcript has ended because of its size.
    is_full: bool,
}

impl Transcript {
    fn new(shared: Arc<Transcripts>, who: &SessionIdentity<'_>) -> Transcript {
        let started = who.started_unix_ns.timestamp();
        let stamp = format!("{started:.3}").replace(['-', ':'], "");
        let SessionIdentity { session, client, listener, .. } = who;
        let via = who.peer.map_or_else(String::new, |peer| format!(" by way of {peer}"));
        let head =
            format!("Session {session} of {client}{via} on {listener}, began {started:.3}.\n");
        let legend = "Milliseconds since then; C: the client, S: the server.\n\n";
        Transcript {
            shared,
            file: format!("{stamp}-{session}.txt").into(),
            started_ms: who.now_ms,
            redactor: Redactor::default(),
            text: head + legend,
            handed_over: 0,
            missing: 0,
            has_error: false,
            is_full: false,
        }
    }

    /// Adds command lines of the client. A line without CRLF is the beginning of one that is too
    /// long.
    #[cold]
    pub fn client(&mut self, octets: &[u8], now_ms: MonotonicMs) {
        let mut rest = octets;
        while !rest.is_empty() && !self.is_full {
            let end = memmem::find(rest, b"\r\n");
            let line = &rest[..end.unwrap_or(rest.len())];
            let extent = end.map_or(LineExtent::Beginning, |_| LineExtent::Whole);
            if let Some(shown) = self.redactor.command(line, extent) {
                self.line("C:", &shown, now_ms);
            }
            rest = end.map_or(&[], |end| &rest[end + 2..]);
        }
    }

    /// Adds a line that is a secret, whatever it looks like.
    #[cold]
    pub fn secret(&mut self, now_ms: MonotonicMs) {
        self.line("C:", LEFT_OUT, now_ms);
    }

    /// Adds replies.
    #[cold]
    pub fn server(&mut self, replies: &[u8], now_ms: MonotonicMs) {
        for line in replies.split(|octet| *octet == b'\n') {
            let Some(line) = line.strip_suffix(b"\r") else { continue };
            self.has_error |= matches!(line.first(), Some(b'4' | b'5'));
            self.line("S:", &escape(line), now_ms);
        }
    }

    /// Notes that XCLIENT named the client.
    #[cold]
    pub fn named(&mut self, client: Client, session: u64, now_ms: MonotonicMs) {
        self.line("--", &format!("the client is {client}, its session {session}"), now_ms);
    }

    /// Notes the end of the TLS handshake.
    #[cold]
    pub fn secured(&mut self, agreed: &Agreed, now_ms: MonotonicMs) {
        let resumed = if agreed.is_resumed { ", resumed" } else { "" };
        let Agreed { version, cipher, .. } = agreed;
        self.line("--", &format!("under {version} from here on: {cipher}{resumed}"), now_ms);
    }

    /// Notes the rules that the last command broke without being refused.
    #[cold]
    pub fn tolerated(&mut self, kinds: Deviations, now_ms: MonotonicMs) {
        self.line("--", &format!("tolerated: {}", kinds.names()), now_ms);
    }

    /// Notes mail data, by its size only.
    #[cold]
    pub fn payload(&mut self, octets: u64, note: &str, now_ms: MonotonicMs) {
        self.line("C:", &format!("<{octets} octets of mail data{note}>"), now_ms);
    }

    /// Ends the transcript, and hands over the rest if it is wanted.
    pub fn end(mut self, now_ms: MonotonicMs) {
        self.line("--", "closed", now_ms);
        let is_wanted = self.has_error || self.shared.which != TranscriptSessions::Errors;
        if is_wanted && !self.text.is_empty() {
            self.hand_over(PIECES_MAX);
        }
    }

    fn line(&mut self, who: &str, shown: &str, now_ms: MonotonicMs) {
        if self.is_full {
            return;
        }
        let ms = now_ms.ms_since(self.started_ms);
        let line = format!("{ms:>8} {who} {shown}\n");
        if self.handed_over + self.text.len() + line.len() > FILE_BYTES_MAX {
            self.is_full = true;
            let end =
                format!("The transcript ends here: it has reached {FILE_BYTES_MAX} octets.\n");
            self.text.push_str(&end);
            return;
        }
        self.text.push_str(&line);
        if self.shared.which == TranscriptSessions::Errors && !self.has_error {
            if self.text.len() > TEXT_BYTES_HELD_MAX {
                self.forget_half();
            }
        } else if self.text.len() > TEXT_BYTES_HANDED_OVER {
            self.hand_over(INNER_PIECES_MAX);
        }
    }

    /// Drops the older half of the dialogue, except for the three lines of the head.
    fn forget_half(&mut self) {
        let head = self.text.match_indices('\n').nth(2).map_or(0, |(at, _)| at + 1);
        let half = self.text.len() / 2;
        let cut = self.text[half..].find('\n').map_or(self.text.len(), |at| half + at + 1);
        self.missing += self.text[head..cut].matches('\n').count() as u64;
        self.text.replace_range(head..cut, "");
    }

    /// Passes the text to the thread, or drops it if `pieces_max` pieces are waiting there.
    fn hand_over(&mut self, pieces_max: usize) {
        let mut text = std::mem::take(&mut self.text);
        let lines = text.matches('\n').count() as u64;
        let sender = &self.shared.pieces;
        if self.missing > 0 {
            let head =
                if self.handed_over == 0 { text.find("\n\n").map_or(0, |at| at + 2) } else { 0 };
            text.insert_str(head, &format!("{:>8} .. {} lines left out\n", "", self.missing));
        }
        let bytes = text.len();
        let piece = FileText { file: self.file.clone(), text };
        if sender.len() < pieces_max && sender.try_send(piece).is_ok() {
            (self.handed_over, self.missing) = (self.handed_over + bytes, 0);
        } else {
            self.missing += lines;
            self.shared.dropped_lines.fetch_add(lines, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> MonotonicMs {
        MonotonicMs::new(ms)
    }

    fn transcripts(
        which: TranscriptSessions,
        pieces: usize,
    ) -> (Arc<Transcripts>, Receiver<FileText>) {
        let (sender, receiver) = bounded(pieces);
        (Arc::new(Transcripts::new(which, sender)), receiver)
    }

    fn begin(transcripts: &Arc<Transcripts>) -> Option<Box<Transcript>> {
        transcripts.begin(&SessionIdentity {
            session: 7,
            client: Client::Tcp(([192, 0, 2, 1], 9).into()),
            peer: None,
            listener: "127.0.0.1:1025",
            started_unix_ns: UnixNs::of_tenth(17_952_480_005),
            now_ms: MonotonicMs::new(1000),
        })
    }

    fn text(pieces: &Receiver<FileText>) -> String {
        pieces.try_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn a_transcript_shows_the_dialogue() {
        let (all, pieces) = transcripts(TranscriptSessions::All, 8);
        let mut transcript = begin(&all).unwrap();
        transcript.server(b"220 sink.example ESMTP sinkd\r\n", ms(1000));
        transcript.client(b"EHLO c\r\nNOOP \x1b[2J\r\n", ms(1003));
        transcript.server(b"250-sink.example\r\n250 HELP\r\n250 2.0.0 Ok\r\n", ms(1003));
        transcript.payload(1234, "", ms(1010));
        transcript.end(ms(2500));
        let piece = pieces.try_recv().unwrap();
        assert_eq!(&*piece.file, "20261121T080000.500Z-7.txt");
        let expected = "\
Session 7 of 192.0.2.1:9 on 127.0.0.1:1025, began 2026-11-21T08:00:00.500Z.
Milliseconds since then; C: the client, S: the server.

       0 S: 220 sink.example ESMTP sinkd
       3 C: EHLO c
       3 C: NOOP \\x1b[2J
       3 S: 250-sink.example
       3 S: 250 HELP
       3 S: 250 2.0.0 Ok
      10 C: <1234 octets of mail data>
    1500 -- closed
";
        assert_eq!(piece.text, expected);
    }

    #[test]
    fn only_sessions_with_errors_are_kept_and_memory_is_bounded() {
        let (errors, pieces) = transcripts(TranscriptSessions::Errors, 8);
        begin(&errors).unwrap().end(ms(1000));
        assert!(pieces.is_empty());
        let mut transcript = begin(&errors).unwrap();
        for n in 0..10_000 {
            transcript.client(format!("NOOP {n}\r\n").as_bytes(), ms(1000));
            transcript.server(b"250 2.0.0 Ok\r\n", ms(1000));
            assert!(transcript.text.len() <= TEXT_BYTES_HELD_MAX + 100);
        }
        transcript.server(b"500 5.5.2 No\r\n", ms(1000));
        transcript.end(ms(1000));
        let text = text(&pieces);
        assert!(text.starts_with("Session 7 of "), "{text}");
        assert!(text.contains("C: NOOP 9999\n") && !text.contains("C: NOOP 0\n"));
        let (_, missing) = text.split_once(" .. ").unwrap();
        let missing: usize = missing.split(' ').next().unwrap().parse().unwrap();
        let is_said = |line: &&str| line.contains(" C: ") || line.contains(" S: ");
        let shown = text.lines().skip(3).filter(is_said).count();
        assert_eq!(missing + shown, 20_001);
    }

    #[test]
    fn one_session_in_n_is_exact() {
        let (sampled, _pieces) = transcripts(TranscriptSessions::OneIn(3), 8);
        let kept: Vec<bool> = (0..7).map(|_| begin(&sampled).is_some()).collect();
        assert_eq!(kept, [true, false, false, true, false, false, true]);
    }

    #[test]
    fn a_full_channel_drops_lines_and_says_how_many() {
        let (all, pieces) = transcripts(TranscriptSessions::All, 1);
        let mut transcript = begin(&all).unwrap();
        let mut lines = 0;
        while transcript.missing == 0 {
            transcript.client(format!("NOOP {}\r\n", "x".repeat(300)).as_bytes(), ms(1000));
            lines += 1;
        }
        let first = pieces.try_recv().unwrap().text.lines().count() - 3;
        transcript.end(ms(1000));
        let last = text(&pieces);
        assert!(last.contains(&format!(" .. {} lines left out\n", lines - first)), "{last}");
        assert!(last.ends_with("-- closed\n"));
        assert_eq!(all.dropped_lines.load(Ordering::Relaxed) as usize, lines - first);
    }

    #[test]
    fn a_file_is_bounded() {
        let (all, pieces) = transcripts(TranscriptSessions::All, PIECES_MAX);
        let mut transcript = begin(&all).unwrap();
        (0..5000).for_each(|_| transcript.client(&[&[b'x'; 500][..], b"\r\n"].concat(), ms(1000)));
        transcript.end(ms(1000));
        let text = text(&pieces);
        assert!(text.len() <= FILE_BYTES_MAX + 100, "{} octets", text.len());
        assert!(text.ends_with("it has reached 1048576 octets.\n"));
    }
}
