//! Simulated listeners: queues of clients that have connected and wait to be accepted.
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use crate::config::{Config, ListenAddress, Listener, Tls};
use crate::server::listening::{Accepts, Stream};
use crate::smtp::envelope::Client;
use crate::smtp::limits::Protocol;

/// How a connection to a simulated listener begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// The greeting.
    Greeting,
    /// A PROXY header.
    Proxy,
    /// A TLS handshake, if the configuration has TLS.
    Tls,
    /// A PROXY header, and then a TLS handshake.
    ProxyThenTls,
}

/// The listeners of a simulated sink.
pub(super) const LISTENERS: [(Protocol, Beginning); 6] = [
    (Protocol::Smtp, Beginning::Greeting),
    (Protocol::Lmtp, Beginning::Greeting),
    (Protocol::Smtp, Beginning::Proxy),
    (Protocol::Submission, Beginning::Greeting),
    (Protocol::Smtp, Beginning::Tls),
    (Protocol::Smtp, Beginning::ProxyThenTls),
];

/// Returns the configuration of each of [`LISTENERS`].
pub(super) fn listeners(config: &Config) -> [Listener; LISTENERS.len()] {
    // Certificates are created only for tests that need them.
    let has_tls = config.tls.mode != Tls::Off;
    LISTENERS.map(|(protocol, beginning)| {
        let address = ListenAddress::Unix("simulated".into());
        let is_proxied = matches!(beginning, Beginning::Proxy | Beginning::ProxyThenTls);
        let is_tls = has_tls && matches!(beginning, Beginning::Tls | Beginning::ProxyThenTls);
        Listener { protocol, is_proxied, is_tls, ..Listener::plain(address) }
    })
}

/// Returns the index of a listener.
pub(super) fn index_of(listener: (Protocol, Beginning)) -> usize {
    let found = LISTENERS.iter().position(|other| *other == listener);
    found.expect("there is such a listener")
}

/// A client that has connected.
pub struct QueuedClient {
    /// Chosen by the test, to recognize the client once it is accepted.
    pub number: u64,
    /// The sink's end of the connection.
    pub socket: UnixStream,
    /// The client as the listener reports it.
    pub client: Client,
}

/// What all queues of a sink share.
#[derive(Default)]
pub(super) struct Shared {
    /// The number of the client of each descriptor that was accepted.
    numbers: RefCell<HashMap<RawFd, u64>>,
    /// Number of connections that may be open; `None`: no limit.
    connections_max: Cell<Option<u64>>,
    /// Number of open connections: those at the last [`Shared::count`], and those accepted since.
    open: Cell<u64>,
    /// Whether each connection is closed before the next is accepted.
    closes_each: Cell<bool>,
}

impl Shared {
    /// Returns the number of the client whose connection is `stream`.
    pub fn number_of(&self, stream: &Stream) -> u64 {
        self.numbers.borrow()[&stream.descriptor()]
    }

    /// Sets the number of connections that are open now.
    pub fn count(&self, open: u64) {
        self.open.set(open);
    }

    /// Limits the descriptors for accepting to `left` more than are in use; `None`: no limit.
    pub fn set_left(&self, left: Option<u64>) {
        self.connections_max.set(left.map(|left| self.open.get() + left));
    }

    /// Calls `close`, in which a worker answers the waiting clients one after another, with the
    /// descriptor that it held in reserve.
    pub fn while_closing(&self, close: impl FnOnce()) {
        self.connections_max.set(self.connections_max.get().map(|most| most + 1));
        self.closes_each.set(true);
        close();
        self.closes_each.set(false);
    }

    fn take_descriptor(&self) -> io::Result<()> {
        if self.connections_max.get().is_some_and(|most| self.open.get() >= most) {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        if !self.closes_each.get() {
            self.open.set(self.open.get() + 1);
        }
        Ok(())
    }
}

/// A listener: the workers accept from the same queue.
pub(super) struct Queue {
    waiting: RefCell<VecDeque<QueuedClient>>,
    shared: Rc<Shared>,
}

impl Queue {
    pub fn new(shared: Rc<Shared>) -> Queue {
        Queue { waiting: RefCell::default(), shared }
    }

    pub fn push(&self, client: QueuedClient) {
        self.waiting.borrow_mut().push_back(client);
    }
}

impl Accepts for Rc<Queue> {
    fn accept(&self) -> io::Result<(Stream, Client)> {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.shared.take_descriptor()?;
        let QueuedClient { number, socket, client } = waiting.pop_front().expect("one waits");
        let stream = Stream::Unix(mio::net::UnixStream::from_std(socket));
        self.shared.numbers.borrow_mut().insert(stream.descriptor(), number);
        Ok((stream, client))
    }

    fn queue_length(&self) -> u64 {
        self.waiting.borrow().len() as u64
    }
}
