//! TLS, as both programs use it: certificates, handshakes, and the records of a connection. The
//! only room that knows rustls.
//!
//! It knows no socket: octets go in and come out, and the caller moves them. It reads no clock: the
//! time is an argument.
//!
//! ```text
//! CertificateFolder (made by an Authority)     PEM files of a person
//!         └───────────────▶ Identity ◀───────────────┘
//!                              ├─with ClientCertificates─▶ Acceptor  ─▶ Handshake ─▶ Records
//!                              └─with ServerTrust ───────▶ Connector ─▶ ClientHandshake ─▶ Records
//! ```
mod failure;

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod present;

#[cfg(not(feature = "tls"))]
pub use absent::*;
pub use failure::Failure;
#[cfg(feature = "tls")]
pub use present::*;
