//! The command line of sinkctl.
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sinkd::log::{MessageId, Moment};
use sinkd::stats::{Metric, Window};

use crate::metric_name::metric_or;
use crate::query_words::QueryWords;

/// Reads what sinkd has stored, while it runs and after it stopped.
#[derive(Parser)]
#[command(name = "sinkctl", version, max_term_width = 100)]
pub struct Cli {
    /// Data folder of sinkd; ls, count, search, wait, stats, report, compare, assert and runs take
    /// several. SINKD_DATA in the environment names another default.
    #[arg(long, global = true, value_name = "DIR", default_values_os_t = [default_folder()])]
    pub data: Vec<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// List messages, the newest last.
    Ls(Ls),
    /// Print a message exactly as it was sent, dot-stuffing undone.
    Cat {
        /// `segment:slot`, or `latest`.
        id: Id,
        /// Print what there is of a message that was not stored in full.
        #[arg(long)]
        stored: bool,
    },
    /// Show envelope, headers and parts of a message for a person, or one thing of it, for a test.
    Show(Show),
    /// Print the last messages, and with -f new ones as they arrive.
    Tail(Tail),
    /// Print the number of messages accepted, those that were only counted included.
    Count(Count),
    /// List the segments: fill, holes, state, span of time.
    Segments {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// What a run was like: totals, rates, percentiles of each phase, and what limited it.
    Stats(Stats),
    /// A run as one HTML page with plots, to attach or print; it needs no network and no script.
    Report(Report),
    /// Compare two runs: totals, replies, what limited them, and which differences are larger than
    /// the noise. Exit 1 if a run is not whole, 2 if they can't be compared.
    Compare(crate::compare::Compare),
    /// Check claims such as 'rate.median >= 5000', 'transaction.p99 <= 20ms', 'replies.5xx == 0';
    /// exit 1 if one doesn't hold.
    Assert(Assert),
    /// Begin or end a run: a named span of time, for --run.
    #[command(subcommand)]
    Run(RunCommand),
    /// List the runs and marks.
    Runs {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Put a text at this moment, to be seen in runs.
    Mark {
        /// At most 256 octets.
        text: String,
    },
    /// A screen of what is going on, second by second: rates, percentiles, replies. q quits.
    Top,
    /// Remove messages: they are not listed, counted or given any more, their space goes with their
    /// segment. Exit 1 if an id names none.
    Rm(Rm),
    /// Drop the oldest sealed segments, beside a running sinkd or without one.
    Prune(Prune),
    /// List the messages that a query is true of, the newest first; exit 1 if there is none.
    Search(Search),
    /// Wait until so many messages match a query; exit 1 if they don't in time.
    Wait(Wait),
    /// Work the index for search out again, beside a running sinkd or without one.
    Reindex(Reindex),
    /// Measure what this machine can do with usual loads, against a sinkd of its own or one that
    /// runs here. The result is kept in the data folder, and stats compares runs with it.
    Calibrate(Calibrate),
    /// Send made-up mail to an SMTP server: a load test, each message of which can be checked.
    Blast(Box<crate::blast::Blast>),
    /// Send stored messages to another SMTP server: when they left then, faster, or at a rate.
    Replay(Box<Replay>),
    /// Read everything, check every checksum; exit 1 if anything is damaged.
    Verify {
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
pub struct Search {
    #[command(flatten)]
    pub query: QueryWords,
    /// At most so many; a list shows 50 without it.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    #[command(flatten)]
    pub during: During,
    /// Leave out mail that is not indexed yet, and say how much that was.
    #[arg(long)]
    pub indexed_only: bool,
    /// Print how many there are, and nothing else.
    #[arg(long, group = "form")]
    pub count: bool,
    /// Print ids, one a line.
    #[arg(long, group = "form")]
    pub ids: bool,
    /// One JSON object a line.
    #[arg(long, group = "form")]
    pub json: bool,
}

/// Exit 1 if anything was not sent, or not taken.
#[derive(Args)]
pub struct Replay {
    #[command(flatten)]
    pub query: QueryWords,
    /// Send these: ids with commas between them, or a file of ids, one a line; - is standard input.
    #[arg(long, value_name = "IDS", conflicts_with_all = ["query", "since", "until", "run"])]
    pub ids: Option<String>,
    /// Where to: HOST:PORT (an IPv6 address in brackets) or unix:PATH; lmtp: before it for LMTP.
    #[arg(long, value_name = "TARGET")]
    pub to: sinkd::sender::target::Target,
    /// So many times as fast as then, such as 4 or 0.5; max: as fast as the target takes them.
    #[arg(long, value_name = "X", default_value = "1")]
    pub speed: Speed,
    /// So many messages a second, evenly, instead of the original timing.
    #[arg(long, value_name = "N", conflicts_with = "speed", value_parser = rate)]
    pub rate: Option<f64>,
    /// So many connections, all the time; original: those of then, with their messages in order.
    /// Without it: original with the original timing, else 10.
    #[arg(long, value_name = "N")]
    pub connections: Option<Connections>,
    /// What was received from this moment on: RFC 3339, a day, or how long ago (10m, 2h, 1d).
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<String>,
    /// What was received before this moment.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<String>,
    /// What was received during this run (see runs); last: the one that began last.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["since", "until"])]
    pub run: Option<String>,
    /// The reverse-path of all messages; <> is the null reverse-path.
    #[arg(long, value_name = "PATH", value_parser = reverse_path)]
    pub from: Option<String>,
    /// Send to this domain instead of the original ones; the local parts stay.
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    pub to_domain: Option<String>,
    /// Who gets mail instead of whom: rows 'old new' of addresses, @domains, and * for the rest.
    #[arg(long, value_name = "FILE")]
    pub map_recipients: Option<PathBuf>,
    /// Put a header field before each message; {id} and {time} in it are the original's.
    #[arg(long, value_name = "NAME=VALUE")]
    pub mark: Vec<String>,
    /// Remember here what was sent, and leave out what was sent before.
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
    /// Send again what was refused with 4xx, or was not sent, at most so many times.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub retry: u32,
    /// How long after the first time; each further pause is twice as long.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub retry_after: Duration,
    /// Give a connection up when the target is silent for so long.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time_above_0)]
    pub timeout: Duration,
    /// The name given in EHLO.
    #[arg(long, value_name = "NAME", default_value = "localhost", value_parser = domain)]
    pub helo: String,
    /// Send BDAT where the target announces CHUNKING, also what came by DATA.
    #[arg(long)]
    pub chunking: bool,
    /// The host of --to is a public one, and real people may get this mail: it is meant.
    #[arg(long, value_name = "HOST")]
    pub allow_public: Option<String>,
    /// Send by DATA also content with a line-leading dot next to a bare CR or LF, in which some
    /// servers see the end of data, and commands after it (SMTP smuggling).
    #[arg(long)]
    pub allow_smuggling: bool,
    /// Exit 0 although there is nothing to send.
    #[arg(long)]
    pub allow_empty: bool,
    /// Don't ask.
    #[arg(short, long)]
    pub yes: bool,
    /// Say what would be sent, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub wanted: crate::sending::Wanted,
}

/// What `count` counts, and how it says so.
#[derive(Args)]
pub struct Count {
    #[command(flatten)]
    pub during: During,
    /// One JSON object, which tells those apart.
    #[arg(long)]
    pub json: bool,
}

/// How fast a replay is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    Times(f64),
    Max,
}

impl std::str::FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Speed, String> {
        if text == "max" {
            return Ok(Speed::Max);
        }
        positive(text, 1e6).map(Speed::Times).ok_or_else(|| {
            format!("expected how many times as fast, such as 4 or 0.5, or max, found '{text}'")
        })
    }
}

/// Messages a second.
pub fn rate(text: &str) -> Result<f64, String> {
    let expected = || format!("expected messages a second, 0.000001 to 10000000, found '{text}'");
    positive(text, 1e7).ok_or_else(expected)
}

/// A number above 0.
fn positive(text: &str, max: f64) -> Option<f64> {
    text.parse().ok().filter(|number| (1e-6..=max).contains(number))
}

/// Over which connections a replay sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    Original,
    So(usize),
}

impl std::str::FromStr for Connections {
    type Err = String;

