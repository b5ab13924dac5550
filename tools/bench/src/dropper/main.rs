//! dropper: a server of mio and rustls, one thread, that speaks loadgen's and blast's dialogues and
//! throws the mail away. It is a yardstick for TLS: what decrypting costs a program that does
//! nothing else. It distinguishes commands by their first letter, and every answer is canned.
//!
//!   dropper --port P [--cert FILE --key FILE [--tls-port P] [--rustls unbuffered|buffered]]
//!
//! With a certificate, it offers STARTTLS on --port, and TLS from the first byte on --tls-port.
//! `unbuffered` decrypts in the buffer of the socket; `buffered` is what most programs use,
//! rustls's ServerConnection.
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;

use memchr::{memchr, memmem};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{ServerConfig, ServerConnection};

const READ_BYTES: usize = 65536;

const R_BANNER: &[u8] = b"220 dropper.example ESMTP\r\n";
const R_EHLO: &[u8] = b"250-dropper.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n250 SIZE 104857600\r\n";
const R_EHLO_TLS: &[u8] = b"250-dropper.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-STARTTLS\r\n250-8BITMIME\r\n250 SIZE 104857600\r\n";
const R_TLS: &[u8] = b"220 2.0.0 Ready\r\n";
const R_MAIL: &[u8] = b"250 2.1.0 Ok\r\n";
const R_RCPT: &[u8] = b"250 2.1.5 Ok\r\n";
const R_DATA: &[u8] = b"354 End data with <CR><LF>.<CR><LF>\r\n";
const R_DONE: &[u8] = b"250 2.0.0 Ok: dropped\r\n";
const R_QUIT: &[u8] = b"221 2.0.0 Bye\r\n";

fn die(message: impl std::fmt::Display) -> ! {
    eprintln!("dropper: {message}");
    std::process::exit(2)
}

// ---------------------------------------------------------------- the dialogue

enum State {
    Commands,
    /// The payload of DATA, and its last four bytes so far.
    Data([u8; 4], usize),
    /// Remaining octets of a chunk.
    Chunk(u64),
}

#[derive(PartialEq)]
enum Wish {
    Nothing,
    Tls,
    Quit,
}

struct Dialogue {
    state: State,
    /// The incomplete last line.
    part: Vec<u8>,
    offers_tls: bool,
    /// The greeting waits for the end of the handshake.
    owes_banner: bool,
    wish: Wish,
}

impl Dialogue {
    fn new(offers_tls: bool) -> Dialogue {
        Dialogue {
            state: State::Commands,
            part: Vec::new(),
            offers_tls,
            owes_banner: false,
            wish: Wish::Nothing,
        }
    }

    fn feed(&mut self, mut octets: &[u8], out: &mut Vec<u8>) {
        while !octets.is_empty() && self.wish == Wish::Nothing {
            match &mut self.state {
                State::Data(tail, n) => match data_end(&tail[..*n], octets) {
                    Some(end) => {
                        octets = &octets[end..];
                        self.state = State::Commands;
                        out.extend_from_slice(R_DONE);
                    }
                    None => {
                        let mut joined = [0; 8];
                        let last = &octets[octets.len().saturating_sub(4)..];
                        joined[..*n].copy_from_slice(&tail[..*n]);
                        joined[*n..*n + last.len()].copy_from_slice(last);
                        let all = *n + last.len();
                        let from = all.saturating_sub(4);
                        *n = all - from;
                        tail[..*n].copy_from_slice(&joined[from..all]);
                        return;
                    }
                },
                State::Chunk(left) => {
                    let taken = (*left).min(octets.len() as u64);
                    *left -= taken;
                    octets = &octets[taken as usize..];
                    if *left == 0 {
                        self.state = State::Commands;
                        out.extend_from_slice(R_DONE);
                    }
                }
                State::Commands => {
                    let Some(end) = memchr(b'\n', octets) else {
                        self.part.extend_from_slice(octets);
                        return;
                    };
                    let (line, rest) = octets.split_at(end + 1);
                    octets = rest;
                    if self.part.is_empty() {
                        self.command(line, out);
                    } else {
                        let mut whole = std::mem::take(&mut self.part);
                        whole.extend_from_slice(line);
                        self.command(&whole, out);
                    }
                }
            }
        }
    }

