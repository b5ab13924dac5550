//! The options of `sinkctl blast`.
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use sinkd::sender::blast::NUMBER_MAX;
use sinkd::sender::blast::recipients::PerMessage;
use sinkd::sender::blast::size::{SizeError, Sizes};
use sinkd::sender::{Positive, Target};
use sinkd::wording::parse_size;

use crate::base::value::{Unexpected, count, domain, number, rate, time_above_0};
use crate::sending::{AccountOptions, ReportForms, TlsOptions};

/// clap's own usage would not say that one of these flags is needed.
const USAGE: &str =
    "sinkctl blast [OPTIONS] --to <TARGET>\n       sinkctl blast [OPTIONS] --show <N>";

const MESSAGES: &str = "Messages";
const RECIPIENTS: &str = "Recipients";
const PACE: &str = "Load";
const DIALOGUE: &str = "Dialogue";

/// Exits with 1 unless every message was accepted for every recipient.
#[derive(Debug, Args)]
#[command(override_usage = USAGE)]
pub struct Blast {
    /// Target: HOST:PORT (IPv6 addresses in brackets) or unix:PATH, with the prefix lmtp: for LMTP.
    #[arg(long, value_name = "TARGET", required_unless_present = "show")]
    pub to: Option<Target>,
    /// Print message number N, counted from 0, and send nothing.
    #[arg(long, value_name = "N", value_parser = number::<u64>(0..=NUMBER_MAX - 1))]
    pub show: Option<u64>,
    #[command(flatten)]
    pub messages: MessageOptions,
    #[command(flatten)]
    pub recipients: RecipientOptions,
    #[command(flatten)]
    pub pace: PaceOptions,
    #[command(flatten)]
    pub dialogue: DialogueOptions,
    #[command(flatten)]
    pub account: AccountOptions,
    #[command(flatten)]
    pub encryption: TlsOptions,
    #[command(flatten)]
    pub forms: ReportForms,
}

#[derive(Debug, Args)]
#[command(next_help_heading = MESSAGES)]
pub struct MessageOptions {
    /// Message sizes: 2K, 2K:70,20K:30 (with weights), 'mixed', uniform:1K-64K or lognormal:20K,1.2
    /// (median, standard deviation of the logarithm).
    #[arg(long, value_name = "SIZES", default_value = "2K", value_parser = sizes)]
    pub size: Sizes,
    /// File with a complete message and placeholders, which replaces the generated newsletters (see
    /// docs/blast.md).
    #[arg(long, value_name = "FILE", conflicts_with = "size")]
    pub template: Option<PathBuf>,
    /// File to attach to each message. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub attach: Vec<PathBuf>,
    /// Size of a generated attachment for each message. May be repeated.
    #[arg(long, value_name = "SIZE", value_parser = attachment_size)]
    pub attach_size: Vec<u64>,
    /// Reverse-path of all messages; <> is the null reverse-path.
    #[arg(long, value_name = "ADDRESS", default_value = "news@sender.example")]
    pub from: String,
    /// Seed for all random choices [default: random, printed at the start].
    #[arg(long, value_name = "N", value_parser = count)]
    pub seed: Option<u64>,
    /// Value of the header field X-Run: 1 to 64 letters, digits, '.', '_' or '-' [default: the
    /// seed].
    #[arg(long, value_name = "ID")]
    pub run_id: Option<String>,
    /// Value of the header field Date of all messages, in RFC 3339 format [default: now].
    #[arg(long, value_name = "TIME", value_parser = date)]
    pub date: Option<Timestamp>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = RECIPIENTS)]
pub struct RecipientOptions {
    /// File of recipients: one address per line, or CSV with a header line, whose columns templates
    /// can use.
    #[arg(long, value_name = "FILE")]
    pub recipients: Option<PathBuf>,
    /// Domain of generated addresses (user-000000@example.com, ...).
    #[arg(
        long,
        value_name = "DOMAIN",
        default_value = "example.com",
        conflicts_with = "recipients"
    )]
    pub recipient_domain: String,
    /// Number of different generated addresses.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000_000,
        value_parser = count,
        conflicts_with = "recipients"
    )]
    pub recipient_count: u64,
    /// Number of recipients per message, or a range such as 1-50 to cycle through.
    #[arg(long, value_name = "N", default_value = "1")]
    pub recipients_per_message: PerMessage,
    /// Order in which recipients get mail: as listed, starting over at the end, or random.
    #[arg(long, value_name = "ORDER", default_value = "listed")]
    pub order: Order,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    Listed,
    Random,
}

