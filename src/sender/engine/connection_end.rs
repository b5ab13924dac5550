//! Why a connection to the target is over.
use std::io;

use crate::sender::recording::ConnectionFailure;
use crate::tls::Failure;

/// Why a connection is over.
#[derive(Debug)]
pub enum ConnectionEnd {
    /// The session ended with QUIT, or had nothing left to send.
    Clean,
    /// The connection failed.
    Failed(ConnectionFailure),
}

impl From<io::Error> for ConnectionEnd {
    fn from(error: io::Error) -> ConnectionEnd {
        ConnectionEnd::Failed(error.into())
    }
}

impl From<Failure> for ConnectionEnd {
    fn from(failure: Failure) -> ConnectionEnd {
        ConnectionEnd::Failed(ConnectionFailure::Tls(failure))
    }
}
