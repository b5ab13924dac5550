//! Why octets are not a valid PROXY header.

/// Why octets are not a valid PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// The octets have neither signature: the client connected directly, or its proxy sends no
    /// header.
    #[error("expected a PROXY header, found something else")]
    NoHeader,
    /// The line of version 1 does not end within 107 octets.
    #[error("the line of PROXY version 1 is longer than 107 octets")]
    LineTooLong,
    /// The line of version 1 breaks the grammar of section 2.1.
    #[error("PROXY version 1: expected `PROXY TCP4|TCP6|UNKNOWN source destination port port`")]
    BadLine,
    /// The binary signature is right, but the version is not 2.
    #[error("PROXY header of version {0}: only 1 and 2 are known")]
    Version(u8),
    /// The command is neither LOCAL nor PROXY.
    #[error("PROXY version 2: command {0} is not known")]
    Command(u8),
    /// The address family or transport is reserved, or is for datagrams.
    #[error("PROXY version 2: family 0x{0:02x} is not a stream of TCP or a Unix socket")]
    Family(u8),
    /// The header declares a length above the limit.
    #[error("PROXY version 2: a header of {0} octets is longer than 4096")]
    TooLong(usize),
    /// The header is too short for the addresses of its family.
    #[error("PROXY version 2: the addresses extend beyond the header")]
    Addresses,
    /// A type-length-value extends beyond its container.
    #[error("PROXY version 2: a TLV extends beyond the header")]
    Tlv,
    /// The checksum in the header does not match its octets.
    #[error("PROXY version 2: the checksum is wrong")]
    Checksum,
}
