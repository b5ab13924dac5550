//! The property by which messages are grouped.

/// The property by which messages are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// The name of the listener, or its address as configured.
    Listener,
    /// The client's address without its port; `unix` for a Unix socket.
    Client,
    /// The domain of a recipient, in lower case.
    RcptDomain,
    /// The user that the client authenticated as; empty without authentication.
    User,
    /// All messages are in one group, whose name is empty.
    Nothing,
}

impl GroupBy {
    /// Returns the name on the command line and in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            GroupBy::Listener => "listener",
            GroupBy::Client => "client",
            GroupBy::RcptDomain => "rcpt-domain",
            GroupBy::User => "user",
            GroupBy::Nothing => "nothing",
        }
    }
}
