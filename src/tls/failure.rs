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
    /// The peer told us unknown_ca: it does not trust who signed our certificate.
    UnknownCa = "unknown_ca";
    /// The peer told us bad_certificate: our certificate is bad.
    BadCertificate = "bad_certificate";
    /// The peer told us unsupported_certificate: our certificate is of the wrong kind.
    UnsupportedCertificate = "unsupported_certificate";
    /// The peer told us certificate_expired: our certificate is not valid today.
    CertificateExpired = "certificate_expired";
    /// The peer told us certificate_unknown: it does not accept our certificate.
    CertificateUnknown = "certificate_unknown";
    /// The peer told us handshake_failure: it has other ciphers, groups or signatures.
    HandshakeFailure = "handshake_failure";
    /// The peer told us protocol_version: it has other versions of TLS.
    ProtocolVersion = "protocol_version";
    /// The peer told us certificate_required: it wants a client's certificate.
    CertificateRequired = "certificate_required";
    /// The peer told us access_denied: it does not accept our certificate.
    AccessDenied = "access_denied";
    /// The peer told us decrypt_error: a signature of ours is bad.
    DecryptError = "decrypt_error";
    /// The peer told us unrecognized_name: it asked for another name.
    UnrecognizedName = "unrecognized_name";
    /// The peer told us internal_error.
    InternalError = "internal_error";
    /// The peer told us user_canceled.
    UserCanceled = "user_canceled";
    /// The peer sent an alert that has no name here.
    OtherAlert = "other_alert";
    /// What came is not TLS.
    NotTls = "not_tls";
    /// The client speaks TLS to a port that begins in plain text.
    TlsOnPlainPort = "tls_on_plain_port";
    /// The peer has no version of TLS that we have.
    NoCommonVersion = "no_common_version";
    /// The peer has no cipher, group or signature that we have.
    NoCommonCipher = "no_common_cipher";
    /// The peer has sent no certificate, and must.
    NoPeerCertificate = "no_peer_certificate";
    /// We do not trust who signed the peer's certificate.
    PeerUnknownCa = "peer_unknown_ca";
    /// The peer's certificate is of another name.
    PeerWrongName = "peer_wrong_name";
    /// The peer's certificate has expired, or is not valid yet.
    PeerExpired = "peer_expired";
    /// The peer's certificate is bad in another way.
    PeerBadCertificate = "peer_bad_certificate";
    /// A message that can't be read.
    Malformed = "malformed";
    /// A message that can be read, and has no place where it came.
    Unexpected = "unexpected_message";
    /// A record was altered, or sealed with another key.
    BadRecord = "bad_record";
    /// A record is longer than any may be.
    TooLong = "record_overflow";
    /// The handshake took too long.
    TimedOut = "timed_out";
    /// The peer closed the connection before the handshake was done.
    CutOff = "cut_off";
    /// TLS 1.2 has no other keys when these have sealed what they may.
    KeysUsedUp = "keys_used_up";
    /// Something else, on our side.
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
