//! What is written to stdout and stderr beside the log.
use std::io::{ErrorKind, Write};

/// Writes to stderr. `eprintln!` panics on a closed pipe.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "sinkd: {text}");
}

/// Writes to stdout. A reader that went away has all that it wanted (`--print-config | head`).
pub fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// An error and its causes. Some errors name their cause in their own text and as their source;
/// each text appears once.
pub fn told_once(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |told, cause| match cause.to_string() {
        cause if told.ends_with(&cause) => told,
        cause if told.is_empty() => cause,
        cause => format!("{told}: {cause}"),
    })
}
