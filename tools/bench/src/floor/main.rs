//! floor: the cheapest epoll server that can hold loadgen's dialogue and still store every byte of
//! payload. It is a yardstick, not an SMTP server (see `canned`).
//!
//! Stores (--store):
//!   ring     receives into one mapped file, populated and written over and over (default)
//!   copy     receives into a hot buffer and copies into the same ring
//!   append   receives into mapped segments that are only appended to, on fresh pages; --prefault
//!            none, inline or thread selects where page faults are taken; recycle: a thread hands
//!            out used segments again, populated, as a log with bounded retention could
//!   pwrite   receives into a hot buffer and writes into allocated segments
//!   batch    receives a whole round of the event loop into one buffer, writes it with one call, and
//!            only then replies (group commit)
//!   discard  receives into a hot buffer and keeps nothing
//!
//! Prints what it counted as JSON on SIGTERM or SIGINT. Exit status 0, or 2 after an error.
#![deny(unsafe_code)]

mod checksum;
mod counts;
mod options;
mod replies;
mod segment;
mod server;
mod store;

use std::io::{self, Write};
use std::process::ExitCode;

use sinkd_bench::system::{raise_descriptor_limit_towards, stop_on_signals};

use server::Server;

/// Descriptors for connections and everything else.
const DESCRIPTORS: u64 = 65536;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("floor: {reason}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let options = options::parse(std::env::args().skip(1))?;
    raise_descriptor_limit_towards(DESCRIPTORS);
    let stop = stop_on_signals();
    let text = |error: io::Error| error.to_string();
    let counts = Server::new(&options).map_err(text)?.run(stop).map_err(text)?;
    // Without a reader, there is nothing to report.
    let _ = io::stdout().lock().write_all(counts.json().as_bytes());
    Ok(())
}
