//! TLS, implemented with rustls.
use super::failure;

mod acceptor;
mod asked_name;
mod authority;
#[doc(hidden)]
#[cfg(feature = "testkit")]
pub mod by_hand;
mod certificate;
mod client;
mod clients;
mod connector;
mod digest;
mod failures;
mod folder;
mod identity;
mod identity_error;
mod kept;
mod keys;
mod pem;
mod progress;
mod provider;
mod record;
#[cfg(test)]
mod record_tests;
mod resumption;
mod server;
mod server_name;
mod sessions_kept;
mod spelling;
#[doc(hidden)]
#[cfg(feature = "testkit")]
pub mod testkit;

pub use acceptor::{Acceptor, AcceptorError};
pub use authority::AuthorityError;
pub use certificate::{BadCertificate, CertificateFacts};
pub use client::{ClientHandshake, ClientStep, Secured, SessionKind};
pub use clients::{ClientCertificates, ClientRoots};
pub use connector::{Connector, ConnectorError, ServerTrust, SessionReuse};
pub use identity::Identity;
pub use identity_error::IdentityError;
pub use kept::{AuthorityFileError, CertificateFolder, KeptError};
pub use record::{CONTENT_BYTES_MAX, HEADER_BYTES, Opened, RECORD_BYTES_MAX, Records};
pub use server::{Agreed, Established, Handshake, HandshakeStep};
pub use server_name::is_server_name;
pub use spelling::{TLS_1_2, TLS_1_3};
