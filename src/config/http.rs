//! The setting `http`: the address that serves monitoring.
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::str::FromStr;

use super::listen;

/// Whether HTTP is served, and at which address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    /// No thread serves HTTP.
    Off,
    /// `auto`: serves at [`DEFAULT`]; not at all if that address cannot be bound, because no user
    /// asked for it.
    IfFree,
    /// Serves at this address; an error if it cannot be bound.
    At(SocketAddr),
}

/// The text is not an address, `auto` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {EXPECTED}")]
pub struct BadHttp;

/// The address of [`Http::IfFree`], which only this machine can reach.
pub const DEFAULT: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 1), 8025));

/// The values that `http` expects, for errors.
pub const EXPECTED: &str =
    "an address such as 127.0.0.1:8025, [::1]:0 or localhost:8025, 'auto' or 'off'";

impl FromStr for Http {
    type Err = BadHttp;

    fn from_str(text: &str) -> Result<Http, BadHttp> {
        match text {
            "off" => Ok(Http::Off),
            "auto" => Ok(Http::IfFree),
            _ => listen::parse_tcp(text).map(Http::At).ok_or(BadHttp),
        }
    }
}

impl fmt::Display for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Http::Off => f.write_str("off"),
            Http::IfFree => f.write_str("auto"),
            Http::At(address) => address.fmt(f),
        }
    }
}
