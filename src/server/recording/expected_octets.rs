//! What the next octets of a client will be.
use crate::server::connection::Flow;
use crate::server::payload::Framing;

/// What the next octets of a client will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedOctets {
    /// The client's answer to our replies.
    Command,
    /// The first octets of a payload: the client's answer to 354.
    Payload,
    /// More octets of a chunk: they are due independently of our replies.
    Rest,
}

impl ExpectedOctets {
    pub fn for_flow(flow: &Flow) -> ExpectedOctets {
        match flow {
            Flow::Payload(transfer) if matches!(transfer.framing, Framing::Data(_)) => {
                ExpectedOctets::Payload
            }
            Flow::Payload(_) | Flow::Discard { .. } => ExpectedOctets::Rest,
            _ => ExpectedOctets::Command,
        }
    }
}
