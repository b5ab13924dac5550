//! Writes to stdout and stderr, apart from the log.
use std::io::{ErrorKind, Write};

/// Writes to stderr. Unlike `eprintln!`, it does not panic on a closed pipe.
pub fn report(text: &str) {
    let _ = writeln!(std::io::stderr(), "sinkd: {text}");
}

/// Writes to stdout. A pipe that its reader has closed is not an error (`--print-config | head`).
pub fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Formats an error and its causes. If an error already ends with the text of its cause, that text
/// is not repeated.
pub fn error_chain(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| match cause.to_string() {
        cause if text.ends_with(&cause) => text,
        cause if text.is_empty() => cause,
        cause => format!("{text}: {cause}"),
    })
}
