//! Errors of binding a listener.
use std::path::PathBuf;

use crate::config::ListenAddress;

/// Why sinkd can't listen on an address.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(
        "{address} is already in use: stop what listens there, or choose another with --listen"
    )]
    InUse { address: ListenAddress },
    #[error("{} is not a socket and was left alone: choose another path", path.display())]
    NoSocket { path: PathBuf },
    #[error(
        "{} has been locked by another process for 2 s, so no socket can be made there: \
         'fuser {}' names it",
        folder.display(), folder.display()
    )]
    FolderLocked { folder: PathBuf },
    #[error("cannot listen on {address}")]
    Io { address: ListenAddress, source: std::io::Error },
}
