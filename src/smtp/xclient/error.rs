//! Why a command is not an XCLIENT command.
use crate::smtp::reply::{self, Reply};

/// The rule that a command broke; each has its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XclientError {
    /// A word without `=`, or none at all; two spaces in a row.
    Form,
    /// An attribute that is not known here.
    Attribute,
    /// An attribute that stands twice.
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
    /// 501, naming the rule.
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
