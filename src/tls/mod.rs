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
mod acceptor;
mod asked_name;
mod authority;
#[doc(hidden)]
pub mod by_hand;
mod certificate;
mod client;
mod clients;
mod connector;
mod digest;
mod encode;
mod failure;
mod folder;
mod identity;
mod identity_error;
mod kept;
mod keys;
mod pem;
mod provider;
mod record;
#[cfg(test)]
mod record_tests;
mod resumption;
mod server;
mod server_name;
mod sessions_kept;
mod spelling;

pub use acceptor::{Acceptor, AcceptorError};
pub use certificate::{BadCertificate, CertificateFacts};
pub use client::{ClientHandshake, ClientStep, Secured, SessionKind};
pub use clients::{ClientCertificates, ClientRoots};
pub use connector::{Connector, ConnectorError, ServerTrust, SessionReuse};
pub use failure::Failure;
pub use identity::Identity;
pub use identity_error::IdentityError;
pub use kept::{CertificateFolder, KeptError};
pub use record::{CONTENT_BYTES_MAX, HEADER_BYTES, Opened, RECORD_BYTES_MAX, Records};
pub use server::{Agreed, Established, Handshake, HandshakeStep};
pub use server_name::is_server_name;
pub use spelling::{TLS_1_2, TLS_1_3};
