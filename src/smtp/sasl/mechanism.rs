//! The supported SASL mechanisms.

/// A SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login.
    Login,
    /// RFC 2195.
    CramMd5,
    /// As Google and Microsoft document it.
    Xoauth2,
}

impl Mechanism {
    /// Every mechanism, in the order in which EHLO announces them.
    pub const ALL: [Mechanism; 4] =
        [Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5, Mechanism::Xoauth2];

    /// Returns its name as EHLO announces it.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::CramMd5 => "CRAM-MD5",
            Mechanism::Xoauth2 => "XOAUTH2",
        }
    }

    /// Returns the mechanism of this name, ignoring case.
    pub fn from_name(name: &[u8]) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|it| name.eq_ignore_ascii_case(it.name().as_bytes()))
    }
}