    fn from_str(text: &str) -> Result<Connections, String> {
        if text == "original" {
            return Ok(Connections::Original);
        }
        let number = text.parse().ok().filter(|n| (1..=60_000).contains(n));
        let expected = || format!("expected 1 to 60000, or original, found '{text}'");
        number.map(Connections::So).ok_or_else(expected)
    }
}

/// Its value depends on the moment at which a replay began.
fn moment(text: &str) -> Result<String, String> {
    let parsed: Result<Moment, _> = text.parse();
    parsed.map(|_| text.to_owned()).map_err(|e| e.to_string())
}

/// Without its brackets.
fn reverse_path(text: &str) -> Result<String, String> {
    let path = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text);
    let is_good = (path.is_empty() && text == "<>")
        || (path.contains('@') && sinkd::sender::is_mailbox(path.as_bytes()));
    is_good
        .then(|| path.to_owned())
        .ok_or_else(|| format!("expected an address or <>, found '{text}'"))
}

/// Or an address literal (RFC 5321 4.1.2).
pub fn domain(text: &str) -> Result<String, String> {
    let is_good = sinkd::sender::is_mailbox(format!("x@{text}").as_bytes());
    is_good
        .then(|| text.to_owned())
        .ok_or_else(|| format!("expected a domain such as example.com, found '{text}'"))
}

