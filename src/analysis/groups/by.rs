//! The property by which messages are grouped.

/// The property by which messages are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The listener, as configured.
    Listener,
    /// The client's address without its port; `unix` over a Unix socket.
    Client,
    /// The domain of a recipient, in lower case.
    RcptDomain,
    /// Nothing: all messages are in one group.
    Nothing,
}

impl By {
    /// Its name on the command line and in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            By::Listener => "listener",
            By::Client => "client",
            By::RcptDomain => "rcpt-domain",
            By::Nothing => "nothing",
        }
    }
}
