//! Where results go, and what a command found.
use std::io::{self, BufWriter, Write};

/// What a command found; errors are another matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    Holds,
    DoesNotHold,
}

/// Where results go.
pub type Out = BufWriter<io::StdoutLock<'static>>;

/// Returns whether the reader closed its end (`| head`), which is not a failure.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Writes what is buffered. A reader that closed its end does not change what was found.
pub fn flush(out: &mut Out) -> anyhow::Result<()> {
    match out.flush() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
