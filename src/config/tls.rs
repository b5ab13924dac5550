//! The settings `tls` and `tls_client_certs`.

/// Whether a listener offers STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// STARTTLS is not offered.
    Off,
    /// STARTTLS is offered, and mail in plain text is accepted, too.
    Offered,
    /// STARTTLS is required before mail.
    Required,
}

/// Whether clients are asked for certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCerts {
    /// Clients are not asked.
    Off,
    /// Clients are asked, but can connect without a certificate.
    Optional,
    /// Clients without a certificate are refused.
    Required,
}

/// The values that `tls` expects, for errors.
pub(super) const TLS: &str = "'off', 'offered' or 'required'";

/// The values that `tls_client_certs` of a listener expects, for errors.
pub(super) const CLIENT_CERTS: &str = "'off', 'optional' or 'required'";

impl Tls {
    const NAMES: [(&'static str, Tls); 3] =
        [("off", Tls::Off), ("offered", Tls::Offered), ("required", Tls::Required)];

    pub(super) fn from_name(name: &str) -> Option<Tls> {
        Tls::NAMES.iter().find(|(known, _)| *known == name).map(|(_, tls)| *tls)
    }

    pub(super) fn name(self) -> &'static str {
        let found = Tls::NAMES.iter().find(|(_, tls)| *tls == self);
        found.map_or("off", |(name, _)| name)
    }
}

impl ClientCerts {
    const NAMES: [(&'static str, ClientCerts); 3] = [
        ("off", ClientCerts::Off),
        ("optional", ClientCerts::Optional),
        ("required", ClientCerts::Required),
    ];

    pub(super) fn from_name(name: &str) -> Option<ClientCerts> {
        ClientCerts::NAMES.iter().find(|(known, _)| *known == name).map(|(_, certs)| *certs)
    }

    pub(super) fn name(self) -> &'static str {
        let found = ClientCerts::NAMES.iter().find(|(_, certs)| *certs == self);
        found.map_or("off", |(name, _)| name)
    }
}