#[derive(Debug, Args)]
#[command(next_help_heading = PACE)]
pub struct PaceOptions {
    /// Number of messages to send.
    #[arg(long, value_name = "N", value_parser = number::<u64>(1..=NUMBER_MAX))]
    pub count: Option<u64>,
    /// Duration of the load; with --rate, every message that is due within it is sent [default:
    /// 10s, or unlimited with --count].
    #[arg(long, value_name = "DURATION", value_parser = time_above_0)]
    pub duration: Option<Duration>,
    /// Messages per second, however slow the target is [default: as many as the target accepts].
    #[arg(long, value_name = "N", value_parser = rate)]
    pub rate: Option<Positive>,
    /// Distribution of the messages over time, with --rate: even intervals, or poisson (as from
    /// many independent senders).
    #[arg(long, value_name = "ARRIVALS", default_value = "even", requires = "rate")]
    pub arrivals: Arrivals,
    /// Number of connections to keep open.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = number::<usize>(1..=60_000))]
    pub connections: usize,
    /// Messages to send per connection before closing it and opening a new one [default:
    /// unlimited].
    #[arg(long, value_name = "N", value_parser = number::<u64>(1..=u64::MAX))]
    pub per_connection: Option<u64>,
    /// Number of threads [default: one per core, at most one per connection].
    #[arg(long, value_name = "N", value_parser = number::<u16>(1..=256))]
    pub threads: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Arrivals {
    Even,
    Poisson,
}

#[derive(Debug, Args)]
#[command(next_help_heading = DIALOGUE)]
pub struct DialogueOptions {
    /// Messages in flight per connection, if the target announces PIPELINING.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::<usize>(1..=1000))]
    pub depth: usize,
    /// Send one command per round trip, even if the target announces PIPELINING.
    #[arg(long)]
    pub no_pipelining: bool,
    /// Send DATA, even if the target announces CHUNKING.
    #[arg(long)]
    pub no_chunking: bool,
    /// Host name to send in EHLO.
    #[arg(long, value_name = "NAME", default_value = "localhost", value_parser = domain)]
    pub helo: String,
    /// Maximum time to wait for a reply before closing the connection.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = time_above_0)]
    pub timeout: Duration,
    /// Allow this host (as given in --to) even though its address is public and real people may
    /// receive the mail.
    #[arg(long, value_name = "HOST")]
    pub allow_public: Option<String>,
}

fn sizes(text: &str) -> Result<Sizes, SizeError> {
    Sizes::parse(text, parse_size)
}

fn date(text: &str) -> Result<Timestamp, Unexpected> {
    text.parse().map_err(|_| Unexpected::new("a time such as 2026-11-21T08:00:00Z", text))
}

fn attachment_size(text: &str) -> Result<u64, Unexpected> {
    let max = sinkd::sender::blast::attachment::ATTACHMENT_BYTES_MAX;
    let size = parse_size(text).filter(|bytes| *bytes <= max);
    size.ok_or_else(|| Unexpected::new("a size such as 100K, at most 48M (units: K, M)", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        blast: Blast,
    }

    fn parse(text: &str) -> Result<Blast, String> {
        let words = std::iter::once("blast").chain(text.split_whitespace());
        Cli::try_parse_from(words).map(|cli| cli.blast).map_err(|error| error.to_string())
    }

    #[test]
    fn no_two_options_have_one_name() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
        let blast = parse("--to h:1 --count 7 --recipient-count 9").unwrap();
        assert_eq!((blast.pace.count, blast.recipients.recipient_count), (Some(7), 9));
    }

    #[test]
    fn what_may_be_said() {
        for text in [
            "--to 127.0.0.1:25",
            "--show 0",
            "--to h:1 --size mixed --attach a --attach b --attach-size 1K --from <>",
            "--to h:1 --template f --recipients l --recipients-per-message 1-3 --order random",
            "--to h:1 --recipient-domain a.example --recipient-count 3",
            "--to h:1 --rate 0.5 --arrivals poisson --duration 1h --count 9",
            "--to h:1 --date 2026-11-21T10:00:00Z --seed 1 --run-id a",
        ] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text).err());
        }
    }

    #[test]
    fn invalid_values_are_explained() {
        for (text, reason) in [
            ("", "--to <TARGET>"),
            ("--to h:1 --size 1X", "found '1X'"),
            ("--to h:1 --size 2K --template f", "cannot be used with"),
            ("--to h:1 --attach-size 49M", "found '49M'"),
            ("--to h:1 --recipients f --recipient-domain a.example", "cannot be used with"),
            ("--to h:1 --recipients-per-message 0", "found '0'"),
            ("--to h:1 --arrivals poisson", "--rate"),
            ("--to h:1 --duration 0s", "found '0s'"),
            ("--to h:1 --connections 0", "found '0'"),
            ("--to h:1 --count 0", "found '0'"),
            ("--to h:1 --count 1000000000001", "a whole number from 1 to 1000000000000"),
            ("--to h:1 --rate nan", "found 'nan'"),
            ("--to h:1 --rate 1e-30", "found '1e-30'"),
            ("--to h:1 --depth 1001", "found '1001'"),
            ("--to h:1 --date today", "today"),
        ] {
            let error = parse(text).err().unwrap_or_default();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
