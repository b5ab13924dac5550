//! System calls of the server that the standard library has no word for.
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors this process may have open when the system does not say.
const DESCRIPTORS_DEFAULT: u64 = 1024;

/// Raises the soft limit on descriptors to the hard one; returns what holds afterwards.
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "the limit on open files could not be raised");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(DESCRIPTORS_DEFAULT)
}

/// True for the errors of `accept` that mean "no descriptors or memory now": they pass.
pub fn is_out_of_descriptors(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// How long accepting pauses when descriptors have run out and no connection closes.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
