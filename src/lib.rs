//! sinkd: the SMTP server that mass mailers are load-tested against.
//!
//! ARCHITECTURE.md describes the rooms, and which room may import which.
// A build without TLS has stand-ins for its types, which are unreachable. The real types are
// documented.
#![cfg_attr(feature = "tls", warn(missing_docs))]
#![cfg_attr(not(feature = "tls"), allow(dead_code, unreachable_code, unused_variables))]

pub mod analysis;
pub mod config;
pub mod control;
pub mod http;
pub mod index;
pub mod log;
pub mod machine;
pub mod mime;
pub mod plot;
pub mod sender;
pub mod server;
pub mod smtp;
pub mod stats;
pub mod time;
pub mod tls;
pub mod wording;

/// The version of the package, shown in man pages and reports.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that the programs were built from, if the build named it in SINKD_REVISION. A `+` at
/// its end says that files had been edited since.
pub const REVISION: Option<&str> = match option_env!("SINKD_REVISION") {
    // Tools that cannot leave a variable out pass an empty one.
    Some(revision) if !revision.is_empty() => Some(revision),
    _ => None,
};

/// The release date of this version, shown in its man pages.
pub const VERSION_DAY: &str = "2026-11-29";

/// Returns what `--version` prints after the name of the program: `0.1.0`, or if the commit is
/// known `0.1.0 (97d8f0c0ab12)`.
pub fn version_with_revision() -> String {
    REVISION.map_or_else(|| VERSION.to_owned(), |revision| format!("{VERSION} ({revision})"))
}
