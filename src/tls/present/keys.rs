//! Where the keys of a connection come from once its handshake is done.
use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{ConnectionTrafficSecrets, SupportedCipherSuite};

use super::failure::Failure;

/// What is left of rustls' connection: the schedule of its keys.
pub(super) enum Keys {
    /// We are the server.
    Server(KernelConnection<ServerConnectionData>),
    /// We are the client.
    Client(KernelConnection<ClientConnectionData>),
}

impl Keys {
    pub fn suite(&self) -> SupportedCipherSuite {
        match self {
            Keys::Server(keys) => keys.negotiated_cipher_suite(),
            Keys::Client(keys) => keys.negotiated_cipher_suite(),
        }
    }

    /// The next keys for what the peer sends, with the number of their first record.
    pub fn next_reading(&mut self) -> Result<(u64, ConnectionTrafficSecrets), Failure> {
        let next = match self {
            Keys::Server(keys) => keys.update_rx_secret(),
            Keys::Client(keys) => keys.update_rx_secret(),
        };
        next.map_err(|error| Failure::of(&error))
    }

    /// The next keys for what we send, with the number of their first record.
    pub fn next_writing(&mut self) -> Result<(u64, ConnectionTrafficSecrets), Failure> {
        let next = match self {
            Keys::Server(keys) => keys.update_tx_secret(),
            Keys::Client(keys) => keys.update_tx_secret(),
        };
        next.map_err(|error| Failure::of(&error))
    }

    /// Keeps a ticket for resumption; a server gets none.
    pub fn keep(&mut self, ticket: &[u8]) -> Result<(), Failure> {
        match self {
            Keys::Server(_) => Err(Failure::Unexpected),
            Keys::Client(keys) => {
                keys.handle_new_session_ticket(ticket).map_err(|error| Failure::of(&error))
            }
        }
    }
}
