//! The source of a connection's keys after its handshake.
use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{ConnectionTrafficSecrets, SupportedCipherSuite};

use super::failure::Failure;

/// The part of the rustls connection that remains: its key schedule.
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

    /// Returns the next keys for reading, with the number of their first record.
    pub fn next_reading(&mut self) -> Result<(u64, ConnectionTrafficSecrets), Failure> {
        let next = match self {
            Keys::Server(keys) => keys.update_rx_secret(),
            Keys::Client(keys) => keys.update_rx_secret(),
        };
        next.map_err(|error| Failure::from_rustls(&error))
    }

    /// Returns the next keys for writing, with the number of their first record.
    pub fn next_writing(&mut self) -> Result<(u64, ConnectionTrafficSecrets), Failure> {
        let next = match self {
            Keys::Server(keys) => keys.update_tx_secret(),
            Keys::Client(keys) => keys.update_tx_secret(),
        };
        next.map_err(|error| Failure::from_rustls(&error))
    }

    /// Stores a ticket for resumption. A server must not receive one.
    pub fn store_ticket(&mut self, ticket: &[u8]) -> Result<(), Failure> {
        match self {
            Keys::Server(_) => Err(Failure::Unexpected),
            Keys::Client(keys) => {
                keys.handle_new_session_ticket(ticket).map_err(|error| Failure::from_rustls(&error))
            }
        }
    }
}
