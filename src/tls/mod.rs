//! TLS, as both programs use it: certificates, handshakes, and the records of a connection. The
//! only room that knows rustls.
//!
//! It knows no socket: octets go in and come out, and the caller moves them.
mod acceptor;
mod encode;
mod failure;
mod keys;
mod record;
mod server;
mod server_name;
mod spelling;

pub use acceptor::Acceptor;
pub use failure::Failure;
pub use record::{CONTENT_BYTES_MAX, HEADER_BYTES, Opened, RECORD_BYTES_MAX, Records};
pub use server::{Agreed, Established, Handshake, HandshakeStep};
pub use spelling::{TLS_1_2, TLS_1_3};
