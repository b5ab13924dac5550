//! The content of an XCLIENT command.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::attribute::Attribute;
use super::error::XclientError;
use crate::smtp::grammar::NAME_BYTES_MAX;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue<T> {
    /// A known value.
    Known(T),
    /// `[UNAVAILABLE]`: the sender of XCLIENT does not know the value.
    Unavailable,
}

/// The protocol between the named client and the sender of XCLIENT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientProtocol {
    /// The client sent HELO.
    Smtp,
    /// The client sent EHLO.
    Esmtp,
}

/// The content of an XCLIENT command. `None` means that the attribute was not sent.
///
/// NAME, LOGIN, DESTADDR and DESTPORT are validated, but not stored: nothing in sinkd depends on
/// them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientClaims {
    /// ADDR in canonical form: an IPv4-mapped IPv6 address becomes an IPv4 address.
    pub address: Option<AttributeValue<IpAddr>>,
    /// PORT.
    pub port: Option<AttributeValue<u16>>,
    /// HELO: 1 to 255 graphic ASCII octets, like an EHLO name.
    pub hello: Option<AttributeValue<Vec<u8>>>,
    /// PROTO.
    pub protocol: Option<ClientProtocol>,
}

impl ClientClaims {
    /// Stores an attribute. `value` is decoded.
    pub(super) fn take(&mut self, attribute: Attribute, value: &[u8]) -> Result<(), XclientError> {
        match attribute {
            Attribute::Name if value.eq_ignore_ascii_case(b"[TEMPUNAVAIL]") => {}
            Attribute::Name => {
                claim(value, is_host_name, XclientError::Name)?;
            }
            Attribute::Addr => {
                self.address = Some(claim(value, address, XclientError::Address)?);
            }
            Attribute::DestAddr => {
                claim(value, address, XclientError::Address)?;
            }
            Attribute::Port => self.port = Some(claim(value, port, XclientError::Port)?),
            Attribute::DestPort => {
                claim(value, port, XclientError::Port)?;
            }
            Attribute::Proto => self.protocol = Some(protocol(value)?),
            Attribute::Helo => self.hello = Some(claim(value, name, XclientError::Hello)?),
            Attribute::Login => {
                claim(value, is_login, XclientError::Login)?;
            }
        }
        Ok(())
    }
}

fn claim<T>(
    value: &[u8],
    read: fn(&[u8]) -> Option<T>,
    error: XclientError,
) -> Result<AttributeValue<T>, XclientError> {
    if value.eq_ignore_ascii_case(b"[UNAVAILABLE]") {
        return Ok(AttributeValue::Unavailable);
    }
    read(value).map(AttributeValue::Known).ok_or(error)
}

/// Parses an IPv4 address, or `IPV6:` and an IPv6 address. Refuses 0.0.0.0 and `::`, which no
/// client has.
fn address(value: &[u8]) -> Option<IpAddr> {
    const PREFIX: &[u8] = b"IPV6:";
    let text = |octets| std::str::from_utf8(octets).ok();
    let address: IpAddr = match value.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => {
            text(rest)?.parse::<Ipv6Addr>().ok()?.into()
        }
        _ => text(value)?.parse::<Ipv4Addr>().ok()?.into(),
    };
    Some(address.to_canonical()).filter(|address| !address.is_unspecified())
}

/// Parses decimal digits without a sign or leading zeros.
fn port(value: &[u8]) -> Option<u16> {
    let is_plain = value == b"0" || matches!(value.first(), Some(b'1'..=b'9'));
    if is_plain { std::str::from_utf8(value).ok()?.parse().ok() } else { None }
}

fn protocol(value: &[u8]) -> Result<ClientProtocol, XclientError> {
    match &value.to_ascii_uppercase()[..] {
        b"SMTP" => Ok(ClientProtocol::Smtp),
        b"ESMTP" => Ok(ClientProtocol::Esmtp),
        _ => Err(XclientError::Protocol),
    }
}

/// Accepts what EHLO accepts as a name.
fn name(value: &[u8]) -> Option<Vec<u8>> {
    let is_name = value.len() <= NAME_BYTES_MAX && value.iter().all(u8::is_ascii_graphic);
    is_name.then(|| value.to_vec())
}

/// Checks for labels of 1 to 63 letters, digits, hyphens and underscores, without a hyphen at
/// either end.
fn is_host_name(value: &[u8]) -> Option<()> {
    let is_label = |label: &[u8]| {
        let is_allowed = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        let has_outer_hyphen = label.starts_with(b"-") || label.ends_with(b"-");
        (1..=63).contains(&label.len()) && label.iter().all(is_allowed) && !has_outer_hyphen
    };
    value.split(|octet| *octet == b'.').all(is_label).then_some(())
}

fn is_login(value: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(value).ok()?;
    (!text.chars().any(char::is_control)).then_some(())
}
