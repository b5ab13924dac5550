//! The command line of loadgen.
use std::path::PathBuf;
use std::str::FromStr;

pub const USAGE: &str = "\
loadgen --port P [options]        (traffic goes to 127.0.0.1 only)
  --mode plain|pipelined|chunking|idle|connect   plain: one command per round trip;
                   connect: EHLO and QUIT, over and over: each connection counts as a message
  --tls starttls|implicit|off   TLS 1.3 with full handshakes over P-256, any
                   certificate is accepted                    [off]
  --conns N        concurrent connections                     [1]
  --messages N     stop after N messages                      [0 = no limit]
  --secs S         stop taking new messages after S seconds   [0 = no limit]
  --per-conn N     messages per connection, 0 = unlimited     [0]
  --rcpts N        recipients per message                     [1]
  --size SPEC      message size in bytes, or size:weight,...,
                   or 'mixed' = 2048:70,20480:25,204800:5     [2048]
  --window W       chunking: messages in flight per connection[16]
  --ramp N         connections being opened at a time         [64]
  --hold S         idle: seconds to hold the connections      [10]
  --seed N         random seed                                [1]
  --timeout S      give up when nothing happens for S seconds [20]
  --times FILE     write when each message was begun and acknowledged: two numbers
                   of 8 octets (little-endian), ns of CLOCK_MONOTONIC
  --sync           print {\"event\":\"start\"} when all connections are ready and
                   wait for a line on stdin before the first message
";

/// What `--size mixed` stands for.
const MIXED_SIZES: &str = "2048:70,20480:25,204800:5";

/// The dialogue. `Debug` of a variant is its name in the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One command per round trip, DATA.
    Plain,
    /// MAIL, RCPT and DATA in one group, together with the end of the message before.
    Pipelined,
    /// MAIL, RCPT and BDAT with its chunk, up to `window` messages at a time.
    Chunking,
    /// EHLO, then nothing.
    Idle,
    /// EHLO and QUIT.
    Connect,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsUse {
    Off,
    StartTls,
    /// Before the greeting.
    Implicit,
}

/// What happens when all connections are ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    AtOnce,
    /// After a line on stdin.
    OnSignal,
}

/// Messages of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeShare {
    pub bytes: usize,
    /// Its share, in relation to the sum of the weights of all sizes.
    pub weight: usize,
}

#[derive(Debug, Clone)]
pub struct Options {
    pub port: u16,
    pub mode: Mode,
    pub tls: TlsUse,
    /// 1 or more.
    pub connections: usize,
    /// `None`: no limit.
    pub messages: Option<u64>,
    /// Seconds after which no message is begun; `None`: no limit.
    pub seconds: Option<f64>,
    /// `None`: no limit.
    pub messages_per_connection: Option<u32>,
    /// Number for each message; 1 or more.
    pub recipients: usize,
    pub sizes: Vec<SizeShare>,
    /// Messages in flight on each connection with chunking; 1 or more.
    pub window: usize,
    /// Connections that are being opened at a time.
    pub opening_max: usize,
    /// How long idle connections are held, seconds.
    pub hold_seconds: f64,
    pub seed: u64,
    /// Seconds without an event after which the run ends as failed.
    pub timeout_seconds: f64,
    /// File for the times of each message.
    pub times: Option<PathBuf>,
    pub start: Start,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Request {
    Help,
    Run(Box<Options>),
}

/// Parses the arguments after the name of the program. Errors are sentences for the user.
pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Request, String> {
    let mut options = Options {
        port: 0,
        mode: Mode::Plain,
        tls: TlsUse::Off,
        connections: 1,
        messages: None,
        seconds: None,
        messages_per_connection: None,
        recipients: 1,
        sizes: vec![SizeShare { bytes: 2048, weight: 1 }],
        window: 16,
        opening_max: 64,
        hold_seconds: 10.0,
        seed: 1,
        timeout_seconds: 20.0,
        times: None,
        start: Start::AtOnce,
    };
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--sync" => options.start = Start::OnSignal,
            "--help" | "-h" => return Ok(Request::Help),
            _ => {
                let value = arguments.next().ok_or_else(|| format!("{flag} needs a value"))?;
                options.set(&flag, &value)?;
            }
        }
    }
    options.check()?;
    Ok(Request::Run(Box::new(options)))
}

