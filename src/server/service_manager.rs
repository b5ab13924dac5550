//! Reports to the service manager, in the protocol of systemd's sd_notify(3).
//!
//! Each report is one datagram to the socket that `NOTIFY_SOCKET` names. The existing crate blocks
//! when it sends, so a socket that nothing reads would keep sinkd from starting, and it doesn't
//! support abstract sockets. Here a datagram that can't be sent at once is dropped, and the reason
//! is logged.
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// The environment variable with the address of the socket. sinkd starts no programs that could
/// inherit it.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// Time that stopping may take after the grace period: a second for the lock of `events.jsonl`,
/// then sealing and flushing on a slow disk.
const SEALING: Duration = Duration::from_secs(20);

/// The connection to the service manager. Without a service manager, reports go nowhere.
#[derive(Debug, Default)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
}

impl ServiceManager {
    /// Connects to the service manager that the environment names. If that fails, logs a warning,
    /// and reports go nowhere.
    pub fn from_environment() -> ServiceManager {
        let name = std::env::var_os(VARIABLE).filter(|name| !name.is_empty());
        let Some(name) = name else { return ServiceManager::default() };
        match connected(&name) {
            Ok(socket) => ServiceManager { socket: Some(socket) },
            Err(error) => {
                let socket = name.to_string_lossy();
                tracing::warn!(%error, %socket, "{VARIABLE} cannot be used: no notifications");
                ServiceManager::default()
            }
        }
    }

    /// Reports that all listeners are open. `status`: one line of text for a person.
    pub fn ready(&self, status: &str) {
        self.notify(&format!("READY=1\nSTATUS={}\n", one_line(status)));
    }

    /// Reports that sinkd is stopping, and that transactions in progress may continue for `grace`.
    /// This extends the manager's stop timeout if necessary, and never shortens it.
    pub fn stopping(&self, grace: Duration) {
        let us = (grace + SEALING).as_micros();
        let status = format!("Stopping; transactions in progress may continue for {grace:?}");
        self.notify(&format!("STOPPING=1\nSTATUS={status}\nEXTEND_TIMEOUT_USEC={us}\n"));
    }

    fn notify(&self, state: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(state.as_bytes()) {
            tracing::warn!(%error, "the service manager was not notified: {}", one_line(state));
        }
    }
}

/// Returns `text` on one line: a line end in a value would begin another variable.
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

/// Connects to an abstract socket, which has no file.
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
