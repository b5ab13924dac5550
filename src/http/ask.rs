//! Asks a running sinkd whether it accepts mail, for container images that have no other program
//! for this.
use std::io::{Error, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::config::http::{DEFAULT, Http};

/// Time limit for each of connecting, sending and receiving. The health check of sinkd's image
/// waits for 5 s.
const PATIENCE: Duration = Duration::from_secs(2);
/// Limit on the part of the answer that is read; the head of sinkd's answer is shorter.
const ANSWER_BYTES_MAX: usize = 4096;

/// Why sinkd has not confirmed that it accepts mail.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// HTTP is off, or its port is only known to the running sinkd (port 0).
    #[error("http: expected an address with a port to ask, found '{0}'")]
    NoAddress(Http),
    /// No answer was received.
    #[error("no answer from {address}")]
    Silent {
        /// The address that was asked: loopback if sinkd listens on all addresses.
        address: SocketAddr,
        /// What failed: connecting, sending, or receiving within 2 s each.
        source: Error,
    },
    /// sinkd is stopping, or another program answered.
    #[error("{address} does not accept mail: {answer}")]
    No {
        /// The address that was asked: loopback if sinkd listens on all addresses.
        address: SocketAddr,
        /// The first line of the answer, such as `HTTP/1.1 503 Service Unavailable`.
        answer: String,
    },
}

/// Returns once the sinkd that serves HTTP at `http` has confirmed that it accepts mail.
///
/// Errors: there is no confirmation within a few seconds, or the settings contain no address to
/// ask.
pub fn is_ready(http: Http) -> Result<(), NotReady> {
    let address = match http {
        Http::At(address) if address.port() != 0 => reachable(address),
        Http::IfFree => DEFAULT,
        Http::At(_) | Http::Off => return Err(NotReady::NoAddress(http)),
    };
    let answer = ask(address).map_err(|source| NotReady::Silent { address, source })?;
    if answer.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    let answer = answer.lines().next().unwrap_or_default().escape_debug().to_string();
    Err(NotReady::No { address, answer })
}

/// Returns the address to connect to: loopback for a server that listens on all addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let loopback = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(loopback, address.port())
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = vec![0; ANSWER_BYTES_MAX];
    // sinkd sends an answer this short in one piece.
    match stream.read(&mut answer)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        octets => Ok(String::from_utf8_lossy(&answer[..octets]).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_addresses_is_asked_at_loopback() {
        for (served, asked) in [
            ("0.0.0.0:8025", "127.0.0.1:8025"),
            ("[::]:8025", "[::1]:8025"),
            ("127.0.0.2:1", "127.0.0.2:1"),
        ] {
            assert_eq!(reachable(served.parse().unwrap()).to_string(), asked);
        }
    }
}
