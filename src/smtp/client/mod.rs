//! The client session, pure: a server's octets in, commands and payload out (RFC 5321, 2033, 2920,
//! 3030).
mod mail;

pub use mail::{Form, Mail};