impl Options {
    fn set(&mut self, flag: &str, value: &str) -> Result<(), String> {
        match flag {
            "--port" => self.port = number(flag, value)?,
            "--mode" => self.mode = mode(value)?,
            "--tls" => self.tls = tls_use(value)?,
            "--conns" => self.connections = number(flag, value)?,
            "--messages" => self.messages = Some(number(flag, value)?).filter(|&n| n > 0),
            "--secs" => self.seconds = Some(number(flag, value)?).filter(|&n| n > 0.0),
            "--per-conn" => {
                self.messages_per_connection = Some(number(flag, value)?).filter(|&n| n > 0);
            }
            "--rcpts" => self.recipients = number(flag, value)?,
            "--size" => self.sizes = sizes(value)?,
            "--times" => self.times = Some(PathBuf::from(value)).filter(|_| !value.is_empty()),
            "--window" => self.window = number(flag, value)?,
            "--ramp" => self.opening_max = number(flag, value)?,
            "--hold" => self.hold_seconds = number(flag, value)?,
            "--seed" => self.seed = number(flag, value)?,
            "--timeout" => self.timeout_seconds = number(flag, value)?,
            _ => return Err(format!("unknown option {flag}\n{USAGE}")),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        if self.port == 0 {
            return Err("--port is required".into());
        }
        if self.mode != Mode::Idle && self.messages.is_none() && self.seconds.is_none() {
            return Err("one of --messages, --secs is required".into());
        }
        if self.mode == Mode::Connect && self.seconds.is_none() {
            return Err("--mode connect needs --secs".into());
        }
        if self.recipients == 0 || self.window == 0 || self.connections == 0 {
            return Err("--rcpts, --window and --conns must be positive".into());
        }
        Ok(())
    }
}

fn number<N: FromStr>(flag: &str, value: &str) -> Result<N, String> {
    value.parse().map_err(|_| format!("bad value for {flag}: {value}"))
}

fn mode(value: &str) -> Result<Mode, String> {
    Ok(match value {
        "plain" => Mode::Plain,
        "pipelined" => Mode::Pipelined,
        "chunking" => Mode::Chunking,
        "idle" => Mode::Idle,
        "connect" => Mode::Connect,
        _ => return Err("unknown mode".into()),
    })
}

fn tls_use(value: &str) -> Result<TlsUse, String> {
    Ok(match value {
        "starttls" => TlsUse::StartTls,
        "implicit" => TlsUse::Implicit,
        "off" => TlsUse::Off,
        _ => return Err("--tls starttls|implicit|off".into()),
    })
}

fn sizes(value: &str) -> Result<Vec<SizeShare>, String> {
    let value = if value == "mixed" { MIXED_SIZES } else { value };
    let share = |text: &str| {
        let (bytes, weight) = text.split_once(':').unwrap_or((text, "1"));
        Some(SizeShare { bytes: bytes.parse().ok()?, weight: weight.parse().ok()? })
    };
    let sizes: Option<Vec<SizeShare>> = value.split(',').map(share).collect();
    let sizes = sizes.filter(|sizes| sizes.iter().any(|size| size.weight > 0));
    sizes.ok_or_else(|| "bad --size".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, String> {
        match parse(line.split_whitespace().map(str::to_owned))? {
            Request::Run(options) => Ok(*options),
            Request::Help => Err("help".into()),
        }
    }

    #[test]
    fn zero_means_no_limit() {
        let options =
            parsed("--port 25 --mode idle --messages 0 --secs 0 --per-conn 0").expect("options");
        assert_eq!((options.messages, options.messages_per_connection), (None, None));
        assert_eq!(options.seconds, None);
    }

    #[test]
    fn sizes_have_weights_and_mixed_is_an_abbreviation() {
        let share = |bytes, weight| SizeShare { bytes, weight };
        assert_eq!(sizes("2048"), Ok(vec![share(2048, 1)]));
        assert_eq!(sizes("1:2,30"), Ok(vec![share(1, 2), share(30, 1)]));
        assert_eq!(sizes("mixed"), sizes(MIXED_SIZES));
        for wrong in ["", "x", "1:", ":1", "1,", "1:0"] {
            assert_eq!(sizes(wrong), Err("bad --size".into()), "{wrong}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let rows = [
            ("", "--port is required"),
            ("--port", "--port needs a value"),
            ("--port x --messages 1", "bad value for --port: x"),
            ("--port 25", "one of --messages, --secs is required"),
            ("--port 25 --messages 1 --mode connect", "--mode connect needs --secs"),
            ("--port 25 --messages 1 --mode x", "unknown mode"),
            ("--port 25 --messages 1 --tls on", "--tls starttls|implicit|off"),
            ("--port 25 --messages 1 --rcpts 0", "--rcpts, --window and --conns must be positive"),
        ];
        for (line, expected) in rows {
            assert_eq!(parsed(line).err().as_deref(), Some(expected), "{line}");
        }
        assert!(
            parsed("--fast yes").is_err_and(|error| error.starts_with("unknown option --fast"))
        );
        assert!(matches!(parse(["-h".to_owned()].into_iter()), Ok(Request::Help)));
    }
}
