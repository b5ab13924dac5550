//! A client: a real client session on its end of a socket pair.
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use sinkd::server::by_hand::WorkerPlace;
use sinkd::smtp::client::{
    ClientSession, ContentForm, Done, Options, OutgoingMail, Phase, Protocol, ReplyCode,
    SessionEnd, SessionFault, SessionWatch,
};
use sinkd::smtp::sasl::{Account, Mechanism, Preference};
use sinkd::time::MonotonicUs;
use sinkd::tls::CONTENT_BYTES_MAX;
use sinkd::tls::by_hand::ClientByHand;

use crate::common::Dice;

/// The outcomes of messages, from the client's point of view.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// Number, end, and reply code of each recipient.
    pub ended: Vec<(u64, SessionEnd, Vec<Option<ReplyCode>>)>,
    pub replies: u64,
}

impl SessionWatch<u64> for Outcomes {
    fn replied(&mut self, _: Phase, _: ReplyCode, _: &[u8], _: u64) {
        self.replies += 1;
    }

    fn release(&mut self, _: Box<OutgoingMail>) {}

    fn done(&mut self, done: Done<'_, u64>) {
        self.ended.push((done.cookie, done.end, done.codes.to_vec()));
    }
}

/// A message, whose content is determined by its number and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    pub number: u64,
    pub body_bytes: usize,
    pub recipients: usize,
}

impl Message {
    pub fn content(&self) -> Vec<u8> {
        let mut content = format!("X-Number: {}\r\n\r\n", self.number).into_bytes();
        let line = format!(
            "{} .. line of message {}\r\n",
            ".".repeat(self.number as usize % 3),
            self.number
        );
        while content.len() < self.body_bytes {
            content.extend_from_slice(line.as_bytes());
        }
        content
    }

    pub fn path(recipient: usize) -> String {
        format!("r{recipient}@example.com")
    }

    fn mail(&self) -> Box<OutgoingMail> {
        let mut mail = OutgoingMail::default();
        mail.form = ContentForm::Raw;
        mail.from(b"sender@example.org", b"");
        (0..self.recipients).for_each(|at| mail.to(Message::path(at).as_bytes(), b""));
        mail.body = self.content().into();
        Box::new(mail)
    }
}

/// What the other end notices of a client's action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    Nothing,
    /// Octets can be read.
    Wrote,
    /// There is more room for replies.
    Read,
    /// The connection has ended, or the client has shut down its side.
    Left,
}

/// TLS of a client: sealed octets to be sent, and the session content they carry.
pub struct Sealed {
    tls: ClientByHand,
    octets: Vec<u8>,
    /// Number of session octets that count as written once all of `octets` has been written.
    content: usize,
}

pub struct Client {
    pub number: u64,
    pub address: IpAddr,
    /// The client's place in the sink; `None` before the sink has accepted it, and after the sink
    /// has closed it.
    pub place: Option<WorkerPlace>,
    socket: Option<UnixStream>,
    /// `None` for plain text.
    sealed: Option<Sealed>,
    pub session: ClientSession<u64>,
    pub silent_until: Duration,
    pub deaf_until: Duration,
    is_half_closed: bool,
    /// The client leaves once a reply has arrived, without reading it.
    resets: bool,
    pub begun: u64,
}

impl Client {
    pub fn new(
        number: u64,
        (socket, address): (UnixStream, IpAddr),
        options: Options,
        now_us: MonotonicUs,
    ) -> Client {
        socket.set_nonblocking(true).unwrap();
        Client {
            number,
            address,
            place: None,
            socket: Some(socket),
            sealed: None,
            session: ClientSession::new(options, now_us),
            silent_until: Duration::ZERO,
            deaf_until: Duration::ZERO,
            is_half_closed: false,
            resets: false,
            begun: 0,
        }
    }

    pub fn options(protocol: Protocol, dice: &mut Dice) -> Options {
        Options {
            pipelining: dice.roll(3) > 0,
            chunking: dice.roll(2) > 0,
            depth: 1 + dice.roll(4),
            joined_bytes_max: if dice.roll(2) > 0 { 4096 } else { 0 },
            sends_ambiguous: true,
            account: (dice.roll(3) == 0).then(|| account(dice)),
            ..Options::plain(protocol, "client.example")
        }
    }

    /// Makes the client use TLS from the first octet.
    pub fn under(mut self, tls: ClientByHand) -> Client {
        self.sealed = Some(Sealed { tls, octets: Vec::new(), content: 0 });
        self
    }

    pub fn is_gone(&self) -> bool {
        self.socket.is_none()
    }

    pub fn start(&mut self, message: Message, now_us: MonotonicUs, outcomes: &mut Outcomes) {
        self.begun += 1;
        self.session.start(message.number, message.mail(), now_us, outcomes);
    }