#[derive(Args)]
pub struct Wait {
    #[command(flatten)]
    pub query: QueryWords,
    /// Until so many match.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub count: u64,
    /// At most so long.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub timeout: Duration,
    /// Count only what arrives from now on.
    #[arg(long)]
    pub new: bool,
    #[command(flatten)]
    pub during: During,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Whole seconds are looked at: a load of one second may have none.
fn load_time(text: &str) -> Result<Duration, String> {
    how_long(text)
        .filter(|time| *time >= Duration::from_secs(2))
        .ok_or_else(|| format!("expected a time such as 5s, at least 2s, found '{text}'"))
}

/// A time that is one.
pub fn time_above_0(text: &str) -> Result<Duration, String> {
    how_long(text)
        .filter(|time| !time.is_zero())
        .ok_or_else(|| format!("expected a time such as 10s or 5m, found '{text}'"))
}

fn time(text: &str) -> Result<Duration, String> {
    how_long(text).ok_or_else(|| format!("expected a time such as 250ms or 30s, found '{text}'"))
}

/// `250ms`, `10s`, `1h30m`, `1d`, `2w`; a bare number is seconds, as in sinkd's settings.
fn how_long(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Duration::try_from(sinkd::log::length(text)?).ok()
}

#[derive(Args)]
pub struct Calibrate {
    /// A sinkd that runs on this machine, and whose folder --data is; without it one is started for
    /// the purpose.
    #[arg(long, value_name = "IP:PORT")]
    pub to: Option<std::net::SocketAddr>,
    /// Of each load.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = load_time)]
    pub seconds: Duration,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Reindex {
    /// Header field that numbers the messages; without it the one that is known from the index.
    #[arg(long, value_name = "NAME", value_parser = sequence_field)]
    pub sequence_field: Option<String>,
    /// So many threads; all cores without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

/// As sinkd takes it.
fn sequence_field(text: &str) -> Result<String, String> {
    let mut config = sinkd::config::Config::default();
    let key = sinkd::config::KEYS.iter().find(|key| key.name == "sequence_field");
    let key = key.expect("the table has it");
    key.apply(&mut config, text).map_err(|error| error.to_string())?;
    Ok(config.index.sequence_field)
}

#[derive(Args)]
pub struct Ls {
    /// At most so many messages.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Skip so many messages first.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub offset: u64,
    /// The newest first; --offset counts from there.
    #[arg(long)]
    pub reverse: bool,
    #[command(flatten)]
    pub during: During,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// What is printed alone; exit 1 if the message has none of it.
#[derive(Args)]
pub struct Show {
    /// `segment:slot`, or `latest`.
    pub id: Id,
    /// One JSON object.
    #[arg(long, group = "what")]
    pub json: bool,
    /// The text, decoded: of alternatives the plain one, HTML without its markup.
    #[arg(long, group = "what")]
    pub text: bool,
    /// The HTML as a page in UTF-8, with its images in it.
    #[arg(long, group = "what")]
    pub html: bool,
    /// All header fields, decoded, one a line.
    #[arg(long, group = "what")]
    pub headers: bool,
    /// The values of the header fields of this name, decoded, one a line.
    #[arg(long, value_name = "NAME", group = "what")]
    pub header: Option<String>,
    /// The links in text and HTML, each once, one a line.
    #[arg(long, group = "what")]
    pub links: bool,
    /// The attachments, one a line: number of the part, octets, type, file name; tabs between.
    #[arg(long, group = "what")]
    pub attachments: bool,
    /// The octets of a part, its transfer encoding undone; parts are numbered from 1.
    #[arg(long, value_name = "N", group = "what")]
    pub part: Option<usize>,
    /// Write the parts as files into this folder, under safe names; nothing is overwritten.
    #[arg(long, value_name = "DIR", group = "what")]
    pub save: Option<PathBuf>,
}

/// A span of time; without anything, all of it.
#[derive(Debug, Default, Args)]
pub struct During {
    /// From this moment on: RFC 3339, a day (2026-11-21), or how long ago (10m, 2h, 1d).
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// Before this moment.
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
    /// During this run (see runs); last: the one that began last.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["since", "until"])]
    pub run: Option<String>,
}

/// Which header field has the moment at which a message was sent.
#[derive(Debug, Default, Args)]
pub struct Sent {
    /// Header field with the time a message was sent, for its transit time: Unix time in ms or s,
    /// or a date (X-Sent of blast, Date).
    #[arg(long, value_name = "NAME", value_parser = field_name)]
    pub sent_field: Option<String>,
}

/// RFC 5322 section 3.6.8.
fn field_name(text: &str) -> Result<String, String> {
    let is_good = |octet: u8| octet.is_ascii_graphic() && octet != b':';
    (!text.is_empty() && text.bytes().all(is_good))
        .then(|| text.to_owned())
        .ok_or_else(|| format!("expected the name of a header field such as Date, found '{text}'"))
}

#[derive(Args)]
pub struct Assert {
    /// SUBJECT OP NUMBER, times with a unit: totals.messages, rate.median, transaction.p99,
    /// replies.4xx, busy.max, limited_by, with --sent-field transit.p99 (a wrong one lists them).
    #[arg(value_name = "CLAIM")]
    pub claims: Vec<String>,
    /// A file of claims, one a line, # begins a comment.
    #[arg(long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Also write a report that CI systems read.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    #[command(flatten)]
    pub sent: Sent,
    #[command(flatten)]
    pub during: During,
}

#[derive(Subcommand)]
pub enum RunCommand {
    /// Begin a run with the next whole second, and wait for it; ends the one under way.
    Start {
        /// Unlike any other run's.
        name: String,
    },
    /// End the run under way with this second, and wait for its end.
    Stop,
}

#[derive(Args)]
pub struct Tail {
    /// Go on with new messages as they arrive.
    #[arg(short, long)]
    pub follow: bool,
    /// How many of those already there.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub lines: u64,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Stats {
    /// A histogram, as text: messages_per_s, messages_per_100ms, transaction_us, think_data_us ...
    /// (a wrong name lists them).
    #[arg(long, value_name = "NAME", conflicts_with = "sent_field")]
    pub metric: Option<Subject>,
    /// Every metric, not only those that fit a screen.
    #[arg(long, group = "form")]
    pub all: bool,
    /// A line for each span of this length: 10s, 1m, 1d.
    #[arg(long, value_name = "TIME", value_parser = parse_age, conflicts_with = "sent_field")]
    pub interval: Option<Duration>,
    /// A line for each listener, client address or recipient domain, those with the most messages
    /// first: from the log, so only of messages that it still has an envelope of.
    #[arg(
        long,
        value_name = "WHAT",
        conflicts_with_all = ["metric", "interval", "all", "prometheus"]
    )]
    pub by: Option<By>,
    /// With --by: so many lines, 1 to 500.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20,
        requires = "by",
        value_parser = clap::value_parser!(u64).range(1..=500)
    )]
    pub top: u64,
    #[command(flatten)]
    pub sent: Sent,
    #[command(flatten)]
    pub during: During,
    /// One JSON object; with --interval one a line.
    #[arg(long, group = "form")]
    pub json: bool,
    /// Comma-separated, with a line of names: metrics and their percentiles, or with --interval
    /// the series.
    #[arg(long, group = "form")]
    pub csv: bool,
    /// As /metrics gives it to Prometheus, of this span.
    #[arg(long, group = "form", conflicts_with_all = ["metric", "interval", "sent_field"])]
    pub prometheus: bool,
    /// With --metric: the percentile distribution that HdrHistogram plotters read.
    #[arg(long, group = "form", requires = "metric")]
    pub hgrm: bool,
}

