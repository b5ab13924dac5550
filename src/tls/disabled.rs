//! A replacement for TLS in builds without it: every attempt to use TLS is an error that says so.
//!
//! The types of TLS itself are enums without values. So only functions that would create such a
//! value are ever called.
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::failure::Failure;

pub const HEADER_BYTES: usize = 5;
pub const CONTENT_BYTES_MAX: usize = 1 << 14;
pub const RECORD_BYTES_MAX: usize = HEADER_BYTES + CONTENT_BYTES_MAX + 2048;
pub const TLS_1_2: &str = "TLSv1.2";
pub const TLS_1_3: &str = "TLSv1.3";

macro_rules! errors {
    ($($name:ident)*) => { $(
        /// This program has no TLS.
        #[derive(Debug, thiserror::Error)]
        #[error(
            "this program was built without TLS (the cargo feature 'tls'), but TLS is requested"
        )]
        pub struct $name;
    )* };
}

errors! { AcceptorError BadCertificate ConnectorError IdentityError KeptError }

macro_rules! without_values {
    ($($name:ident)*) => { $(
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {}
    )* };
}

without_values! { Acceptor Connector Identity ClientRoots Records Handshake ClientHandshake }

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    pub subject: String,
    pub issuer: String,
    pub names: Vec<String>,
    pub not_before: i64,
    pub not_after: i64,
    pub fingerprint: String,
}

impl CertificateFacts {
    pub fn of_pem(_: &[u8]) -> Result<CertificateFacts, BadCertificate> {
        Err(BadCertificate)
    }

    pub fn valid_from(&self) -> String {
        String::new()
    }

    pub fn valid_until(&self) -> String {
        String::new()
    }
}

#[derive(Debug, Clone)]
pub struct CertificateFolder(PathBuf);

impl CertificateFolder {
    pub fn in_data_folder(data: &Path) -> CertificateFolder {
        CertificateFolder(data.join("tls"))
    }

    pub fn ca_path(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    pub fn ca(&self) -> Result<CertificateFacts, IdentityError> {
        Err(IdentityError)
    }

    pub fn certificate(&self) -> Result<CertificateFacts, IdentityError> {
        Err(IdentityError)
    }

    pub fn is_signed(&self) -> Result<bool, IdentityError> {
        Err(IdentityError)
    }

    pub fn identity(&self, _: &[String], _: Duration) -> Result<Identity, KeptError> {
        Err(KeptError)
    }
}

impl Identity {
    pub fn load(_: &Path, _: &Path, _: Duration) -> Result<Identity, IdentityError> {
        Err(IdentityError)
    }

    pub fn facts(&self) -> &CertificateFacts {
        match *self {}
    }

    pub fn warnings(&self) -> &[String] {
        match *self {}
    }

    pub fn warnings_of_server(&self) -> impl Iterator<Item = &String> {
        self.warnings().iter()
    }
}

impl ClientRoots {
    pub fn load(_: &Path) -> Result<ClientRoots, IdentityError> {
        Err(IdentityError)
    }
}

#[derive(Debug, Clone)]
pub enum ClientCertificates {
    Off,
    Optional(ClientRoots),
    Required(ClientRoots),
}

impl Acceptor {
    pub fn new(_: &Identity, _: &ClientCertificates) -> Result<Acceptor, AcceptorError> {
        Err(AcceptorError)
    }
}

#[derive(Debug, Clone)]
pub enum ServerTrust {
    Anyone,
    SignedBy(ClientRoots),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionReuse {
    Shared,
    Never,
}

impl Connector {
    pub fn new(
        _: &str,
        _: &ServerTrust,
        _: Option<&Identity>,
        _: SessionReuse,
    ) -> Result<Connector, ConnectorError> {
        Err(ConnectorError)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    pub version: &'static str,
    pub cipher: String,
    pub server_name: Option<Box<str>>,
    pub is_resumed: bool,
    pub client_subject: Option<String>,
}

pub struct Established {
    pub records: Records,
    pub agreed: Agreed,
    pub early: Vec<u8>,
}

pub enum HandshakeStep {
    Blocked(Handshake),
    Done(Box<Established>),
}

impl Handshake {
    pub fn new(acceptor: &Acceptor) -> Result<Handshake, Failure> {
        match *acceptor {}
    }

    pub fn advance(self, _: &mut [u8], _: &mut Vec<u8>) -> (usize, Result<HandshakeStep, Failure>) {
        match self {}
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    New,
    Resumed,
}

pub struct Secured {
    pub records: Records,
    pub version: &'static str,
    pub kind: SessionKind,
    pub early: Vec<u8>,
}

pub enum ClientStep {
    Blocked(ClientHandshake),
    Done(Box<Secured>),
}

impl ClientHandshake {
    pub fn new(connector: &Connector) -> Result<ClientHandshake, Failure> {
        match *connector {}
    }

    pub fn advance(self, _: &mut [u8], _: &mut Vec<u8>) -> (usize, Result<ClientStep, Failure>) {
        match self {}
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    Content { place: std::ops::Range<usize>, octets: usize },
    Nothing { octets: usize },
    Incomplete,
    Closed,
}

impl Records {
    pub fn open(&mut self, _: &mut [u8]) -> Result<Opened, Failure> {
        match *self {}
    }

    pub fn seal(
        &mut self,
        _: &[u8],
        _: &mut Vec<u8>,
        _: impl FnMut(usize, usize),
    ) -> Result<(), Failure> {
        match *self {}
    }

    pub fn close(&mut self, _: &mut Vec<u8>) {
        match *self {}
    }

    pub fn alert(&mut self, _: Failure, _: &mut Vec<u8>) {
        match *self {}
    }
}

/// Returns `false`: without TLS there are no certificates.
pub fn is_server_name(_: &str) -> bool {
    false
}

#[doc(hidden)]
#[cfg(feature = "testkit")]
pub mod by_hand {
    use std::path::Path;

    #[derive(Clone)]
    pub struct ClientOffer;

    /// Not an enum without values: the compiler would warn about all code after its creation.
    pub struct ClientByHand(());

    impl ClientOffer {
        pub fn trusting(_: &Path) -> ClientOffer {
            ClientOffer
        }

        pub fn client(&self) -> ClientByHand {
            panic!("a test of TLS in a build without it")
        }
    }

    impl ClientByHand {
        pub fn send(&mut self, _: &[u8]) {
            unreachable!("no client was created")
        }

        pub fn take_octets(&mut self) -> Vec<u8> {
            unreachable!("no client was created")
        }

        pub fn receive(&mut self, _: &[u8]) {
            unreachable!("no client was created")
        }

        pub fn take_error(&mut self) -> Option<String> {
            unreachable!("no client was created")
        }

        pub fn take_content(&mut self) -> Vec<u8> {
            unreachable!("no client was created")
        }

        pub fn is_handshaking(&self) -> bool {
            unreachable!("no client was created")
        }

        pub fn has_heard_close_notify(&self) -> bool {
            unreachable!("no client was created")
        }

        pub fn close(&mut self) {
            unreachable!("no client was created")
        }
    }
}

#[doc(hidden)]
#[cfg(feature = "testkit")]
pub mod testkit {
    pub fn check_tls(_: &[u8]) {}
}