    fn command(&mut self, line: &[u8], out: &mut Vec<u8>) {
        match line[0] {
            b'M' | b'N' => out.extend_from_slice(R_MAIL),
            b'R' => out.extend_from_slice(R_RCPT),
            b'D' => {
                self.state = State::Data([0; 4], 0);
                out.extend_from_slice(R_DATA);
            }
            b'B' => {
                let digits = line[5..].iter().take_while(|octet| octet.is_ascii_digit());
                self.state = State::Chunk(digits.fold(0, |n, d| n * 10 + u64::from(d - b'0')));
            }
            b'E' | b'H' if self.offers_tls => out.extend_from_slice(R_EHLO_TLS),
            b'E' | b'H' => out.extend_from_slice(R_EHLO),
            b'S' if self.offers_tls => {
                out.extend_from_slice(R_TLS);
                self.wish = Wish::Tls;
            }
            _ => {
                out.extend_from_slice(R_QUIT);
                self.wish = Wish::Quit;
            }
        }
    }
}

/// Where DATA ends in `octets`, after CRLF.CRLF: the generators put it at the end of a write, with
/// at most 4 KiB of commands after it.
fn data_end(tail: &[u8], octets: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n.\r\n";
    if octets.ends_with(END) {
        return Some(octets.len());
    }
    if !tail.is_empty() {
        let mut joined = [0; 8];
        let head = &octets[..octets.len().min(4)];
        joined[..tail.len()].copy_from_slice(tail);
        joined[tail.len()..tail.len() + head.len()].copy_from_slice(head);
        if let Some(at) = memmem::find(&joined[..tail.len() + head.len()], END) {
            return Some(at + END.len() - tail.len());
        }
    }
    let from = octets.len().saturating_sub(4096);
    memmem::find(&octets[from..], END).map(|at| from + at + END.len())
}

// ---------------------------------------------------------------- layers

enum Layer {
    Plain,
    Unbuffered(Box<UnbufferedServerConnection>),
    Buffered(Box<ServerConnection>),
}

#[derive(Clone, Copy)]
enum Way {
    Unbuffered,
    Buffered,
}

#[derive(Clone)]
struct Tls {
    config: Arc<ServerConfig>,
    way: Way,
}

