//! A server with configurable behavior.
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The behavior of a server.
#[derive(Clone, Copy)]
pub struct Behavior {
    pub greeting: &'static str,
    /// Keywords of its reply to EHLO.
    pub extensions: &'static [&'static str],
    /// Messages accepted per connection; the next MAIL gets 421, and the connection ends.
    pub per_connection: usize,
    /// Messages accepted in total, on one connection after the other; then the server is gone.
    pub in_all: Option<usize>,
    /// Messages accepted in total, after which the server reads on and sends no replies.
    pub answered: usize,
    /// Whether the server takes LF.LF for the end of data, with or without CRs.
    pub is_careless: bool,
}

pub const PLAIN: Behavior = Behavior {
    greeting: "220 ready",
    extensions: &[],
    per_connection: usize::MAX,
    in_all: None,
    answered: usize::MAX,
    is_careless: false,
};

/// A message that a server accepted: its recipients, and its content as the server read it.
pub type Accepted = (Vec<String>, Vec<u8>);

/// A running server, whose threads end with the test.
pub struct Target {
    pub address: SocketAddr,
    pub accepted: Arc<Mutex<Vec<Accepted>>>,
}

impl Target {
    pub fn start(behavior: Behavior) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let theirs = accepted.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let connection = ServedConnection { behavior, accepted: theirs.clone(), stream };
                match behavior.in_all {
                    None => drop(std::thread::spawn(move || connection.serve())),
                    Some(in_all) => {
                        let _ = connection.serve();
                        if theirs.lock().unwrap().len() >= in_all {
                            return;
                        }
                    }
                }
            }
        });
        Target { address, accepted }
    }

    pub fn to(&self) -> String {
        self.address.to_string()
    }

    pub fn count(&self) -> usize {
        self.accepted.lock().unwrap().len()
    }
}

/// One connection to the server.
struct ServedConnection {
    behavior: Behavior,
    accepted: Arc<Mutex<Vec<Accepted>>>,
    stream: TcpStream,
}

impl ServedConnection {
    fn reply(&self, line: &str) -> std::io::Result<()> {
        let is_mute = self.accepted.lock().unwrap().len() >= self.behavior.answered;
        if is_mute { Ok(()) } else { (&self.stream).write_all(format!("{line}\r\n").as_bytes()) }
    }

    fn serve(&self) -> std::io::Result<()> {
        let (mut messages, mut recipients) = (0, Vec::new());
        let mut reader = BufReader::new(self.stream.try_clone()?);
        self.reply(self.behavior.greeting)?;
        if !self.behavior.greeting.starts_with('2') {
            return Ok(());
        }
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let command = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            match command.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" => {
                    self.reply("250-mx.test")?;
                    let mut extensions = self.behavior.extensions.iter();
                    extensions.try_for_each(|name| self.reply(&format!("250-{name}")))?;
                    self.reply("250 HELP")?;
                }
                "MAIL" if messages >= self.behavior.per_connection => {
                    return self.reply("421 4.7.0 too many messages over this connection");
                }
                "MAIL" => self.reply("250 ok")?,
                "RCPT" => {
                    let path = command.split(['<', '>']).nth(1).unwrap_or_default();
                    recipients.push(path.to_owned());
                    self.reply("250 ok")?;
                }
                "DATA" => {
                    self.reply("354 go on")?;
                    let content = self.content(&mut reader)?;
                    self.accept(&mut recipients, content)?;
                    messages += 1;
                }
                "BDAT" => {
                    let octets = command.split(' ').nth(1).unwrap().parse().unwrap();
                    let mut content = vec![0; octets];
                    std::io::Read::read_exact(&mut reader, &mut content)?;
                    self.accept(&mut recipients, content)?;
                    messages += 1;
                }
                "QUIT" => return self.reply("221 bye"),
                "RSET" | "NOOP" => self.reply("250 ok")?,
                _ => self.reply("500 no such command")?,
            }
        }
        Ok(())
    }

    fn accept(&self, recipients: &mut Vec<String>, content: Vec<u8>) -> std::io::Result<()> {
        // Reply before counting the message: a server that stops replying has replied to this one.
        let answered = self.reply("250 accepted");
        self.accepted.lock().unwrap().push((std::mem::take(recipients), content));
        answered
    }

    fn content(&self, reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
        let (mut content, mut line) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let is_end = if self.behavior.is_careless {
                line == b".\n" || line == b".\r\n"
            } else {
                line == b".\r\n" && (content.is_empty() || content.ends_with(b"\r\n"))
            };
            if is_end {
                return Ok(content);
            }
            content.extend_from_slice(&line);
        }
    }
}

/// Parses the output of `--json`. Metrics other than the two that tests use are removed, so that a
/// failure is readable.
pub fn report_of(out: &[u8], errors: &str) -> serde_json::Value {
    let mut report: serde_json::Value = serde_json::from_slice(out)
        .unwrap_or_else(|error| panic!("{error}: {}{errors}", String::from_utf8_lossy(out)));
    if let Some(report) = report.as_object_mut() {
        let stats = report.remove("stats").unwrap_or_default();
        let metrics =
            ["late_us", "transaction_us"].map(|name| (name, &stats["metrics"][name]["p50"]));
        let p50 = metrics.into_iter().map(|(name, p50)| (name.to_owned(), p50.clone())).collect();
        report.insert("p50".into(), serde_json::Value::Object(p50));
    }
    report
}