    /// Writes up to `octets_max` octets.
    pub fn write(
        &mut self,
        octets_max: usize,
        now_us: MonotonicUs,
        outcomes: &mut Outcomes,
    ) -> Did {
        let Some(socket) = &mut self.socket else { return Did::Nothing };
        if self.is_half_closed {
            return Did::Nothing;
        }
        let mut content = Vec::new();
        if self.session.has_output() && self.sealed.as_ref().is_none_or(Sealed::takes_content) {
            let mut slices = [IoSlice::new(&[]); 8];
            let n = self.session.slices(&mut slices);
            // One record at a time: the sink answers a record as soon as all of it has been sent.
            let octets_max = match self.sealed {
                None => octets_max,
                Some(_) => octets_max.min(CONTENT_BYTES_MAX),
            };
            for slice in &slices[..n] {
                content.extend_from_slice(&slice[..slice.len().min(octets_max - content.len())]);
            }
        }
        let octets = match &mut self.sealed {
            None => content,
            Some(sealed) => sealed.next(&content, octets_max),
        };
        if octets.is_empty() {
            return Did::Nothing;
        }
        match socket.write(&octets) {
            Ok(n) => {
                let n = self.sealed.as_mut().map_or(n, |sealed| sealed.wrote(n));
                if n > 0 {
                    self.session.mark_written(n, now_us, outcomes);
                }
                Did::Wrote
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Did::Nothing,
            Err(_) => self.leave(outcomes),
        }
    }

    /// Reads up to `octets_max` octets of replies.
    pub fn read(&mut self, octets_max: usize, now_us: MonotonicUs, outcomes: &mut Outcomes) -> Did {
        let Some(socket) = &mut self.socket else { return Did::Nothing };
        if self.resets {
            return if is_silent(socket) { Did::Nothing } else { self.leave(outcomes) };
        }
        let mut octets = vec![0; octets_max];
        match socket.read(&mut octets) {
            Ok(0) => self.leave(outcomes),
            Ok(n) => {
                let replies = match &mut self.sealed {
                    None => octets[..n].to_vec(),
                    Some(sealed) => sealed.opened(&octets[..n]),
                };
                if !replies.is_empty() {
                    self.session.feed(&replies, now_us, outcomes);
                }
                match self.session.fault() {
                    None | Some(SessionFault::Closing) => {}
                    // A server that has to close can say so in the middle of a payload.
                    Some(SessionFault::Early {
                        phase: Phase::Payload,
                        code: ReplyCode::CLOSING,
                    }) => {}
                    fault => panic!("replies are out of step: {fault:?}"),
                }
                if self.session.is_closed() { self.leave(outcomes) } else { Did::Read }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Did::Nothing,
            Err(_) => self.leave(outcomes),
        }
    }

    /// Ends the connection.
    pub fn leave(&mut self, outcomes: &mut Outcomes) -> Did {
        self.session.lost(outcomes);
        self.socket = None;
        Did::Left
    }

    /// Resets the connection as soon as a reply has arrived.
    pub fn reset(&mut self) {
        self.resets = true;
    }

    pub fn half_close(&mut self) -> Did {
        let Some(socket) = &self.socket else { return Did::Nothing };
        self.is_half_closed = true;
        let _ = socket.shutdown(std::net::Shutdown::Write);
        Did::Left
    }
}

impl Sealed {
    /// Returns whether content can be sealed: the handshake is done, and no octets are waiting to
    /// be sent.
    fn takes_content(&self) -> bool {
        self.octets.is_empty() && !self.tls.is_handshaking()
    }

    /// Seals `content`; returns the next octets to send.
    fn next(&mut self, content: &[u8], octets_max: usize) -> Vec<u8> {
        if !content.is_empty() {
            self.tls.send(content);
            self.content = content.len();
        }
        self.octets.extend(self.tls.take_octets());
        self.octets[..self.octets.len().min(octets_max)].to_vec()
    }

    /// Removes octets that were sent; returns the number of session octets sent with them.
    fn wrote(&mut self, octets: usize) -> usize {
        self.octets.drain(..octets);
        if self.octets.is_empty() { std::mem::take(&mut self.content) } else { 0 }
    }

    /// Opens octets from the sink, which are always valid.
    fn opened(&mut self, octets: &[u8]) -> Vec<u8> {
        self.tls.receive(octets);
        assert_eq!(self.tls.take_error(), None);
        self.tls.take_content()
    }
}

/// An account that any sink accepts.
fn account(dice: &mut Dice) -> Arc<Account> {
    let preference = match dice.roll(2) {
        0 => Preference::Strongest,
        _ => Preference::Only(Mechanism::ALL[dice.roll(Mechanism::ALL.len())]),
    };
    Arc::new(Account::new("ann", b"s3cr3t".to_vec(), preference).unwrap())
}

/// Returns whether a read would find nothing: no octets, no end and no error.
fn is_silent(socket: &UnixStream) -> bool {
    let mut octet = [std::mem::MaybeUninit::uninit()];
    let peeked = socket2::SockRef::from(socket).peek(&mut octet);
    peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn closing_a_socket_with_unread_octets_resets_its_peer() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    assert!(is_silent(&theirs));
    ours.write_all(b"220 hello\r\n").unwrap();
    assert!(!is_silent(&theirs));
    drop(theirs);
    let error = ours.read(&mut [0; 9]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(ours.write(b"250 ok\r\n").unwrap_err().kind(), ErrorKind::BrokenPipe);
}
