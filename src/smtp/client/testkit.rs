//! A client without sockets, for tests and fuzzing: runs a session and records its events.
use std::io::IoSlice;

use super::code::ReplyCode;
use super::mail::OutgoingMail;
use super::options::{Options, StartTls};
use super::session::ClientSession;
use super::watch::{Done, Phase, SessionWatch};
use crate::smtp::sasl::{Account, Mechanism, Preference};
use crate::time::MonotonicUs;
use std::sync::Arc;

/// The outcome of a message: its number, how it ended, and the codes of its recipients.
pub type Ended = (usize, super::SessionEnd, Vec<Option<ReplyCode>>);

/// What the session reported.
#[derive(Debug, Default)]
pub struct SessionLog {
    /// Replies, in order.
    pub replies: Vec<(Phase, ReplyCode)>,
    pub ended: Vec<Ended>,
    /// Messages that the session reported as turned away.
    pub turned_away: Vec<usize>,
    /// Messages that the session reported as ambiguous.
    pub ambiguous: Vec<usize>,
    /// Number of messages returned by `release`.
    pub released: usize,
}

impl SessionWatch<usize> for SessionLog {
    fn replied(&mut self, phase: Phase, code: ReplyCode, _: &[u8], _: u64) {
        self.replies.push((phase, code));
    }

    fn release(&mut self, _: Box<OutgoingMail>) {
        self.released += 1;
    }

    fn done(&mut self, done: Done<'_, usize>) {
        self.ended.push((done.cookie, done.end, done.codes.to_vec()));
        self.turned_away.extend(done.is_turned_away.then_some(done.cookie));
        self.ambiguous.extend(done.is_ambiguous.then_some(done.cookie));
    }
}

/// A client that sends a list of messages, then QUIT.
#[derive(Debug)]
pub struct TestClient {
    pub session: ClientSession<usize>,
    mails: std::vec::IntoIter<OutgoingMail>,
    started: usize,
    pub log: SessionLog,
}

impl TestClient {
    /// Creates a client that is connected.
    pub fn new(options: Options, mails: Vec<OutgoingMail>) -> TestClient {
        let session = ClientSession::new(options, MonotonicUs::START);
        TestClient { session, mails: mails.into_iter(), started: 0, log: SessionLog::default() }
    }

    /// Passes the server's next octets to the session.
    pub fn feed(&mut self, octets: &[u8]) {
        self.session.feed(octets, MonotonicUs::START, &mut self.log);
        self.fill();
    }

    /// Completes the handshake that the session waits for.
    pub fn secure(&mut self) {
        self.session.secured();
    }

    fn fill(&mut self) {
        while self.session.can_start() {
            let Some(mail) = self.mails.next() else { return self.session.quit() };
            self.session.start(self.started, Box::new(mail), MonotonicUs::START, &mut self.log);
            self.started += 1;
        }
        if self.session.is_exhausted() {
            self.session.quit();
        }
    }

    /// Returns at most `octets_max` octets of output, and marks them as written.
    pub fn write(&mut self, octets_max: usize) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 8];
        let n = self.session.slices(&mut slices);
        let mut octets: Vec<u8> =
            slices[..n].iter().flat_map(|slice| slice.iter().copied()).collect();
        octets.truncate(octets_max);
        self.session.mark_written(octets.len(), MonotonicUs::START, &mut self.log);
        self.fill();
        octets
    }

    /// Returns all output, and marks it as written.
    pub fn write_all(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        while self.session.has_output() {
            octets.extend(self.write(usize::MAX));
        }
        octets
    }

    /// Ends the connection. Every message that was started must have ended exactly once.
    pub fn finish(mut self) -> SessionLog {
        self.session.lost(&mut self.log);
        let mut numbers: Vec<usize> = self.log.ended.iter().map(|(number, ..)| *number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..self.started).collect::<Vec<_>>(), "each ends once");
        assert_eq!(self.log.released, self.started, "each mail comes back once");
        self.log
    }
}

/// Creates a message with N recipients.
pub fn mail(recipients: usize, content: &[u8], form: super::ContentForm) -> OutgoingMail {
    let mut mail = OutgoingMail::default();
    mail.form = form;
    mail.from(b"a@example.org", b"BODY=8BITMIME");
    for recipient in 0..recipients {
        mail.to(format!("r{recipient}@example.com").as_bytes(), b"");
    }
    let (head, body) = content.split_at(content.len() / 2);
    mail.head.extend_from_slice(head);
    mail.body = bytes::Bytes::copy_from_slice(body);
    mail
}

/// Returns the account of a variant, or none.
fn account(variant: u8) -> Option<Arc<Account>> {
    let preference = match variant {
        0 | 1 => return None,
        2 | 3 => Preference::Strongest,
        other => Preference::Only(Mechanism::ALL[usize::from(other) % 4]),
    };
    Some(Arc::new(Account::new("ann", b"s3cr3t".to_vec(), preference).expect("they can be sent")))
}

/// Checks for the fuzz target `replies`: no server octets cause a panic, each message ends exactly
/// once, and lines are the same however the octets were cut.
///
/// `bytes`: one octet that selects the options, then the server's octets.
pub fn check_replies(bytes: &[u8]) {
    let [variant, octets @ ..] = bytes else { return };
    let is = |bit: u8| variant & bit != 0;
    let options = Options {
        protocol: if is(1) { super::Protocol::Lmtp } else { super::Protocol::Smtp },
        name: "client.example".into(),
        pipelining: is(2),
        chunking: is(4),
        depth: 1 + usize::from(variant >> 5),
        joined_bytes_max: if is(16) { 100 } else { 0 },
        sends_ambiguous: false,
        start_tls: if is(32) { StartTls::Offered } else { StartTls::Never },
        account: account(variant >> 5),
    };
    let mails = || {
        let forms = [
            super::ContentForm::Clean,
            super::ContentForm::Raw,
            super::ContentForm::Stuffed { dots: 1 },
        ];
        // Content that is written together with its commands, and content that is not.
        let content = |n| b"..a\r\n".repeat([1, 100, 1][n]);
        forms.into_iter().enumerate().map(|(n, form)| mail(n + 1, &content(n), form)).collect()
    };
    let [at_once, one_by_one] = [true, false].map(|is_at_once| {
        let mut talk = TestClient::new(options.clone(), mails());
        let mut written = Vec::new();
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            // Some servers send replies before any command.
            if !is(8) || !line.starts_with(b"2") {
                written.extend(talk.write_all());
            }
            let piece = if is_at_once { line.len() } else { 1 };
            line.chunks(piece).for_each(|piece| talk.feed(piece));
            if talk.session.wants_handshake() {
                talk.secure();
            }
        }
        written.extend(talk.write_all());
        let fault = talk.session.fault();
        let log = talk.finish();
        (written, fault, log.replies, log.ended)
    });
    assert_eq!(at_once, one_by_one);
}
