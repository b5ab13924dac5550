//! The flags of `sinkctl calibrate`.
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use sinkd::config::parse_time;

use crate::base::value::Unexpected;
use crate::sending::{AccountOptions, TlsOptions};

#[derive(Debug, Args)]
pub struct Calibrate {
    /// Address of a local sinkd whose data folder is --data [default: start a temporary sinkd].
    #[arg(long, value_name = "IP:PORT", value_parser = address)]
    pub to: Option<SocketAddr>,
    /// Duration of each load, at least 2s.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = load_time)]
    pub duration: Duration,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub account: AccountOptions,
    #[command(flatten)]
    pub encryption: TlsOptions,
}

fn address(text: &str) -> Result<SocketAddr, Unexpected> {
    let expected = "an IP address and port such as 127.0.0.1:1025";
    text.parse().map_err(|_| Unexpected::new(expected, text))
}

/// Minimum duration of a load: only whole seconds count, and one second may contain none.
const LOAD_TIME_MIN: Duration = Duration::from_secs(2);

fn load_time(text: &str) -> Result<Duration, Unexpected> {
    let error = || Unexpected::new("a duration such as 5s, at least 2s", text);
    parse_time(text).filter(|time| *time >= LOAD_TIME_MIN).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_takes_two_seconds_at_least() {
        assert!(load_time("2s").is_ok());
        let error = load_time("1s").unwrap_err().to_string();
        assert_eq!(error, "expected a duration such as 5s, at least 2s, found '1s'");
    }
}
