//! TLS of connections: when handshakes run, and how sealed octets reach the session and the client.
//!
//! A session never sees a sealed octet, and nothing else in this room does: what was read is opened
//! where it lies in the input buffer, and replies are sealed where they leave ([`super::send`]).
pub mod conn_tls;
pub mod handshake;
pub mod queue;
pub mod receive;
pub mod seal;
