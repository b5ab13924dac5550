//! Sockets of the loopback network, and epoll. Each function is one system call unless it says
//! more.
//!
//! What is called for each message returns an `Errno`, which takes fewer instructions to pass on than
//! an `io::Error`.
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType, sockopt,
};
use rustix::time::Timespec;

pub use rustix::event::epoll::Event;
pub use rustix::io::Errno;

/// Queue of connections that were not accepted yet: more than a generator opens at a time.
const BACKLOG: i32 = 4096;

/// Begins to connect to `port` of 127.0.0.1, with TCP_NODELAY. Costs three system calls.
///
/// The handshake can still be in progress: `send` then fails with ENOTCONN or EAGAIN.
pub fn connect(port: u16) -> io::Result<OwnedFd> {
    let socket = tcp_socket()?;
    // Without it, only the timing differs.
    let _ = sockopt::set_tcp_nodelay(&socket, true);
    match rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// Listens on `port` of 127.0.0.1. On Linux, accepted sockets inherit TCP_NODELAY and the
/// congestion control (tcp(7)), which is the system's if `congestion_control` is `None`.
pub fn listen(port: u16, congestion_control: Option<&str>) -> io::Result<OwnedFd> {
    let socket = tcp_socket()?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if let Some(name) = congestion_control {
        sockopt::set_tcp_congestion(&socket, name)?;
    }
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn tcp_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?)
}

/// Accepts a connection, which doesn't block.
pub fn accept(listener: impl AsFd) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(rustix::net::accept_with(listener, flags)?)
}

/// Receives into `buffer`. Returns the number of bytes; 0 after the peer has closed.
#[inline]
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    let (_, bytes) = rustix::net::recv(socket, buffer, RecvFlags::empty())?;
    Ok(bytes)
}

/// Sends the beginning of `octets`, as much as the socket accepts. Returns the number of bytes.
#[inline]
pub fn send(socket: impl AsFd, octets: &[u8]) -> Result<usize, Errno> {
    rustix::net::send(socket, octets, SendFlags::NOSIGNAL)
}

/// Like `send`, for pieces that follow each other; the kernel accepts up to 1,024.
#[inline]
pub fn send_pieces(socket: impl AsFd, pieces: &[IoSlice<'_>]) -> Result<usize, Errno> {
    let mut control = SendAncillaryBuffer::default();
    rustix::net::sendmsg(socket, pieces, &mut control, SendFlags::NOSIGNAL)
}

/// Returns whether a send failed only because the socket accepts nothing yet: it is full, or its
/// handshake is in progress.
#[inline]
pub fn is_not_ready(error: Errno) -> bool {
    matches!(error, Errno::AGAIN | Errno::NOTCONN)
}

/// Sockets that the kernel watches. Each has a number, which its events repeat.
pub struct Poller(OwnedFd);

/// What the kernel reports about a socket besides errors, which it always reports.
pub enum Watch {
    /// Whether it can be accepted from, for as long as it can.
    Acceptable,
    /// Input and the end of input, once each time (edge-triggered).
    Input,
    /// `Input`, and free space for output after there was none.
    InputAndOutput,
}

impl Poller {
    pub fn new() -> io::Result<Poller> {
        Ok(Poller(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    /// Watches `socket` until it is closed.
    pub fn add(&self, socket: impl AsFd, number: u64, watch: Watch) -> io::Result<()> {
        let input = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        let flags = match watch {
            Watch::Acceptable => EventFlags::IN,
            Watch::Input => input,
            Watch::InputAndOutput => input | EventFlags::OUT,
        };
        Ok(epoll::add(&self.0, socket, EventData::new_u64(number), flags)?)
    }

    /// Waits for events and replaces `events` by them: as many as their capacity at most. There are
    /// none after the time-out.
    ///
    /// Errors: `INTR` after a signal.
    #[inline]
    pub fn wait(&self, events: &mut Vec<Event>, timeout: &Timeout) -> Result<(), Errno> {
        events.clear();
        epoll::wait(&self.0, spare_capacity(events), timeout.0.as_ref())?;
        Ok(())
    }
}

/// How long to wait, as the kernel takes it.
pub struct Timeout(Option<Timespec>);

impl Timeout {
    /// `None`: without limit.
    pub fn new(timeout: Option<Duration>) -> Timeout {
        Timeout(timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: timeout.subsec_nanos().into(),
        }))
    }
}

/// Returns the number of the socket that `event` is about.
#[inline]
pub fn number_of(event: &Event) -> usize {
    let data = event.data;
    data.u64() as usize
}

/// Returns whether there is something to receive: input, the end of input, or an error.
#[inline]
pub fn is_readable(event: &Event) -> bool {
    let flags = event.flags;
    flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR)
}

/// Returns whether the connection is broken or closed in both directions.
#[inline]
pub fn is_broken(event: &Event) -> bool {
    let flags = event.flags;
    flags.intersects(EventFlags::HUP | EventFlags::ERR)
}

/// Returns whether the peer sends no more.
#[inline]
pub fn is_half_closed(event: &Event) -> bool {
    let flags = event.flags;
    flags.contains(EventFlags::RDHUP)
}
