//! What sinkd reports to the service manager that started it, if one did: sd_notify(3) of systemd.
//!
//! It is one datagram for each change, to the socket that `NOTIFY_SOCKET` names. A crate for this
//! sends in blocking mode and knows no abstract sockets: a socket that nothing reads would keep
//! sinkd from starting. Here a datagram that can't be sent at once is lost, and the reason is
//! logged.
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// The variable of the environment with the address of the socket. sinkd starts no programs, so
/// none can inherit it.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// What stopping may take in addition to the grace: the lock of `events.jsonl` for a second, and
/// then sealing and flushing, on a slow disk.
const SEALING: Duration = Duration::from_secs(20);

/// The way to the service manager; it leads nowhere if no service manager started sinkd.
#[derive(Debug, Default)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
}

impl ServiceManager {
    /// Returns the way to the service manager that the environment of this process names. If it
    /// can't be reached, a warning says so, and sinkd does without.
    pub fn of_environment() -> ServiceManager {
        let name = std::env::var_os(VARIABLE).filter(|name| !name.is_empty());
        let Some(name) = name else { return ServiceManager::default() };
        match connected(&name) {
            Ok(socket) => ServiceManager { socket: Some(socket) },
            Err(error) => {
                let socket = name.to_string_lossy();
                tracing::warn!(%error, %socket, "{VARIABLE} cannot be used; sinkd does without it");
                ServiceManager::default()
            }
        }
    }

    /// All listeners are open. `status`: one line for a person.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}\n", one_line(status)));
    }

    /// sinkd stops; transactions in progress may go on for `grace`. The time in which the manager
    /// expects the end is extended where that is needed, and never made shorter.
    pub fn stopping(&self, grace: Duration) {
        let us = (grace + SEALING).as_micros();
        let status = format!("Stopping; transactions in progress may continue for {grace:?}");
        self.tell(&format!("STOPPING=1\nSTATUS={status}\nEXTEND_TIMEOUT_USEC={us}\n"));
    }

    fn tell(&self, state: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(state.as_bytes()) {
            tracing::warn!(%error, "the service manager did not get: {}", one_line(state));
        }
    }
}

/// A line end in a value would begin another variable.
fn one_line(text: &str) -> String {
    text.trim_end().replace(['\n', '\r'], " ")
}

fn connected(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match name.as_bytes() {
        [b'/', ..] => socket.connect(name)?,
        [b'@', name @ ..] => connect_abstract(&socket, name)?,
        _ => {
            let expected =
                "expected the path of a Unix socket, or @ and the name of an abstract one";
            return Err(io::Error::new(ErrorKind::InvalidInput, expected));
        }
    }
    Ok(socket)
}

/// Connects to a socket without a file.
#[cfg(all(target_os = "linux", not(sinkd_portable)))]
fn connect_abstract(socket: &UnixDatagram, name: &[u8]) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    socket.connect_addr(&SocketAddr::from_abstract_name(name)?)
}

#[cfg(any(sinkd_portable, not(target_os = "linux")))]
fn connect_abstract(_: &UnixDatagram, _: &[u8]) -> io::Result<()> {
    Err(io::Error::new(ErrorKind::Unsupported, "abstract sockets exist on Linux only"))
}
