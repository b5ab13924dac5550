//! Starts a sinkd on a free port, and provides a small blocking SMTP client.
#![allow(dead_code)]
#[cfg(target_os = "linux")]
pub mod trace;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sinkd::log::Slot;
use sinkd::log::reader::Folder;
use sinkd::time::Span;
use socket2::{Domain, Socket, Type};

/// Longer than anything here takes; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Returns a command without the environment variables that are settings of sinkd: the shell that
/// runs the tests may have set some.
pub fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_string_lossy().starts_with("SINKD_")) {
        command.env_remove(name);
    }
    command
}

/// Returns a command for a sinkd that SIGHUP ends even if nohup started these tests: ignored
/// signals are inherited.
fn sinkd() -> Command {
    let path = env!("CARGO_BIN_EXE_sinkd");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).unwrap_or(0);
    if ignored & 1 == 0 {
        return program(path);
    }
    let mut command = program("env");
    command.args(["--default-signal=HUP", path]);
    command
}

pub fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}

/// Connects to `address`. Reading and writing fail after [`PATIENCE`].
///
/// Every client needs these timeouts: Linux resets no connection whose handshake ends in the moment
/// in which the listener closes, so that its client would wait forever.
pub fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Like [`connect`], from a given address of this machine.
pub fn connect_from(from: [u8; 4], address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&address.into())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket.into())
}

/// Connects to the Unix socket at `path`. Reading and writing fail after [`PATIENCE`].
pub fn connect_unix(path: impl AsRef<Path>) -> std::io::Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Reads one reply, all its lines, in however many pieces it arrives; less if the stream ends.
pub fn read_reply(stream: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let (mut reply, mut piece) = (Vec::new(), [0; 4096]);
    while !is_whole(&reply) {
        match stream.read(&mut piece)? {
            0 => break,
            octets => reply.extend_from_slice(&piece[..octets]),
        }
    }
    Ok(reply)
}

/// Returns whether the last line has arrived: in all other lines, a hyphen follows the code.
pub fn is_whole(reply: &[u8]) -> bool {
    let Some(lines) = reply.strip_suffix(b"\r\n") else { return false };
    let last = lines.rsplit(|octet| *octet == b'\n').next().unwrap_or_default();
    last.get(3) == Some(&b' ')
}

/// Polls until there is an answer.
#[track_caller]
pub fn until_some<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(std::time::Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

/// Polls until the condition holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    until_some(what, || holds().then_some(()));
}

/// Sets a flag when dropped, so that the threads of a test end even after a failed assertion.
/// Otherwise the scope would wait for them forever, and hide the failure.
pub struct SetWhenDropped<'a>(pub &'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A running sinkd that is killed when dropped.
pub struct Sink {
    pub child: Child,
    /// Addresses of the mail listeners, in command-line order.
    pub addresses: Vec<SocketAddr>,
    pub http: Option<SocketAddr>,
    /// Everything that sinkd listens on, such as "LMTP on unix:/run/x".
    pub announced: Vec<String>,
}

impl Sink {
    /// Starts `sinkd` on `data` with one listener on a free port, and waits until it is ready.
    pub fn start(data: &Path, args: &[&str]) -> Sink {
        Sink::start_http(data, "off", args)
    }

    /// Starts sinkd with HTTP at `http`. Tests run in parallel, so never use the default address.
    pub fn start_http(data: &Path, http: &str, args: &[&str]) -> Sink {
        let mut command = sinkd();
        command.args(["--listen", "127.0.0.1:0", "--log-level", "warn", "--http", http]);
        command.args(args).arg("--data").arg(data);
        Sink::spawn(&mut command)
    }

