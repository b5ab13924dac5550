//! Why TLS failed: a closed list, so that failures can be counted by kind.
use std::fmt;

macro_rules! failures {
    ($(#[doc = $doc:literal] $name:ident = $text:literal;)*) => {
        /// Why TLS failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Failure { $(#[doc = $doc] $name),* }

        impl Failure {
            /// All kinds of failures.
            pub const ALL: &[Failure] = &[$(Failure::$name),*];

            /// Returns the name of this kind. For an alert of the peer, that is the alert's name in
            /// RFC 8446.
            pub fn name(self) -> &'static str {
                match self { $(Failure::$name => $text),* }
            }

            /// Returns a sentence that explains the failure.
            pub fn sentence(self) -> &'static str {
                match self { $(Failure::$name => $doc.trim_ascii()),* }
            }
        }
    };
}

failures! {
    /// The peer sent unknown_ca: it does not trust the CA that signed our certificate.
    UnknownCa = "unknown_ca";
    /// The peer sent bad_certificate: our certificate is invalid.
    BadCertificate = "bad_certificate";
    /// The peer sent unsupported_certificate: our certificate has an unsupported type.
    UnsupportedCertificate = "unsupported_certificate";
    /// The peer sent certificate_expired: our certificate has expired, or is not valid yet.
    CertificateExpired = "certificate_expired";
    /// The peer sent certificate_unknown: it does not accept our certificate.
    CertificateUnknown = "certificate_unknown";
    /// The peer sent handshake_failure: there is no common cipher, group or signature scheme.
    HandshakeFailure = "handshake_failure";
    /// The peer sent protocol_version: it does not support the version of TLS.
    ProtocolVersion = "protocol_version";
    /// The peer sent certificate_required: it requires a client certificate.
    CertificateRequired = "certificate_required";
    /// The peer sent access_denied: it does not accept our certificate.
    AccessDenied = "access_denied";
    /// The peer sent decrypt_error: it could not verify a signature.
    DecryptError = "decrypt_error";
    /// The peer sent unrecognized_name: it has no certificate for the requested name.
    UnrecognizedName = "unrecognized_name";
    /// The peer sent internal_error.
    InternalError = "internal_error";
    /// The peer sent user_canceled.
    UserCanceled = "user_canceled";
    /// The peer sent an alert of another kind.
    OtherAlert = "other_alert";
    /// The received data is not TLS.
    NotTls = "not_tls";
    /// The client speaks TLS on a port that begins in plain text.
    TlsOnPlainPort = "tls_on_plain_port";
    /// The peer supports no version of TLS that we support.
    NoCommonVersion = "no_common_version";
    /// The peer supports no cipher, group or signature scheme that we support.
    NoCommonCipher = "no_common_cipher";
    /// The peer sent no certificate, although one is required.
    NoPeerCertificate = "no_peer_certificate";
    /// The peer's certificate is not signed by a trusted CA.
    PeerUnknownCa = "peer_unknown_ca";
    /// The peer's certificate is for another name.
    PeerWrongName = "peer_wrong_name";
    /// The peer's certificate has expired, or is not valid yet.
    PeerExpired = "peer_expired";
    /// The peer's certificate is invalid for another reason.
    PeerBadCertificate = "peer_bad_certificate";
    /// A message is malformed.
    Malformed = "malformed";
    /// A message is well-formed, but not allowed at this point.
    Unexpected = "unexpected_message";
    /// A record was altered, or encrypted with another key.
    BadRecord = "bad_record";
    /// A record exceeds the maximum length.
    TooLong = "record_overflow";
    /// The handshake took too long.
    TimedOut = "timed_out";
    /// The peer closed the connection during the handshake.
    CutOff = "cut_off";
    /// A TLS 1.2 connection reached the maximum amount of data for its keys.
    KeysUsedUp = "keys_used_up";
    /// Another error on our side.
    Other = "other";
}

impl Failure {
    /// Returns whether another handshake with the same settings would fail in the same way: the two
    /// sides do not trust each other, or have nothing in common.
    pub fn is_permanent(self) -> bool {
        matches!(
            self,
            Failure::UnknownCa
                | Failure::BadCertificate
                | Failure::UnsupportedCertificate
                | Failure::CertificateExpired
                | Failure::CertificateUnknown
                | Failure::HandshakeFailure
                | Failure::ProtocolVersion
                | Failure::CertificateRequired
                | Failure::AccessDenied
                | Failure::UnrecognizedName
                | Failure::NotTls
                | Failure::NoCommonVersion
                | Failure::NoCommonCipher
                | Failure::PeerUnknownCa
                | Failure::PeerWrongName
                | Failure::PeerExpired
                | Failure::PeerBadCertificate
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for Failure {}
