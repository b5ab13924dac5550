//! How clients come to TLS, and whether they show certificates.

/// How clients come to TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Off,
    /// By STARTTLS, if they like.
    Offered,
    /// By STARTTLS, before mail.
    Required,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCerts {
    /// They are not asked.
    Off,
    /// They are asked.
    Optional,
    /// They are served only with one.
    Required,
}

/// What settings say that they expect.
pub(super) const TLS: &str = "'off', 'offered' or 'required'";

/// What settings say that they expect.
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