impl Tls {
    fn load(cert: &str, key: &str, way: Way) -> Tls {
        let chain = CertificateDer::pem_file_iter(Path::new(cert))
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .unwrap_or_else(|e| die(format!("{cert}: {e}")));
        let key = PrivateKeyDer::from_pem_file(key).unwrap_or_else(|e| die(format!("{key}: {e}")));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|it| it.with_no_client_auth().with_single_cert(chain, key))
            .unwrap_or_else(|e| die(e));
        // One ticket after a handshake, as sinkd sends, without a table of sessions.
        config.ticketer = aws_lc_rs::Ticketer::new().unwrap_or_else(|e| die(e));
        config.send_tls13_tickets = 1;
        Tls { config: Arc::new(config), way }
    }

    fn layer(&self) -> Layer {
        let config = self.config.clone();
        match self.way {
            Way::Unbuffered => Layer::Unbuffered(Box::new(
                UnbufferedServerConnection::new(config).unwrap_or_else(|e| die(e)),
            )),
            Way::Buffered => {
                Layer::Buffered(Box::new(ServerConnection::new(config).unwrap_or_else(|e| die(e))))
            }
        }
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

fn encode<D>(mut message: EncodeTlsData<'_, D>, out: &mut Vec<u8>) {
    let from = out.len();
    let mut bytes = 1024;
    loop {
        out.resize(from + bytes, 0);
        match message.encode(&mut out[from..]) {
            Ok(n) => return out.truncate(from + n),
            Err(EncodeError::InsufficientSize(needed)) => bytes = needed.required_size,
            Err(EncodeError::AlreadyEncoded) => return out.truncate(from),
        }
    }
}

fn encrypt<D>(traffic: &mut WriteTraffic<'_, D>, plain: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    let mut bytes = plain.len() + 256;
    loop {
        out.resize(from + bytes, 0);
        match traffic.encrypt(plain, &mut out[from..]) {
            Ok(n) => return out.truncate(from + n),
            Err(EncryptError::InsufficientSize(needed)) => bytes = needed.required_size,
            Err(e) => die(e),
        }
    }
}

/// Opens the complete records of `incoming`; returns the number of octets used, and whether the
/// client has closed. Replies are sealed into `out`.
fn unbuffered(
    connection: &mut UnbufferedServerConnection,
    incoming: &mut [u8],
    dialogue: &mut Dialogue,
    replies: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> io::Result<(usize, bool)> {
    let mut used = 0;
    loop {
        let UnbufferedStatus { mut discard, state, .. } =
            connection.process_tls_records(&mut incoming[used..]);
        let mut is_over = None;
        match state.map_err(invalid)? {
            ConnectionState::EncodeTlsData(message) => encode(message, out),
            ConnectionState::TransmitTlsData(sent) => sent.done(),
            ConnectionState::ReadTraffic(mut content) => {
                while let Some(record) = content.next_record() {
                    let record = record.map_err(invalid)?;
                    discard += record.discard;
                    dialogue.feed(record.payload, replies);
                }
            }
            ConnectionState::WriteTraffic(mut traffic) => {
                if std::mem::take(&mut dialogue.owes_banner) {
                    replies.extend_from_slice(R_BANNER);
                }
                if !replies.is_empty() {
                    encrypt(&mut traffic, replies, out);
                    replies.clear();
                }
                if dialogue.wish == Wish::Quit {
                    let from = out.len();
                    out.resize(from + 64, 0);
                    let n = traffic.queue_close_notify(&mut out[from..]).unwrap_or(0);
                    out.truncate(from + n);
                }
                is_over = Some(false);
            }
            ConnectionState::BlockedHandshake => is_over = Some(false),
            _ => is_over = Some(true),
        }
        used += discard;
        if let Some(closed) = is_over {
            return Ok((used, closed));
        }
    }
}

/// Like `unbuffered`, with rustls's own buffers, which accept all of `incoming`.
fn buffered(
    connection: &mut ServerConnection,
    mut incoming: &[u8],
    dialogue: &mut Dialogue,
    replies: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut closed = false;
    while !incoming.is_empty() && !closed {
        connection.read_tls(&mut incoming)?;
        let state = connection.process_new_packets().map_err(invalid)?;
        closed = state.peer_has_closed();
        if state.plaintext_bytes_to_read() > 0 {
            let mut reader = connection.reader();
            loop {
                let taken = match reader.fill_buf() {
                    Ok([]) | Err(_) => break,
                    Ok(content) => {
                        dialogue.feed(content, replies);
                        content.len()
                    }
                };
                reader.consume(taken);
            }
        }
    }
    connection.writer().write_all(replies)?;
    replies.clear();
    if dialogue.wish == Wish::Quit {
        connection.send_close_notify();
    }
    while connection.wants_write() {
        connection.write_tls(out)?;
    }
    Ok(closed)
}

// ---------------------------------------------------------------- connections

struct Conn {
    socket: TcpStream,
    dialogue: Dialogue,
    layer: Layer,
    /// Part of a record.
    held: Vec<u8>,
    /// Octets that the socket did not accept.
    unsent: Vec<u8>,
}

/// State shared by all connections.
struct Shared {
    tls: Option<Tls>,
    buffer: Vec<u8>,
    replies: Vec<u8>,
    out: Vec<u8>,
}

impl Conn {
    fn accepted(socket: TcpStream, layer: Layer, shared: &mut Shared) -> io::Result<Conn> {
        let offers_tls = matches!(layer, Layer::Plain) && shared.tls.is_some();
        let dialogue = Dialogue::new(offers_tls);
        let mut conn = Conn { socket, dialogue, layer, held: Vec::new(), unsent: Vec::new() };
        match &mut conn.layer {
            Layer::Plain => conn.send(R_BANNER)?,
            // rustls keeps it until the handshake is done.
            Layer::Buffered(connection) => connection.writer().write_all(R_BANNER)?,
            Layer::Unbuffered(_) => conn.dialogue.owes_banner = true,
        }
        Ok(conn)
    }

    fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        if self.unsent.is_empty() {
            let sent = match self.socket.write(octets) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
                other => other?,
            };
            self.unsent.extend_from_slice(&octets[sent..]);
        } else {
            self.unsent.extend_from_slice(octets);
        }
        Ok(())
    }

    fn send_unsent(&mut self) -> io::Result<()> {
        let octets = std::mem::take(&mut self.unsent);
        match octets.is_empty() {
            true => Ok(()),
            false => self.send(&octets),
        }
    }

    /// Reads until the socket is empty. Returns whether the connection is over.
    fn turn(&mut self, shared: &mut Shared) -> io::Result<bool> {
        self.send_unsent()?;
        loop {
            let held = self.held.len();
            shared.buffer[..held].copy_from_slice(&self.held);
            self.held.clear();
            let free = &mut shared.buffer[held..];
            let asked = free.len();
            let count = match self.socket.read(free) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.held.extend_from_slice(&shared.buffer[..held]);
                    return Ok(false);
                }
                other => other?,
            };
            if count == 0 {
                return Ok(true);
            }
            if self.take(shared, held + count)? {
                return Ok(true);
            }
            // A short read has emptied the socket (epoll(7)).
            if count < asked {
                return Ok(false);
            }
        }
    }

    /// Handles the octets at the beginning of the buffer. Returns whether the connection is over.
    fn take(&mut self, shared: &mut Shared, octets: usize) -> io::Result<bool> {
        let Shared { tls, buffer, replies, out } = shared;
        let incoming = &mut buffer[..octets];
        replies.clear();
        out.clear();
        let mut closed = false;
        match &mut self.layer {
            Layer::Plain => {
                self.dialogue.feed(incoming, replies);
                std::mem::swap(replies, out);
                if let (Wish::Tls, Some(tls)) = (&self.dialogue.wish, tls) {
                    self.layer = tls.layer();
                    self.dialogue = Dialogue::new(false);
                }
            }
            Layer::Unbuffered(connection) => {
                let used;
                (used, closed) =
                    unbuffered(connection, incoming, &mut self.dialogue, replies, out)?;
                self.held.extend_from_slice(&incoming[used..]);
            }
            Layer::Buffered(connection) => {
                closed = buffered(connection, incoming, &mut self.dialogue, replies, out)?;
            }
        }
        if !out.is_empty() {
            self.send(out)?;
        }
        Ok(closed || self.dialogue.wish == Wish::Quit)
    }
}

