//! The TLS settings of a listener.
use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::version::{TLS12, TLS13};

use super::asked_name::OneCertificate;
use super::clients::ClientCertificates;
use super::digest::{DIGEST_BYTES, sha256};
use super::identity::Identity;
use super::provider::provider;
use super::resumption::{Sessions, Tickets};

/// Number of tickets sent after a TLS 1.3 handshake. Each costs octets and time, and a sender's
/// connections usually resume one after the other.
const TICKETS: usize = 1;

/// The TLS settings of a listener; cheap to clone. Two are equal if they present the same
/// certificates and have the same requirements for clients.
#[derive(Clone)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    /// Digest of the certificates and of the requirements for clients.
    digest: [u8; DIGEST_BYTES],
}

/// Why TLS can't be set up: the system has no random numbers, or its cryptography doesn't work.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up: {0}")]
pub struct AcceptorError(String);

impl From<rustls::Error> for AcceptorError {
    fn from(error: rustls::Error) -> AcceptorError {
        AcceptorError(error.to_string())
    }
}

impl Acceptor {
    /// Creates settings for TLS 1.2 and 1.3 that present `identity`, and request certificates from
    /// clients as `clients` says.
    pub fn new(
        identity: &Identity,
        clients: &ClientCertificates,
    ) -> Result<Acceptor, AcceptorError> {
        let context = clients.digest();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_client_cert_verifier(clients.verifier())
            .with_cert_resolver(Arc::new(OneCertificate(identity.certified_key())));
        // `Records` takes over the keys after the handshake.
        config.enable_secret_extraction = true;
        config.send_tls13_tickets = TICKETS;
        config.ticketer = Arc::new(Tickets::new(context)?);
        config.session_storage = Arc::new(Sessions::new(context));
        let chain = identity.chain().iter().map(AsRef::as_ref);
        let digest = sha256(chain.chain([&context[..]]));
        Ok(Acceptor { config: Arc::new(config), digest })
    }

    /// Returns the settings for rustls.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }
}

