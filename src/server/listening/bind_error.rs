//! Errors of binding a listener.
use std::path::PathBuf;

use crate::config::ListenAddress;

/// Why sinkd can't listen on an address.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process uses the address.
    #[error("{address} is already in use: stop what listens there, or choose another")]
    InUse {
        /// The address.
        address: ListenAddress,
    },
    /// The path exists but is not a socket.
    #[error("{} is not a socket and was left alone: choose another path", path.display())]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The folder stays locked, so no socket can be created in it.
    #[error(
        "{} has been locked by another process for 2 s, so no socket can be made there: \
         'fuser {}' names it",
        folder.display(), folder.display()
    )]
    FolderLocked {
        /// The folder.
        folder: PathBuf,
    },
    /// The system refuses the address.
    #[error("cannot listen on {address}")]
    Io {
        /// The address.
        address: ListenAddress,
        /// The error of the system.
        source: std::io::Error,
    },
}
