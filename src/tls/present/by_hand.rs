//! A client of TLS for tests: octets in, octets out, in the pieces that a test wants.
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

/// What a client offers; sessions are resumed among the connections of one offer.
#[derive(Clone)]
pub struct ClientOffer {
    config: Arc<ClientConfig>,
}

impl ClientOffer {
    /// Trusts the CA in the PEM file `ca`; offers all versions and ciphers.
    pub fn trusting(ca: &Path) -> ClientOffer {
        ClientOffer::of(Some(ca), provider().cipher_suites.clone())
    }

    /// The same for each cipher suite that a key for ECDSA can serve, and with it one version.
    pub fn each_suite(ca: &Path) -> Vec<ClientOffer> {
        let suites = provider().cipher_suites.clone().into_iter();
        let is_for_ecdsa = |suite: &SupportedCipherSuite| {
            suite.usable_for_signature_algorithm(SignatureAlgorithm::ECDSA)
        };
        suites.filter(is_for_ecdsa).map(|suite| ClientOffer::of(Some(ca), vec![suite])).collect()
    }

    /// Trusts no CA.
    pub fn trusting_nobody() -> ClientOffer {
        ClientOffer::of(None, provider().cipher_suites.clone())
    }

    fn of(ca: Option<&Path>, suites: Vec<SupportedCipherSuite>) -> ClientOffer {
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

    /// A client that has said nothing yet, and asks for `localhost`.
    pub fn client(&self) -> ClientByHand {
        let name = ServerName::try_from("localhost").expect("a name of DNS");
        let connection = ClientConnection::new(self.config.clone(), name);
        let mut connection = connection.expect("the settings of a test are right");
        connection.set_buffer_limit(None);
        ClientByHand { connection, content: Vec::new(), has_heard_close_notify: false, error: None }
    }
}

/// One connection of a client.
pub struct ClientByHand {
    connection: ClientConnection,
    content: Vec<u8>,
    has_heard_close_notify: bool,
    error: Option<String>,
}

impl ClientByHand {
    /// Seals `content`; see [`ClientByHand::take_octets`].
    pub fn say(&mut self, content: &[u8]) {
        self.connection.writer().write_all(content).expect("it is kept in memory");
    }

    /// Octets on their way to the server.
    pub fn take_octets(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut octets).expect("it is written to memory");
        }
        octets
    }

    /// Takes octets of the server in. After an error, they are lost.
    pub fn hear(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() && self.error.is_none() {
            self.connection.read_tls(&mut rest).expect("it is read from memory");
            match self.connection.process_new_packets() {
                Ok(state) => self.has_heard_close_notify |= state.peer_has_closed(),
                Err(error) => self.error = Some(error.to_string()),
            }
            // It ends with `WouldBlock`, or with the end of what the server sends.
            let _ = self.connection.reader().read_to_end(&mut self.content);
        }
    }

    /// What was wrong with what the server sent; its alert is among the octets.
    pub fn take_error(&mut self) -> Option<String> {
        self.error.take()
    }

    /// What the server has said since the last call.
    pub fn take_content(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.content)
    }

    /// Whether the server has said that it sends no more.
    pub fn has_heard_close_notify(&self) -> bool {
        self.has_heard_close_notify
    }

    /// Whether the handshake is under way.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Says that it sends no more.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// Goes over to other keys, and asks the server to do so.
    pub fn change_keys(&mut self) {
        self.connection.refresh_traffic_keys().expect("the handshake is done");
    }
}
