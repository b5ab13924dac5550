//! TLS of both programs: certificates, handshakes, and the records of a connection. The only room
//! that uses rustls.
//!
//! It has no sockets: the caller passes octets in and gets octets back. It reads no clock: the time
//! is an argument. Only rustls reads the system clock, to verify certificates and for its tickets.
//!
//! ```text
//! CertificateFolder (made by an Authority)     PEM files of the user
//!         └───────────────▶ Identity ◀───────────────┘
//!                              ├─with ClientCertificates─▶ Acceptor  ─▶ Handshake ─▶ Records
//!                              └─with ServerTrust ───────▶ Connector ─▶ ClientHandshake ─▶ Records
//! ```
#![forbid(unsafe_code)]
mod failure;

#[cfg(not(feature = "tls"))]
mod disabled;
#[cfg(feature = "tls")]
mod enabled;

#[cfg(not(feature = "tls"))]
pub use disabled::*;
#[cfg(feature = "tls")]
pub use enabled::*;
pub use failure::Failure;

/// Whether this program can use TLS: the cargo feature `tls`, on by default.
pub const IS_BUILT_IN: bool = cfg!(feature = "tls");
