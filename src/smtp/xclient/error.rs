//! Why an XCLIENT command is invalid.
use crate::smtp::reply::{self, Reply};

/// The rule that a command breaks. Each has its own reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XclientError {
    /// A word without `=`, no word at all, or two spaces in a row.
    Form,
    /// An unknown attribute.
    Attribute,
    /// A repeated attribute.
    Twice,
    /// A value that is empty, too long, or not xtext.
    Value,
    /// NAME is not a host name.
    Name,
    /// ADDR or DESTADDR is not an address.
    Address,
    /// PORT or DESTPORT is not a port.
    Port,
    /// PROTO is neither SMTP nor ESMTP.
    Protocol,
    /// HELO is not one printable name.
    Hello,
    /// LOGIN has control characters, or is not UTF-8.
    Login,
}

impl XclientError {
    /// Returns the 501 reply that names the rule.
    pub fn reply(self) -> &'static Reply {
        match self {
            XclientError::Form => &reply::XCLIENT_FORM,
            XclientError::Attribute => &reply::XCLIENT_ATTRIBUTE,
            XclientError::Twice => &reply::XCLIENT_TWICE,
            XclientError::Value => &reply::XCLIENT_VALUE,
            XclientError::Name => &reply::XCLIENT_NAME,
            XclientError::Address => &reply::XCLIENT_ADDR,
            XclientError::Port => &reply::XCLIENT_PORT,
            XclientError::Protocol => &reply::XCLIENT_PROTO,
            XclientError::Hello => &reply::XCLIENT_HELO,
            XclientError::Login => &reply::XCLIENT_LOGIN,
        }
    }
}
