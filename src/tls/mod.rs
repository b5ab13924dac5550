//! TLS, as both programs use it: certificates, handshakes, and the records of a connection. The
//! only room that knows rustls.
//!
//! It knows no socket: octets go in and come out, and the caller moves them. It reads no clock: the
//! time is an argument.
//!
//! ```text
//! CertificateFolder (made by an Authority)     PEM files of a person
//!         └───────────────▶ Identity ◀───────────────┘
//!                              └─with ClientCertificates─▶ Acceptor
//! ```
mod acceptor;
mod authority;
mod certificate;
mod clients;
mod digest;
mod folder;
mod identity;
mod identity_error;
mod kept;
mod pem;
mod provider;
mod resumption;
mod server_name;

pub use acceptor::{Acceptor, AcceptorError};
pub use certificate::{BadCertificate, CertificateFacts};
pub use clients::{ClientCertificates, ClientRoots};
pub use identity::Identity;
pub use identity_error::IdentityError;
pub use kept::{CertificateFolder, KeptError};
pub use server_name::is_server_name;