impl PartialEq for Acceptor {
    fn eq(&self, other: &Acceptor) -> bool {
        self.digest == other.digest
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
    use rustls::{
        ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore,
        ServerConnection, SupportedProtocolVersion,
    };

    use super::*;
    use crate::tls::enabled::authority::{Authority, LeafKey};
    use crate::tls::enabled::clients::ClientRoots;
    use crate::tls::enabled::folder;
    use crate::tls::enabled::pem::encode;

    /// A CA, and a server and a client with certificates signed by it.
    struct Signed {
        ca: CertificateDer<'static>,
        server: Identity,
        client: (CertificateDer<'static>, Vec<u8>),
        /// Contains the CA as `ca.pem`.
        folder: tempfile::TempDir,
    }

    /// Returns the current time: the verifier of rustls uses the system clock, so the certificates
    /// must be valid today.
    fn today() -> Duration {
        crate::time::ProcessClock::get().unix_ns().as_duration()
    }

    impl Signed {
        fn new() -> Signed {
            let authority = Authority::generate("host", today()).unwrap();
            let own = LeafKey::generate().unwrap();
            let leaf = authority.sign(&own, &["localhost".into()], today()).unwrap();
            let key = PrivatePkcs8KeyDer::from(own.der().to_vec()).into();
            let clients = LeafKey::generate().unwrap();
            let client = authority.sign_client(&clients, &["client".into()], today()).unwrap();
            let files = (Path::new("cert"), Path::new("key"));
            let ca = authority.certificate().clone();
            let server = Identity::from_parts(vec![leaf, ca.clone()], key, files).unwrap();
            let temp = tempfile::tempdir().unwrap();
            folder::write(temp.path(), "ca.pem", &encode("CERTIFICATE", &ca)).unwrap();
            Signed { ca, server, client: (client, clients.der().to_vec()), folder: temp }
        }

        fn roots(&self) -> ClientRoots {
            ClientRoots::load(&self.folder.path().join("ca.pem")).unwrap()
        }

        /// Returns a client that trusts the CA.
        fn client(
            &self,
            version: &'static SupportedProtocolVersion,
            shows: Option<&(CertificateDer<'static>, Vec<u8>)>,
        ) -> Arc<ClientConfig> {
            let mut roots = RootCertStore::empty();
            roots.add(self.ca.clone()).unwrap();
            let builder = ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots);
            Arc::new(match shows {
                None => builder.with_no_client_auth(),
                Some((leaf, key)) => {
                    let key = PrivatePkcs8KeyDer::from(key.clone()).into();
                    builder.with_client_auth_cert(vec![leaf.clone()], key).unwrap()
                }
            })
        }
    }

    /// Passes octets between both sides until neither has any to send.
    fn handshake(
        client: &Arc<ClientConfig>,
        acceptor: &Acceptor,
    ) -> Result<(ServerConnection, ClientConnection), rustls::Error> {
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(client.clone(), name).unwrap();
        let mut server = ServerConnection::new(acceptor.config()).unwrap();
        while client.wants_write() || server.wants_write() {
            let mut octets = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut octets).unwrap();
            }
            let mut rest = &octets[..];
            while !rest.is_empty() {
                server.read_tls(&mut rest).unwrap();
                server.process_new_packets()?;
            }
            let mut octets = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut octets).unwrap();
            }
            let mut rest = &octets[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                client.process_new_packets()?;
            }
        }
        assert!(!client.is_handshaking() && !server.is_handshaking());
        Ok((server, client))
    }

    #[test]
    fn a_client_that_trusts_the_ca_accepts_the_certificate_and_resumes_its_session() {
        let signed = Signed::new();
        let acceptor = Acceptor::new(&signed.server, &ClientCertificates::Off).unwrap();
        for (version, number) in
            [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
        {
            let client = signed.client(version, None);
            let (server, _) = handshake(&client, &acceptor).unwrap();
            assert_eq!(server.protocol_version(), Some(number));
            assert_ne!(server.handshake_kind(), Some(HandshakeKind::Resumed));
            // The session survives a reload.
            let next = Acceptor::new(&signed.server, &ClientCertificates::Off).unwrap();
            let (server, _) = handshake(&client, &next).unwrap();
            assert_eq!(server.handshake_kind(), Some(HandshakeKind::Resumed), "{number:?}");
        }
    }

    #[test]
    fn certificates_of_clients_are_off_optional_or_required() {
        let (signed, other) = (Signed::new(), Signed::new());
        let modes: [(ClientCertificates, [bool; 3], bool); 3] = [
            // Whether a client is served without a certificate, with a valid one, and with one of
            // another CA.
            (ClientCertificates::Off, [true, true, true], false),
            (ClientCertificates::Optional(signed.roots()), [true, true, false], true),
            (ClientCertificates::Required(signed.roots()), [false, true, false], true),
        ];
        for (mode, served, is_asked) in modes {
            let acceptor = Acceptor::new(&signed.server, &mode).unwrap();
            let shown = [None, Some(&signed.client), Some(&other.client)];
            for (shows, is_served) in shown.into_iter().zip(served) {
                for version in [&TLS12, &TLS13] {
                    let made = handshake(&signed.client(version, shows), &acceptor);
                    assert_eq!(made.is_ok(), is_served, "{mode:?} {version:?}");
                    let Ok((server, _)) = made else { continue };
                    let seen = server.peer_certificates().map(<[_]>::len);
                    assert_eq!(seen.is_some(), is_asked && shows.is_some(), "{mode:?}");
                }
            }
        }
    }

    /// A resumed session is not verified again.
    #[test]
    fn a_session_without_a_certificate_is_not_resumed_where_one_is_required() {
        let signed = Signed::new();
        let open = Acceptor::new(&signed.server, &ClientCertificates::Off).unwrap();
        let required = ClientCertificates::Required(signed.roots());
        let closed = Acceptor::new(&signed.server, &required).unwrap();
        for version in [&TLS12, &TLS13] {
            let client = signed.client(version, None);
            handshake(&client, &open).unwrap();
            let refused = handshake(&client, &closed).map(|_| ()).unwrap_err();
            assert_eq!(refused, rustls::Error::NoCertificatesPresented, "{version:?}");
        }
    }

    #[test]
    fn two_acceptors_are_equal_if_they_show_and_ask_the_same() {
        let (signed, other) = (Signed::new(), Signed::new());
        let optional = ClientCertificates::Optional(signed.roots());
        let of = |identity, clients| Acceptor::new(identity, clients).unwrap();
        let one = of(&signed.server, &ClientCertificates::Off);
        assert_eq!(one, of(&signed.server, &ClientCertificates::Off));
        assert_ne!(one, of(&other.server, &ClientCertificates::Off));
        assert_ne!(one, of(&signed.server, &optional));
        assert_ne!(
            of(&signed.server, &optional),
            of(&signed.server, &ClientCertificates::Optional(other.roots()))
        );
    }
}