    pub fn spawn(command: &mut Command) -> Sink {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let (mut addresses, mut http, mut announced) = (Vec::new(), None, Vec::new());
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if line.starts_with("sinkd: data in ") {
                return Sink { child, addresses, http, announced };
            }
            let line = line.strip_prefix("sinkd: ").unwrap();
            if let Some(address) = line.strip_prefix("HTTP on ") {
                http = address.parse().ok();
            } else if let Ok(address) = line[line.rfind(' ').unwrap() + 1..].parse() {
                addresses.push(address);
            }
            announced.push(line.to_owned());
        }
        let status = child.wait().unwrap();
        panic!("sinkd ended before it was ready: {status}");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        self::signal(self.child.id(), signal);
    }

    /// Sends SIGTERM; returns the exit status.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.child.wait().unwrap()
    }

    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Sends SIGKILL, so that sinkd can't react.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Connects and reads the greeting.
    pub fn connect(&self) -> Client {
        let mut client = self.connect_quietly();
        let (code, _) = client.reply();
        assert_eq!(code, 220);
        client
    }

    /// Connects from a given address of this machine to one of the listeners, and reads the
    /// greeting.
    pub fn connect_from(&self, from: [u8; 4], listener: usize) -> Client {
        let mut client = self.connect_quietly_from(from, listener);
        assert_eq!(client.reply().0, 220);
        client
    }

    /// Connects from a given address, without reading the greeting.
    pub fn connect_quietly_from(&self, from: [u8; 4], listener: usize) -> Client {
        Client::over(connect_from(from, self.addresses[listener]).unwrap())
    }

    /// Connects without reading anything.
    pub fn connect_quietly(&self) -> Client {
        Client::over(connect(self.addresses[0]).unwrap())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One session, one command at a time.
pub struct Client {
    pub stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Client {
    fn over(stream: TcpStream) -> Client {
        stream.set_nodelay(true).unwrap();
        Client { reader: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    pub fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap();
    }

    /// Reads the next reply; returns its code, and its lines without codes.
    pub fn reply(&mut self) -> (u16, Vec<String>) {
        self.try_reply().expect("a reply")
    }

    /// Reads the next reply, or returns `None` when the connection has ended.
    pub fn try_reply(&mut self) -> Option<(u16, Vec<String>)> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            match self.reader.read_line(&mut line) {
                Ok(n) if n > 0 && line.ends_with("\r\n") => {}
                _ => return None,
            }
            let code = line[..3].parse().unwrap();
            lines.push(line[4..].trim_end().to_owned());
            if line.as_bytes()[3] == b' ' {
                return Some((code, lines));
            }
        }
    }

    /// Sends a command and returns the code of its reply.
    pub fn command(&mut self, line: &str) -> u16 {
        self.send(format!("{line}\r\n").as_bytes());
        self.reply().0
    }

    /// Sends the commands of a transaction up to the 354.
    pub fn begin(&mut self, from: &str, to: &str) {
        assert_eq!(self.command(&format!("MAIL FROM:<{from}>")), 250);
        assert_eq!(self.command(&format!("RCPT TO:<{to}>")), 250);
        assert_eq!(self.command("DATA"), 354);
    }

    pub fn ehlo(&mut self) {
        assert_eq!(self.command("EHLO client.example"), 250);
    }

    /// Sends a message in wire form (without the end of data) and returns its id.
    pub fn deliver(&mut self, from: &str, to: &str, wire: &[u8]) -> String {
        self.begin(from, to);
        self.send(&[wire, b".\r\n"].concat());
        let (code, lines) = self.reply();
        assert_eq!(code, 250, "{lines:?}");
        id_of(&lines[0])
    }

    /// Reads everything until the server closes.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset ends the stream, like a close.
        let _ = self.reader.read_to_end(&mut rest);
        rest
    }
}

/// Returns the content of `file`.
pub fn text_of(mut file: std::fs::File) -> String {
    use std::io::Seek;
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// Extracts the id from `2.0.0 Ok 17:3`, which the name of the sink may follow.
pub fn id_of(text: &str) -> String {
    text.split(' ').skip_while(|word| *word != "Ok").nth(1).unwrap().to_owned()
}

/// Arguments of the sinks that `load` uses.
pub const LOAD_ARGS: [&str; 4] = ["--message-bytes-max", "2000", "--workers", "2"];

/// Runs some sessions, each with five messages of two recipients with the payload `wire(i)`, one
/// unknown command, and one message that is too large.
pub fn load(sink: &Sink, sessions: usize, wire: fn(usize) -> Vec<u8>) {
    for _ in 0..sessions {
        let mut client = sink.connect();
        client.ehlo();
        for i in 0..5 {
            assert_eq!(client.command("MAIL FROM:<a@example.org>"), 250);
            assert_eq!(client.command("RCPT TO:<b@example.org>"), 250);
            assert_eq!(client.command("RCPT TO:<c@example.org>"), 250);
            assert_eq!(client.command("DATA"), 354);
            client.send(&[&wire(i)[..], b".\r\n"].concat());
            assert_eq!(client.reply().0, 250);
        }
        assert_eq!(client.command("WHAT"), 500);
        client.begin("a@example.org", "b@example.org");
        client.send(&[&b"x".repeat(3000)[..], b"\r\n.\r\n"].concat());
        assert_eq!(client.reply().0, 552);
        assert_eq!(client.command("QUIT"), 221);
        assert!(client.rest().is_empty());
    }
}

/// Runs sinkctl on `data`; returns its output and exit code.
pub fn sinkctl(data: &Path, args: &[&str]) -> (Vec<u8>, String, i32) {
    sinkctl_on(&[data], args)
}

/// Runs sinkctl on several folders.
pub fn sinkctl_on(folders: &[&Path], args: &[&str]) -> (Vec<u8>, String, i32) {
    let mut command = program(env!("CARGO_BIN_EXE_sinkctl"));
    for folder in folders {
        command.arg("--data").arg(folder);
    }
    let output = command.args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.stdout, errors, output.status.code().unwrap_or(-1))
}

/// A small generator of reproducible random numbers (xorshift64*), so that a failed run can be
/// repeated.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Returns the dice number `n` of a test whose choices may vary: `TEST_SEED=N` varies them.
    pub fn number(n: u64) -> Dice {
        let seed = std::env::var("TEST_SEED").map_or(0, |seed| seed.parse().expect("a number"));
        Dice::new(n.wrapping_add(u64::wrapping_mul(seed, 1_000_003)))
    }

    pub fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % below.max(1)
    }
}

/// Returns every message in the folder: its slot and its payload in wire form.
pub fn messages(data: &Path) -> Vec<(Slot, Vec<u8>)> {
    let folder = Folder::open(data).unwrap();
    let unreadable: Vec<String> = folder.unreadable().map(ToString::to_string).collect();
    assert!(unreadable.is_empty(), "{unreadable:?}");
    let listing = folder.listing(Span::default()).unwrap();
    let slots: Vec<Slot> = listing.forward(0).unwrap().map(Result::unwrap).collect();
    let read = |slot: Slot| {
        let (segment, _) = folder.find(slot.id()).unwrap();
        let mut record = Vec::new();
        let (_, payload) = segment.record(&slot, &mut record).unwrap();
        (slot, payload.to_vec())
    };
    slots.into_iter().map(read).collect()
}
