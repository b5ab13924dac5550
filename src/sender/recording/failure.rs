//! Why a connection to the target fails, and why a run of sending ends early.
use std::io;
use std::time::Duration;

use crate::sender::source;
use crate::sender::targets::ResolvedAddress;
use crate::smtp::client::SessionFault;
use crate::tls;
use crate::wording::without_numbers;

/// An error of the system that can be copied and compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SystemError {
    /// What went wrong.
    pub kind: io::ErrorKind,
    /// The text of the system, without the number of the error.
    text: String,
}

impl From<io::Error> for SystemError {
    fn from(error: io::Error) -> SystemError {
        SystemError { kind: error.kind(), text: without_numbers(&error.to_string()) }
    }
}

/// Why a connection to the target failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionFailure {
    /// The system could not open, read or write the connection.
    #[error(transparent)]
    System(#[from] SystemError),
    /// The session can't continue.
    #[error(transparent)]
    Session(#[from] SessionFault),
    /// TLS failed.
    #[error("{}", .0.sentence())]
    Tls(tls::Failure),
    /// Under TLS, the target closed the connection without close_notify: data may have been cut off
    /// (RFC 8446 section 6.1).
    #[error("the target closed the connection without close_notify")]
    NoCloseNotify,
    /// The target closed the connection while it owed replies.
    #[error("the target closed the connection before sending all replies")]
    RepliesMissing,
    /// The target closed the connection before a message was sent over it.
    #[error("the target closed the connection before a message was sent")]
    ClosedUnused,
    /// The target sent nothing for this time, although it owed a reply.
    #[error("the target was silent for {0:?}")]
    Silent(Duration),
}

impl From<io::Error> for ConnectionFailure {
    fn from(error: io::Error) -> ConnectionFailure {
        ConnectionFailure::System(error.into())
    }
}

/// Why a run ended before its sources did.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendingError {
    /// No connection to the target could be made, or none was useful, for too long.
    #[error("no connection to {address}")]
    Unreachable {
        /// The address of the target.
        address: ResolvedAddress,
        /// Why the last connection failed.
        source: ConnectionFailure,
    },
    /// The target has served no connection, and would answer the same next time.
    #[error("nothing can be sent to {address}")]
    Refused {
        /// The address of the target.
        address: ResolvedAddress,
        /// Why the last connection failed.
        source: ConnectionFailure,
    },
    /// The source of the messages can't continue.
    #[error(transparent)]
    Source(source::SourceError),
    /// The system could not wait for events.
    #[error(transparent)]
    Events(SystemError),
}
