//! The descriptors that this process may open.
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit that is assumed if there is none: more than Linux allows a process by default.
const UNLIMITED: u64 = 1 << 20;

/// Raises the soft limit on descriptors to the hard limit. Returns the resulting limit.
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "the limit on open files could not be raised");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(UNLIMITED)
}
