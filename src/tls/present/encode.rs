//! Encoding the handshake messages that rustls produces.
use rustls::unbuffered::{EncodeError, EncodeTlsData};

/// Appends `message` to `out`.
pub(super) fn encode<Data>(mut message: EncodeTlsData<'_, Data>, out: &mut Vec<u8>) {
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
