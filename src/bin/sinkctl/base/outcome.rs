//! The output of commands, and their findings.
use std::io::{self, BufWriter, Write};

/// The finding of a command that had no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    Holds,
    DoesNotHold,
}

/// The output of results.
pub type Out = BufWriter<io::StdoutLock<'static>>;

/// Returns whether the reader closed its end (`| head`), which is not a failure.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Flushes the output. A reader that closed its end does not change the finding.
pub fn flush(out: &mut Out) -> anyhow::Result<()> {
    match out.flush() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