/// What messages are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// As configured.
    Listener,
    /// The address without its port; `unix` over a Unix socket.
    Client,
    /// In lower case.
    RcptDomain,
    /// All messages in one group.
    #[value(skip)]
    Nothing,
}

impl By {
    pub fn name(self) -> &'static str {
        match self {
            By::Listener => "listener",
            By::Client => "client",
            By::RcptDomain => "rcpt-domain",
            By::Nothing => "nothing",
        }
    }
}

#[derive(Args)]
pub struct Report {
    /// The page; - for standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Write each plot as a file of its own here, too.
    #[arg(long, value_name = "DIR")]
    pub svg: Option<PathBuf>,
    #[command(flatten)]
    pub sent: Sent,
    #[command(flatten)]
    pub during: During,
    /// What the page is called.
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
}

/// What a histogram is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Something that was recorded.
    Metric(Metric),
    /// Messages in each of these.
    Throughput(Window),
}

impl Subject {
    const THROUGHPUTS: [(&'static str, Window); 2] =
        [("messages_per_s", Window::Second), ("messages_per_100ms", Window::Tenth)];

    pub fn name(self) -> &'static str {
        match self {
            Subject::Metric(metric) => metric.tag(),
            Subject::Throughput(Window::Second) => Subject::THROUGHPUTS[0].0,
            Subject::Throughput(Window::Tenth) => Subject::THROUGHPUTS[1].0,
        }
    }
}

impl std::str::FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Subject, String> {
        let throughputs = Subject::THROUGHPUTS;
        if let Some((_, window)) = throughputs.iter().find(|(name, _)| *name == text) {
            return Ok(Subject::Throughput(*window));
        }
        let others = throughputs.map(|(name, _)| name);
        metric_or(text, &others).map(Subject::Metric)
    }
}

