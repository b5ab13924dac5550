//! The flags of `sinkctl replay`.
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use sinkd::log::{Moment, NotAMoment};
use sinkd::sender::Positive;

use crate::base::query_words::QueryWords;
use crate::base::value::{Unexpected, domain, number, positive, rate, time, time_above_0};

/// The headings of the help.
const MESSAGES: &str = "Messages";
const CHANGES: &str = "Changes to messages";
const LOAD: &str = "Load";
const AGAIN: &str = "Resuming and retrying";
const DIALOGUE: &str = "Dialogue";

#[derive(Debug, Args)]
pub struct Replay {
    #[command(flatten)]
    pub query: QueryWords,
    /// Messages to send: IDs separated by commas, or a file with one ID per line (- is standard
    /// input).
    #[arg(
        long,
        help_heading = MESSAGES,
        value_name = "IDS",
        conflicts_with_all = ["query", "since", "until", "run"]
    )]
    pub ids: Option<String>,
    /// Target: HOST:PORT (IPv6 addresses in brackets) or unix:PATH, with the prefix lmtp: for LMTP.
    #[arg(long, value_name = "TARGET")]
    pub to: sinkd::sender::Target,
    /// Speed relative to the original timing, such as 4 or 0.5; 'max' is as fast as the target
    /// accepts messages.
    #[arg(long, help_heading = LOAD, value_name = "X", default_value = "1")]
    pub speed: Speed,
    /// Messages per second at equal intervals, instead of the original timing.
    #[arg(
        long,
        help_heading = LOAD,
        value_name = "N",
        conflicts_with = "speed",
        value_parser = rate
    )]
    pub rate: Option<Positive>,
    /// Number of connections to keep open; 'original' opens the connections that were recorded,
    /// each with its own messages in order [default: original with the original timing, otherwise
    /// 10].
    #[arg(long, help_heading = LOAD, value_name = "N")]
    pub connections: Option<ReplayConnections>,
    /// Send only messages received since this time: RFC 3339, a date (2026-11-21), or an age
    /// (10m, 2h, 1d).
    #[arg(long, help_heading = MESSAGES, value_name = "TIME", value_parser = moment)]
    pub since: Option<String>,
    /// Send only messages received before this time (same formats as --since).
    #[arg(long, help_heading = MESSAGES, value_name = "TIME", value_parser = moment)]
    pub until: Option<String>,
    /// Send only messages received during this run (see sinkctl runs); 'last' is the most
    /// recent one.
    #[arg(
        long,
        help_heading = MESSAGES,
        value_name = "NAME",
        conflicts_with_all = ["since", "until"]
    )]
    pub run: Option<String>,
    /// Reverse-path of all messages; <> is the null reverse-path [default: unchanged].
    #[arg(long, help_heading = CHANGES, value_name = "PATH", value_parser = reverse_path)]
    pub from: Option<String>,
    /// Domain that replaces the domain of every recipient; local parts stay the same.
    #[arg(long, help_heading = CHANGES, value_name = "DOMAIN", value_parser = domain)]
    pub to_domain: Option<String>,
    /// File with rows 'OLD NEW' that replace recipients: addresses, @domains, or * for all others.
    #[arg(long, help_heading = CHANGES, value_name = "FILE")]
    pub map_recipients: Option<PathBuf>,
    /// Header field to add to each message; {id} and {time} stand for the ID and time of the
    /// original. May be repeated.
    #[arg(long, help_heading = CHANGES, value_name = "NAME=VALUE")]
    pub mark: Vec<String>,
    /// File in which to record progress; messages recorded there as sent are skipped.
    #[arg(long, help_heading = AGAIN, value_name = "FILE")]
    pub resume: Option<PathBuf>,
    /// Number of retries for messages that were deferred with 4xx or not sent.
    #[arg(
        long,
        help_heading = AGAIN,
        value_name = "N",
        default_value_t = 0,
        value_parser = number::<u32>(0..=u64::MAX)
    )]
    pub retry: u32,
    /// Time before the first retry; it doubles with each retry.
    #[arg(
        long,
        help_heading = AGAIN,
        value_name = "DURATION",
        default_value = "30s",
        value_parser = time
    )]
    pub retry_after: Duration,
    /// Maximum time to wait for a reply before closing the connection.
    #[arg(
        long,
        help_heading = DIALOGUE,
        value_name = "DURATION",
        default_value = "5m",
        value_parser = time_above_0
    )]
    pub timeout: Duration,
    /// Host name to send in EHLO.
    #[arg(
        long,
        help_heading = DIALOGUE,
        value_name = "NAME",
        default_value = "localhost",
        value_parser = domain
    )]
    pub helo: String,
    /// Send BDAT if the target announces CHUNKING, even for messages that were received with DATA.
    #[arg(long, help_heading = DIALOGUE)]
    pub chunking: bool,
    /// Allow this host (as given in --to) even though its address is public and real people may
    /// receive the mail.
    #[arg(long, value_name = "HOST")]
    pub allow_public: Option<String>,
    /// Also send, with DATA, messages with a dot next to a bare CR or LF. Some servers take such
    /// a dot for the end of the message and run the rest as commands (SMTP smuggling).
    #[arg(long, help_heading = DIALOGUE)]
    pub allow_smuggling: bool,
    /// Exit with 0 even if there is nothing to send.
    #[arg(long)]
    pub allow_empty: bool,
    /// Do not ask for confirmation.
    #[arg(short, long)]
    pub yes: bool,
    /// Print what would be sent, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub account: crate::sending::AccountOptions,
    #[command(flatten)]
    pub encryption: crate::sending::TlsOptions,
    #[command(flatten)]
    pub forms: crate::sending::ReportForms,
}

