//! A TLS client for tests, which passes octets in pieces that the test chooses.
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, SignatureAlgorithm, SupportedCipherSuite,
};

use super::provider::provider;

/// The settings of a client. Connections with the same offer resume each other's sessions.
#[derive(Clone)]
pub struct ClientOffer {
    config: Arc<ClientConfig>,
}

impl ClientOffer {
    /// Creates an offer of all versions and ciphers that trusts the CA in the PEM file `ca`.
    pub fn trusting(ca: &Path) -> ClientOffer {
        ClientOffer::new(Some(ca), provider().cipher_suites.clone())
    }

    /// Creates an offer for each cipher suite that works with an ECDSA key, with one version each.
    pub fn each_suite(ca: &Path) -> Vec<ClientOffer> {
        let suites = provider().cipher_suites.clone().into_iter();
        let is_for_ecdsa = |suite: &SupportedCipherSuite| {
            suite.usable_for_signature_algorithm(SignatureAlgorithm::ECDSA)
        };
        suites.filter(is_for_ecdsa).map(|suite| ClientOffer::new(Some(ca), vec![suite])).collect()
    }

    /// Creates an offer that trusts no CA.
    pub fn trusting_nobody() -> ClientOffer {
        ClientOffer::new(None, provider().cipher_suites.clone())
    }

    fn new(ca: Option<&Path>, suites: Vec<SupportedCipherSuite>) -> ClientOffer {
        let mut roots = RootCertStore::empty();
        if let Some(ca) = ca {
            let ca = CertificateDer::from_pem_file(ca).expect("a CA in PEM");
            roots.add(ca).expect("a CA that rustls can read");
        }
        let is_of = |version| suites.iter().any(|suite| suite.version().version == version);
        let versions: Vec<_> =
            [&TLS13, &TLS12].into_iter().filter(|it| is_of(it.version)).collect();
        let mut provider = provider().as_ref().clone();
        provider.cipher_suites = suites;
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&versions)
            .expect("each version has a suite")
            .with_root_certificates(roots)
            .with_no_client_auth();
        ClientOffer { config: Arc::new(config) }
    }

    /// Returns a new client that requests the name `localhost`.
    pub fn client(&self) -> ClientByHand {
        let name = ServerName::try_from("localhost").expect("a name of DNS");
        let connection = ClientConnection::new(self.config.clone(), name);
        let mut connection = connection.expect("the settings of a test are right");
        connection.set_buffer_limit(None);
        ClientByHand { connection, content: Vec::new(), has_heard_close_notify: false, error: None }
    }
}

/// One connection of a client with the settings of a [`ClientOffer`].
pub struct ClientByHand {
    connection: ClientConnection,
    content: Vec<u8>,
    has_heard_close_notify: bool,
    error: Option<String>,
}

impl ClientByHand {
    /// Encrypts `content`; see [`ClientByHand::take_octets`].
    pub fn send(&mut self, content: &[u8]) {
        self.connection.writer().write_all(content).expect("it is kept in memory");
    }

    /// Takes the octets to be sent to the server.
    pub fn take_octets(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut octets).expect("it is written to memory");
        }
        octets
    }

    /// Processes octets from the server. After an error, they are ignored.
    pub fn receive(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() && self.error.is_none() {
            self.connection.read_tls(&mut rest).expect("it is read from memory");
            match self.connection.process_new_packets() {
                Ok(state) => self.has_heard_close_notify |= state.peer_has_closed(),
                Err(error) => self.error = Some(error.to_string()),
            }
            // The read ends with `WouldBlock`, or with the end of the server's input.
            let _ = self.connection.reader().read_to_end(&mut self.content);
        }
    }

    /// Takes the error in the server's input. Its alert is among the octets to be sent.
    pub fn take_error(&mut self) -> Option<String> {
        self.error.take()
    }

    /// Takes the content received since the last call.
    pub fn take_content(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.content)
    }

    /// Returns whether the server has sent close_notify.
    pub fn has_heard_close_notify(&self) -> bool {
        self.has_heard_close_notify
    }

    /// Returns whether the handshake is in progress.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Sends close_notify.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// Switches to new keys, and requests the same of the server.
    pub fn change_keys(&mut self) {
        self.connection.refresh_traffic_keys().expect("the handshake is done");
    }
}
