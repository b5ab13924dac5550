//! segments: writes a data folder of sinkd directly, without a server, and the list of expected
//! recipients of a campaign. Used to measure `sinkctl audit`.
//!
//! Its messages are written by the library's own log writer. The same options write the same
//! messages; only the identity of the folder differs. Faults are planted for individual recipients,
//! so that they are the only differences between the folder and the list.
mod campaign;
mod output;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;

use campaign::{Campaign, Swap};
use output::Output;

/// Writes a campaign into a new data folder of sinkd, and its list of recipients beside it.
///
/// Every recipient gets one copy: user0000000001@example.com the first one, in order of number.
/// FOLDER.csv has one line for each expected recipient: email,name,number.
#[derive(Debug, Parser)]
#[command(name = "segments")]
struct Options {
    /// New data folder; FOLDER.csv is written beside it
    folder: PathBuf,
    /// Number of messages
    #[arg(long, value_name = "N")]
    messages: u64,
    /// Recipients of each message
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    recipients: u64,
    /// Number of the first recipient
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    first: u64,
    /// Bytes of each body at least: lines of filler follow the names
    #[arg(long, value_name = "B", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1 << 20))]
    body_bytes: u64,
    /// Recipients, by number, who get no copy
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    missing: Vec<u64>,
    /// Recipients who get a second copy, with the same content, in a message of its own
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    doubled: Vec<u64>,
    /// Two recipients of different messages who get each other's content
    #[arg(long, value_name = "A:B,...", value_delimiter = ',')]
    swapped: Vec<Swap>,
    /// Addresses that are not in the list and get a message at the end
    #[arg(long, value_name = "ADDRESS,...", value_delimiter = ',')]
    unexpected: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("segments: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    let began = Instant::now();
    let campaign = Campaign::new(options)?;
    let list = list_path(&options.folder);
    for path in [&options.folder, &list] {
        ensure!(!path.exists(), "{} exists: name a new folder", path.display());
    }
    let mut output = Output::create(&options.folder)?;
    campaign.write(&mut output)?;
    let (messages, bytes) = output.close();
    let seconds = began.elapsed().as_secs_f64();
    campaign.write_list(&list).with_context(|| format!("cannot write {}", list.display()))?;
    println!("{messages} messages, {bytes} bytes of content, in {seconds:.1} s");
    Ok(())
}

/// Returns the path of a folder's list, which is next to the folder.
fn list_path(folder: &Path) -> PathBuf {
    let mut path = folder.as_os_str().to_owned();
    path.push(".csv");
    PathBuf::from(path)
}