/// The speed of a replay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    Times(Positive),
    Max,
}

impl FromStr for Speed {
    type Err = Unexpected;

    fn from_str(text: &str) -> Result<Speed, Unexpected> {
        if text == "max" {
            return Ok(Speed::Max);
        }
        let error = || Unexpected::new("a factor such as 4 or 0.5, or 'max'", text);
        positive(text, 1e6).map(Speed::Times).ok_or_else(error)
    }
}

/// Maximum number of connections; a client address has about as many ports.
const CONNECTIONS_MAX: u64 = 60_000;

/// The connections of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayConnections {
    Original,
    Count(usize),
}

impl FromStr for ReplayConnections {
    type Err = Unexpected;

    fn from_str(text: &str) -> Result<ReplayConnections, Unexpected> {
        if text == "original" {
            return Ok(ReplayConnections::Original);
        }
        let count = number::<usize>(1..=CONNECTIONS_MAX)(text).map(ReplayConnections::Count);
        let expected = format!("a whole number from 1 to {CONNECTIONS_MAX}, or 'original'");
        count.map_err(|_| Unexpected::new(expected, text))
    }
}

/// Checks a time and keeps its text, because an age counts from the beginning of the replay.
fn moment(text: &str) -> Result<String, NotAMoment> {
    text.parse::<Moment>().map(|_| text.to_owned())
}

/// Parses a reverse-path with or without angle brackets; returns it without them.
fn reverse_path(text: &str) -> Result<String, Unexpected> {
    let path = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text);
    let is_good = (path.is_empty() && text == "<>")
        || (path.contains('@') && sinkd::sender::is_mailbox(path.as_bytes()));
    let error = || Unexpected::new("an address such as a@example.com, or <>", text);
    is_good.then(|| path.to_owned()).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replay_values_are_parsed_or_refused() {
        assert_eq!("4".parse().ok(), Positive::new(4.0).map(Speed::Times));
        assert_eq!("max".parse(), Ok(Speed::Max));
        for text in ["", "0", "-1", "nan", "inf", "4x", "Max"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
            assert!(rate(text).is_err(), "{text}");
        }
        assert_eq!("original".parse(), Ok(ReplayConnections::Original));
        assert_eq!("60000".parse(), Ok(ReplayConnections::Count(60_000)));
        for text in ["", "0", "60001", "-1"] {
            assert!(text.parse::<ReplayConnections>().is_err(), "{text}");
        }
        assert_eq!(reverse_path("<a@b>"), Ok("a@b".into()));
        assert_eq!(reverse_path("<>"), Ok(String::new()));
        for text in ["", "postmaster", "a@b>", "a@b\r\nDATA"] {
            assert!(reverse_path(text).is_err(), "{text}");
            assert!(domain(text).is_err() || text == "postmaster", "{text}");
        }
        assert!(moment("10m").is_ok() && moment("10").is_err());
        assert!(time_above_0("1ms").is_ok() && time_above_0("0s").is_err());
    }
}