#[derive(Args)]
pub struct Rm {
    #[command(flatten)]
    pub which: Which,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

/// The messages to remove. A group of its own: what is not named here does not say what to remove.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// `segment:slot`, or `latest`.
    #[arg(value_name = "ID")]
    pub ids: Vec<Id>,
    /// All that are there now.
    #[arg(long)]
    pub all: bool,
    /// All that arrived before this moment: RFC 3339, a day, or how long ago (10m, 2h, 1d).
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
}

/// Drops the oldest sealed segments until all bounds hold. Segments that may still take messages
/// count, and never go.
#[derive(Args)]
pub struct Prune {
    #[command(flatten)]
    pub keep: Keep,
    /// Drop nothing, and say what would go.
    #[arg(long)]
    pub dry_run: bool,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What stays. A group of its own, as [`Which`] is.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub struct Keep {
    /// Keep at most so much on the disk: 4096, 64K, 10MiB, 2G.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub keep_bytes: Option<u64>,
    /// Keep segments whose last message is no older than this: 30s, 10m, 7d.
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    pub keep_age: Option<Duration>,
    /// Keep at most so many segments.
    #[arg(long, value_name = "N")]
    pub keep_segments: Option<u64>,
    /// Drop what holds only messages that were removed (see rm).
    #[arg(long)]
    pub removed: bool,
}

/// The folder that sinkd uses in the same environment.
fn default_folder() -> PathBuf {
    let named = sinkd::config::Environment::of_process().data_folder();
    named.unwrap_or_else(|| sinkd::config::Config::default().data)
}

fn parse_size(text: &str) -> Result<u64, String> {
    sinkd::config::parse_bytes(text)
        .ok_or_else(|| format!("expected a size such as 4096, 64K or 10MiB, found '{text}'"))
}

fn parse_age(text: &str) -> Result<Duration, String> {
    how_long(text).ok_or_else(|| format!("expected a time such as 30s, 10m or 7d, found '{text}'"))
}

/// Which message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id {
    Latest,
    Exactly(MessageId),
}

