//! TLS, as both programs use it: certificates, handshakes, and the records of a connection. The only
//! room that knows rustls.
//!
//! It knows no socket: octets go in and come out, and the caller moves them.
mod acceptor;

pub use acceptor::Acceptor;
