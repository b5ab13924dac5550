//! Progress of a handshake: does what rustls asks for, for both sides.
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData};

/// What a handshake needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandshakeProgress {
    /// Another call of rustls.
    Continues,
    /// More octets from the peer.
    Blocked,
    /// Nothing: the peer has closed the connection.
    Closed,
}

/// Does what `state` asks for: appends messages for the peer to `out`, and content that arrived
/// with the end of the handshake to `early`.
pub(super) fn advance<Data>(
    state: ConnectionState<'_, '_, Data>,
    out: &mut Vec<u8>,
    early: &mut Vec<u8>,
) -> HandshakeProgress {
    match state {
        ConnectionState::EncodeTlsData(message) => encode(message, out),
        ConnectionState::TransmitTlsData(sent) => sent.done(),
        ConnectionState::ReadTraffic(mut content) => {
            while let Some(Ok(record)) = content.next_record() {
                early.extend_from_slice(record.payload);
            }
        }
        ConnectionState::WriteTraffic(_) => {}
        ConnectionState::BlockedHandshake => return HandshakeProgress::Blocked,
        _ => return HandshakeProgress::Closed,
    }
    HandshakeProgress::Continues
}

/// Appends `message` to `out`.
fn encode<Data>(mut message: EncodeTlsData<'_, Data>, out: &mut Vec<u8>) {
    let from = out.len();
    let mut bytes = 0;
    loop {
        out.resize(from + bytes, 0);
        match message.encode(&mut out[from..]) {
            Ok(octets) => return out.truncate(from + octets),
            Err(EncodeError::InsufficientSize(needed)) => bytes = needed.required_size,
            Err(EncodeError::AlreadyEncoded) => return out.truncate(from),
        }
    }
}