// ---------------------------------------------------------------- the loop

fn listen(port: u16) -> TcpListener {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).unwrap_or_else(|e| die(format!("port {port}: {e}")));
    // Accepted sockets inherit it on Linux.
    let one: libc::c_int = 1;
    // SAFETY: the option is an integer of four bytes.
    unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NODELAY,
            (&raw const one).cast(),
            4,
        );
    }
    listener
}

struct Options {
    port: u16,
    tls_port: Option<u16>,
    tls: Option<Tls>,
}

fn options() -> Options {
    let (mut port, mut tls_port, mut cert, mut key) = (None, None, None, None);
    let mut way = Way::Unbuffered;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| die(format!("{name} needs a value")));
        let number = || value.parse().unwrap_or_else(|_| die(format!("{name}: {value}")));
        match (name.as_str(), value.as_str()) {
            ("--port", _) => port = Some(number()),
            ("--tls-port", _) => tls_port = Some(number()),
            ("--cert", _) => cert = Some(value),
            ("--key", _) => key = Some(value),
            ("--rustls", "unbuffered") => way = Way::Unbuffered,
            ("--rustls", "buffered") => way = Way::Buffered,
            _ => die(format!("unknown option {name} {value}")),
        }
    }
    let tls = match (cert, key) {
        (Some(cert), Some(key)) => Some(Tls::load(&cert, &key, way)),
        (None, None) => None,
        _ => die("--cert and --key go together"),
    };
    if tls_port.is_some() && tls.is_none() {
        die("--tls-port needs --cert and --key");
    }
    Options { port: port.unwrap_or_else(|| die("--port is required")), tls_port, tls }
}

fn main() -> io::Result<()> {
    let options = options();
    let mut listeners = vec![listen(options.port)];
    listeners.extend(options.tls_port.map(listen));
    let mut poll = Poll::new()?;
    for (n, listener) in listeners.iter_mut().enumerate() {
        poll.registry().register(listener, Token(n), Interest::READABLE)?;
    }
    let mut shared = Shared {
        tls: options.tls,
        buffer: vec![0; 2 * READ_BYTES],
        replies: Vec::new(),
        out: Vec::new(),
    };
    let mut events = Events::with_capacity(1024);
    let mut conns: Vec<Option<Conn>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    loop {
        match poll.poll(&mut events, None) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            let Token(token) = event.token();
            let Some(place) = token.checked_sub(listeners.len()) else {
                while let Ok((socket, _)) = listeners[token].accept() {
                    let layer = match (token, &shared.tls) {
                        (1, Some(tls)) => tls.layer(),
                        _ => Layer::Plain,
                    };
                    let Ok(mut conn) = Conn::accepted(socket, layer, &mut shared) else {
                        continue;
                    };
                    let place = free.pop().unwrap_or_else(|| {
                        conns.push(None);
                        conns.len() - 1
                    });
                    let both = Interest::READABLE | Interest::WRITABLE;
                    let token = Token(place + listeners.len());
                    poll.registry().register(&mut conn.socket, token, both)?;
                    conns[place] = Some(conn);
                }
                continue;
            };
            let Some(conn) = conns[place].as_mut() else { continue };
            if conn.turn(&mut shared).unwrap_or(true) {
                conns[place] = None;
                free.push(place);
            }
        }
    }
}
