//! Mapping errors and alerts of rustls to kinds of failures.
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::failure::Failure;

impl Failure {
    /// Returns the kind of failure that an alert of the peer reports.
    pub(in crate::tls) fn from_alert(alert: AlertDescription) -> Failure {
        match alert {
            AlertDescription::UnknownCA => Failure::UnknownCa,
            AlertDescription::BadCertificate => Failure::BadCertificate,
            AlertDescription::UnsupportedCertificate => Failure::UnsupportedCertificate,
            AlertDescription::CertificateExpired => Failure::CertificateExpired,
            AlertDescription::CertificateUnknown => Failure::CertificateUnknown,
            AlertDescription::HandshakeFailure => Failure::HandshakeFailure,
            AlertDescription::ProtocolVersion => Failure::ProtocolVersion,
            AlertDescription::CertificateRequired => Failure::CertificateRequired,
            AlertDescription::AccessDenied => Failure::AccessDenied,
            AlertDescription::DecryptError => Failure::DecryptError,
            AlertDescription::UnrecognisedName => Failure::UnrecognizedName,
            AlertDescription::InternalError => Failure::InternalError,
            AlertDescription::UserCanceled => Failure::UserCanceled,
            _ => Failure::OtherAlert,
        }
    }

    /// Returns the kind of failure that an error of rustls reports.
    pub(in crate::tls) fn from_rustls(error: &Error) -> Failure {
        match error {
            Error::AlertReceived(alert) => Failure::from_alert(*alert),
            Error::NoCertificatesPresented => Failure::NoPeerCertificate,
            Error::InvalidCertificate(why) => Failure::of_certificate(why),
            Error::PeerIncompatible(why) => Failure::of_incompatible(why),
            Error::DecryptError => Failure::BadRecord,
            Error::PeerSentOversizedRecord => Failure::TooLong,
            Error::InvalidMessage(InvalidMessage::MessageTooLarge) => Failure::TooLong,
            Error::InvalidMessage(_) => Failure::Malformed,
            Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
                Failure::Unexpected
            }
            Error::PeerMisbehaved(_) => Failure::Unexpected,
            _ => Failure::Other,
        }
    }

    /// Returns the kind of failure of a record after the handshake.
    pub(in crate::tls) fn from_record_error(error: Error) -> Failure {
        match Failure::from_rustls(&error) {
            Failure::Other => Failure::BadRecord,
            other => other,
        }
    }

    fn of_certificate(why: &CertificateError) -> Failure {
        match why {
            // A bad signature means a CA of the same name with another key, as after a start in an
            // empty folder.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Failure::PeerUnknownCa
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Failure::PeerWrongName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Failure::PeerExpired,
            _ => Failure::PeerBadCertificate,
        }
    }

    fn of_incompatible(why: &PeerIncompatible) -> Failure {
        match why {
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled => Failure::NoCommonVersion,
            _ => Failure::NoCommonCipher,
        }
    }

    /// Returns the alert that is sent for this failure after the handshake.
    pub(in crate::tls) fn alert(self) -> Option<AlertDescription> {
        match self {
            Failure::Malformed => Some(AlertDescription::DecodeError),
            Failure::Unexpected => Some(AlertDescription::UnexpectedMessage),
            Failure::BadRecord => Some(AlertDescription::BadRecordMac),
            Failure::TooLong => Some(AlertDescription::RecordOverflow),
            Failure::Other | Failure::KeysUsedUp => Some(AlertDescription::InternalError),
            _ => None,
        }
    }
}
