//! The output of commands, and their findings.
use std::io::{self, BufWriter, StdoutLock, Write};

/// What a command found or achieved, if it could run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The work is complete, and what the command checks holds.
    Done,
    /// What the command checks does not hold: a claim, an audit, a certificate, a checksum.
    DoesNotHold,
    /// Nothing matches, there is no such message, or the message lacks the requested part.
    NothingFound,
    /// The answer lacks data that is damaged, was lost, or was never recorded or stored; or the
    /// data is not sufficient for an answer.
    Incomplete,
    /// The command did not change or send everything that it should have.
    PartlyDone,
    /// The timeout expired first.
    TimedOut,
}

impl Finding {
    /// Returns the exit code. No other place decides between 0 and 1.
    pub fn exit_code(self) -> u8 {
        match self {
            Finding::Done => 0,
            Finding::DoesNotHold
            | Finding::NothingFound
            | Finding::Incomplete
            | Finding::PartlyDone
            | Finding::TimedOut => 1,
        }
    }

    /// Combines the findings of two parts: the first one that is not `Done` remains.
    pub fn and(self, other: Finding) -> Finding {
        if self == Finding::Done { other } else { self }
    }
}

/// The output of results.
pub type Out = BufWriter<StandardOutput>;

/// Standard output. Marks the error that means that its reader is gone, because a broken pipe can
/// also come from a socket.
pub struct StandardOutput(StdoutLock<'static>);

/// The reader of standard output has closed its end (`| head`).
#[derive(Debug, thiserror::Error)]
#[error("standard output has no reader")]
struct ReaderGone;

impl StandardOutput {
    /// Locks standard output.
    pub fn lock() -> StandardOutput {
        StandardOutput(io::stdout().lock())
    }
}

impl Write for StandardOutput {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets).map_err(marked)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(marked)
    }
}

fn marked(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, ReaderGone),
        _ => error,
    }
}

/// Returns whether the reader of standard output closed its end, which is not a failure.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let is_marked = |error: &io::Error| error.get_ref().is_some_and(|it| it.is::<ReaderGone>());
    error.chain().any(|cause| cause.downcast_ref().is_some_and(is_marked))
}

/// Flushes the output. If its reader has closed its end, that is not an error.
pub fn flush(out: &mut Out) -> anyhow::Result<()> {
    match out.flush() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn only_a_closed_standard_output_is_no_failure() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        let of_socket = Err::<(), _>(broken()).context("sinkd on mail: no answer").unwrap_err();
        assert!(!is_closed_pipe(&of_socket), "sinkd that closed its socket has not answered");
        assert!(is_closed_pipe(&Err::<(), _>(marked(broken())).context("row 1").unwrap_err()));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(!is_closed_pipe(&marked(full).into()));
    }
}
