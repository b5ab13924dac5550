//! The one thread that changes the settings in force. It serves its callers one after the other.
//!
//! Callers are the clients of the control socket, and signals. The thread never blocks on a client:
//! each has a short time to send its line, and if there are too many, the oldest is disconnected.
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use mio::net::{UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token, Waker};

use crate::time::{MonotonicNs, ProcessClock};

use super::message::{self, Answer, REQUEST_BYTES_MAX, Request, RequestError};
use super::socket::{self, ControlSocketFile, SocketError};

/// Limit on simultaneous clients. For each further one, the oldest is disconnected.
const CLIENTS_MAX: usize = 16;
/// Time limit for a client to send its request.
const CLIENT_TIME: Duration = Duration::from_secs(5);
/// How long dropping [`Control`] waits for the thread to end.
const END_PATIENCE: Duration = Duration::from_secs(1);
/// How often the thread wakes while there are clients, or something to clean up.
const ROUND: Duration = Duration::from_secs(1);

const WAKER: Token = Token(0);
const LISTENER: Token = Token(1);
const CLIENTS: usize = 2;

/// Carries out requests.
pub trait Handler: Send {
    /// Carries out `request`, on the control thread. Clients and signals wait meanwhile.
    fn answer(&mut self, request: &Request) -> Answer;
    /// Cleans up after an answer. Called about once a second, until it returns false.
    fn clean_up(&mut self) -> bool;
}

/// The handle of the thread, which ends when this is dropped.
pub struct Control {
    orders: Arc<Orders>,
    waker: Arc<Waker>,
    /// Never receives: it is disconnected when the thread has ended.
    ended: Receiver<()>,
    _file: Option<ControlSocketFile>,
}

/// What other threads of sinkd ask of the control thread.
#[derive(Debug, Default)]
struct Orders {
    /// Whether to read the settings again. It is reset before they are read, so an order that
    /// arrives meanwhile causes another reading. Relaxed: stored by `Control::reload`, swapped by
    /// `Serving::run`, and the wake-up in between orders the accesses.
    reload: AtomicBool,
    end: AtomicBool,
}

impl Control {
    /// Listens in `folder`, whose lock the caller holds, and starts the thread.
    ///
    /// If the socket can't be created, the error is the second part of the result, and signals
    /// still work.
    pub fn start(
        folder: &Path,
        handler: Box<dyn Handler>,
    ) -> io::Result<(Control, Option<SocketError>)> {
        let (socket, trouble) = match socket::listen(folder) {
            Ok(socket) => (Some(socket), None),
            Err(error) => (None, Some(error)),
        };
        let (listener, file) = socket.unzip();
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let orders = Arc::<Orders>::default();
        let mut listener = listener.map(UnixListener::from_std);
        if let Some(listener) = &mut listener {
            poll.registry().register(listener, LISTENER, Interest::READABLE)?;
        }
        let serving = Serving {
            poll,
            listener,
            clients: VecDeque::new(),
            next_token: CLIENTS,
            orders: orders.clone(),
            handler,
            has_old: false,
            clock: *ProcessClock::get(),
        };
        let (ends, ended) = bounded(0);
        std::thread::Builder::new().name("control".into()).spawn(move || {
            let _ends = ends;
            serving.run();
        })?;
        Ok((Control { orders, waker, ended, _file: file }, trouble))
    }

    /// Requests that the settings be read again. The outcome is logged.
    pub fn reload(&self) {
        self.orders.reload.store(true, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "the control thread could not be woken");
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.orders.end.store(true, Ordering::Relaxed);
        self.wake();
        // The thread may hang on a file of a network file system. It then ends with the process.
        let _ = self.ended.recv_timeout(END_PATIENCE);
    }
}

/// The state of the control thread.
struct Serving {
    poll: Poll,
    /// `None`: only signals are served.
    listener: Option<UnixListener>,
    /// Clients that have not sent their request yet, the oldest first.
    clients: VecDeque<Client>,
    next_token: usize,
    orders: Arc<Orders>,
    handler: Box<dyn Handler>,
    /// Whether the handler may have something to clean up.
    has_old: bool,
    clock: ProcessClock,
}

