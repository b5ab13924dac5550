//! Why octets are not a header.

/// What is wrong with the octets where a PROXY header was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Neither signature: the client speaks without a proxy, or its proxy sends no header.
    #[error("expected a PROXY header, found something else")]
    NoHeader,
    /// A line of version 1 that does not end within 107 octets.
    #[error("the line of PROXY version 1 is longer than 107 octets")]
    LineTooLong,
    /// A line of version 1 that breaks the grammar of section 2.1.
    #[error("PROXY version 1: expected `PROXY TCP4|TCP6|UNKNOWN source destination port port`")]
    BadLine,
    /// The second half of the first signature is right, the version is not 2.
    #[error("PROXY header of version {0}: only 1 and 2 are known")]
    Version(u8),
    /// Neither LOCAL nor PROXY.
    #[error("PROXY version 2: command {0} is not known")]
    Command(u8),
    /// A family or transport that cannot be the client of a stream: reserved, or datagrams.
    #[error("PROXY version 2: family 0x{0:02x} is not a stream of TCP or a Unix socket")]
    Family(u8),
    /// The header says that it is longer than is accepted.
    #[error("PROXY version 2: a header of {0} octets is longer than 4096")]
    TooLong(usize),
    /// The header is shorter than the addresses of its family.
    #[error("PROXY version 2: the addresses reach beyond the header")]
    Addresses,
    /// A type-length-value reaches beyond its container.
    #[error("PROXY version 2: a TLV reaches beyond its end")]
    Tlv,
    /// The checksum in the header does not match its octets.
    #[error("PROXY version 2: the checksum is wrong")]
    Checksum,
}