impl std::str::FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Id, String> {
        if text == "latest" {
            return Ok(Id::Latest);
        }
        text.parse().map(Id::Exactly).map_err(|_| {
            format!("expected an id such as 17:3, as ls prints it, or 'latest', found '{text}'")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_names_of_their_own() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    /// A required group holds what a command acts on, never the form of its output.
    #[test]
    fn no_form_of_output_counts_as_what_a_command_must_be_told() {
        let command = <Cli as clap::CommandFactory>::command();
        let mut required = 0;
        for command in command.get_subcommands() {
            for group in command.get_groups().filter(|group| group.is_required_set()) {
                required += 1;
                let is_form = |id: &&clap::Id| ["json", "dry_run"].contains(&id.as_str());
                let found = group.get_args().find(is_form);
                assert_eq!(found, None, "{} {}", command.get_name(), group.get_id());
            }
        }
        assert_eq!(required, 2, "those of rm and prune");
    }

    #[test]
    fn ids() {
        assert_eq!("latest".parse(), Ok(Id::Latest));
        assert_eq!("17:3".parse(), Ok(Id::Exactly(MessageId { segment: 17, slot: 3 })));
        for text in ["", "17", "17:", ":3", "17:3:1", "-1:3", "17:99999999999"] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_replay_is_told() {
        assert_eq!("4".parse(), Ok(Speed::Times(4.0)));
        assert_eq!("max".parse(), Ok(Speed::Max));
        for text in ["", "0", "-1", "nan", "inf", "4x", "Max"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
            assert!(rate(text).is_err(), "{text}");
        }
        assert_eq!("original".parse(), Ok(Connections::Original));
        assert_eq!("60000".parse(), Ok(Connections::So(60_000)));
        for text in ["", "0", "60001", "-1"] {
            assert!(text.parse::<Connections>().is_err(), "{text}");
        }
        assert_eq!(reverse_path("<a@b>"), Ok("a@b".into()));
        assert_eq!(reverse_path("<>"), Ok(String::new()));
        for text in ["", "postmaster", "a@b>", "a@b\r\nDATA"] {
            assert!(reverse_path(text).is_err(), "{text}");
            assert!(domain(text).is_err() || text == "postmaster", "{text}");
        }
        assert!(moment("10m").is_ok() && moment("10").is_err());
        assert!(time_above_0("1ms").is_ok() && time_above_0("0s").is_err());
        assert!(load_time("2s").is_ok() && load_time("1s").is_err());
    }

    #[test]
    fn lengths_of_time_have_units_up_to_weeks() {
        let seconds = |text: &str| how_long(text).map(|time| time.as_secs_f64());
        for (text, expected) in [
            ("250ms", Some(0.25)),
            ("10", Some(10.0)),
            ("1h30m", Some(5400.0)),
            ("1d", Some(86_400.0)),
            ("2w", Some(1_209_600.0)),
            ("1d12h", Some(129_600.0)),
            ("1mo", None),
            ("-1s", None),
            ("", None),
            ("d", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        for (parse, text) in [
            (time as fn(&str) -> _, "soon"),
            (time_above_0, "0s"),
            (load_time, "1s"),
            (parse_age, "x"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                error.starts_with("expected a time") && error.ends_with(&format!("found '{text}'"))
            );
        }
    }
}