/// A client that has not sent its request yet.
struct Client {
    stream: UnixStream,
    token: Token,
    request: Vec<u8>,
    /// When its time is up.
    until_ns: MonotonicNs,
}

/// The result of reading from a client.
enum Progress {
    /// The request is incomplete, and the client may still send the rest.
    Waits,
    /// A complete request, without its line end.
    Request(Vec<u8>),
    /// The client has disconnected, or must be.
    Gone,
}

impl Serving {
    fn run(mut self) {
        let mut events = Events::with_capacity(CLIENTS_MAX + CLIENTS);
        loop {
            let has_work = self.has_old || !self.clients.is_empty();
            match self.poll.poll(&mut events, has_work.then_some(ROUND)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    return tracing::error!(%error, "the control thread ended, so reloads fail");
                }
                Ok(()) => {}
            }
            if self.orders.end.load(Ordering::Relaxed) {
                return;
            }
            if self.orders.reload.swap(false, Ordering::Relaxed) {
                self.answer(&Request::Reload);
            }
            for event in &events {
                match event.token() {
                    WAKER => {}
                    LISTENER => self.accept(),
                    token => self.serve(token),
                }
            }
            let now_ns = self.clock.now_ns();
            self.clients.retain(|client| now_ns < client.until_ns);
            self.has_old = self.has_old && self.handler.clean_up();
        }
    }

    fn answer(&mut self, request: &Request) -> Answer {
        let answer = self.handler.answer(request);
        self.has_old = true;
        answer
    }

    fn accept(&mut self) {
        while let Some(listener) = &self.listener {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    // Descriptors may have run out. The next client triggers another attempt.
                    let what = "a client of the control socket could not be accepted and waits";
                    return tracing::warn!(%error, "{what}");
                }
            };
            let token = Token(self.next_token);
            self.next_token = self.next_token.checked_add(1).unwrap_or(CLIENTS);
            let until_ns = self.clock.now_ns().saturating_add(CLIENT_TIME);
            let mut client = Client { stream, token, request: Vec::new(), until_ns };
            // Most clients have sent their request by now, and need no place.
            if self.advance(&mut client) {
                continue;
            }
            let registry = self.poll.registry();
            if let Err(error) = registry.register(&mut client.stream, token, Interest::READABLE) {
                tracing::warn!(%error, "a client of the control socket could not be served");
                continue;
            }
            if self.clients.len() == CLIENTS_MAX {
                self.clients.pop_front();
            }
            self.clients.push_back(client);
        }
    }

    fn serve(&mut self, token: Token) {
        let Some(index) = self.clients.iter().position(|client| client.token == token) else {
            return;
        };
        let Some(mut client) = self.clients.remove(index) else { return };
        if !self.advance(&mut client) {
            self.clients.insert(index, client);
        }
    }

    /// Reads from a client, and answers a complete request. Returns whether the client is finished.
    fn advance(&mut self, client: &mut Client) -> bool {
        match client.read() {
            Progress::Waits => false,
            Progress::Gone => true,
            Progress::Request(line) => {
                let answer = match Request::parse(&line) {
                    Ok(request) => self.answer(&request),
                    Err(error) => Answer::Error { message: error.to_string() },
                };
                client.send(&answer);
                true
            }
        }
    }
}

impl Client {
    fn read(&mut self) -> Progress {
        let mut piece = [0; REQUEST_BYTES_MAX];
        loop {
            let octets = match self.stream.read(&mut piece) {
                Ok(0) => return Progress::Gone,
                Ok(octets) => octets,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waits,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Progress::Gone,
            };
            self.request.extend_from_slice(&piece[..octets]);
            if let Some(end) = memchr::memchr(b'\n', &self.request) {
                self.request.truncate(end);
                return Progress::Request(std::mem::take(&mut self.request));
            }
            if self.request.len() >= REQUEST_BYTES_MAX {
                self.send(&Answer::Error { message: RequestError::Long.to_string() });
                return Progress::Gone;
            }
        }
    }

    /// Sends the answer. It fits into the empty buffer of the socket, so this doesn't block. A
    /// client that has disconnected needs no answer.
    fn send(&mut self, answer: &Answer) {
        if let Err(error) = self.stream.write_all(&message::line(answer)) {
            tracing::debug!(%error, "a client of the control socket did not get its answer");
        }
    }
}
