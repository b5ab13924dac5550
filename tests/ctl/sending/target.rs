//! A server that speaks as a test wants it to.
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How a server speaks.
#[derive(Clone, Copy)]
pub struct Manner {
    pub greeting: &'static str,
    /// Keywords of its reply to EHLO.
    pub extensions: &'static [&'static str],
    /// Messages accepted over one connection; the next MAIL gets 421, and the connection ends.
    pub per_connection: usize,
    /// Messages accepted in all, over one connection after the other; then the server is gone.
    pub in_all: Option<usize>,
    /// Messages accepted in all, after which it reads on and answers nothing.
    pub answered: usize,
    /// It reads LF.LF for the end of data, whether a CR is there or not.
    pub is_careless: bool,
}

pub const PLAIN: Manner = Manner {
    greeting: "220 ready",
    extensions: &[],
    per_connection: usize::MAX,
    in_all: None,
    answered: usize::MAX,
    is_careless: false,
};

/// A message that a server accepted: its recipients, and its content as the server read it.
pub type Accepted = (Vec<String>, Vec<u8>);

/// A server. Its threads go with the test.
pub struct Target {
    pub address: SocketAddr,
    pub accepted: Arc<Mutex<Vec<Accepted>>>,
}

impl Target {
    pub fn start(manner: Manner) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let theirs = accepted.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let talk = Talk { manner, accepted: theirs.clone(), stream };
                match manner.in_all {
                    None => drop(std::thread::spawn(move || talk.hold())),
                    Some(in_all) => {
                        let _ = talk.hold();
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

/// One connection.
struct Talk {
    manner: Manner,
    accepted: Arc<Mutex<Vec<Accepted>>>,
    stream: TcpStream,
}

impl Talk {
    fn say(&self, line: &str) -> std::io::Result<()> {
        let is_mute = self.accepted.lock().unwrap().len() >= self.manner.answered;
        if is_mute { Ok(()) } else { (&self.stream).write_all(format!("{line}\r\n").as_bytes()) }
    }

    fn hold(&self) -> std::io::Result<()> {
        let (mut messages, mut recipients) = (0, Vec::new());
        let mut reader = BufReader::new(self.stream.try_clone()?);
        self.say(self.manner.greeting)?;
        if !self.manner.greeting.starts_with('2') {
            return Ok(());
        }
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let command = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            match command.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" => {
                    self.say("250-mx.test")?;
                    let mut extensions = self.manner.extensions.iter();
                    extensions.try_for_each(|name| self.say(&format!("250-{name}")))?;
                    self.say("250 HELP")?;
                }
                "MAIL" if messages >= self.manner.per_connection => {
                    return self.say("421 4.7.0 too many messages over this connection");
                }
                "MAIL" => self.say("250 ok")?,
                "RCPT" => {
                    let path = command.split(['<', '>']).nth(1).unwrap_or_default();
                    recipients.push(path.to_owned());
                    self.say("250 ok")?;
                }
                "DATA" => {
                    self.say("354 go on")?;
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
                "QUIT" => return self.say("221 bye"),
                "RSET" | "NOOP" => self.say("250 ok")?,
                _ => self.say("500 no such command")?,
            }
        }
        Ok(())
    }

    fn accept(&self, recipients: &mut Vec<String>, content: Vec<u8>) -> std::io::Result<()> {
        // Before it counts: a server that answers no more has answered this one.
        let answered = self.say("250 accepted");
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
            let is_end = match self.manner.is_careless {
                true => line == b".\n" || line == b".\r\n",
                false => line == b".\r\n" && (content.is_empty() || content.ends_with(b"\r\n")),
            };
            if is_end {
                return Ok(content);
            }
            content.extend_from_slice(&line);
        }
    }
}

/// What `--json` printed; metrics other than the two that tests look at are left out, so that a
/// failure can be read.
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
