//! dropper: a server of mio and rustls, one thread, that holds loadgen's and blast's dialogues and
//! throws the mail away. It is a yardstick for TLS: what decrypting costs a program that does
//! nothing else (see `canned`).
//!
//!   dropper --port P [--cert FILE --key FILE [--tls-port P] [--rustls unbuffered|buffered]]
//!
//! With a certificate, it offers STARTTLS on --port, and TLS from the first byte on --tls-port.
//! `unbuffered` decrypts in the buffer of the socket; `buffered` is what most programs use,
//! rustls's ServerConnection. Exit status: 2 after an error; it ends by a signal only.
#![forbid(unsafe_code)]

mod connection;
mod options;
mod session;
mod tls;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use connection::{Connection, Fate, Opening, Shared};
use options::Options;

const EVENTS_MAX: usize = 1024;

fn main() -> ExitCode {
    let result = options::parse(std::env::args().skip(1));
    let result = result.and_then(|options| run(options).map_err(|error| error.to_string()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("dropper: {reason}");
            ExitCode::from(2)
        }
    }
}

fn run(options: Options) -> io::Result<()> {
    let mut server = Server::new(options)?;
    let mut events = Events::with_capacity(EVENTS_MAX);
    loop {
        match server.poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            server.on_event(event.token())?;
        }
    }
}

/// The listeners have the first tokens, and connections the others, by their places.
struct Server {
    poll: Poll,
    listeners: Vec<(TcpListener, Opening)>,
    connections: Vec<Option<Connection>>,
    free_places: Vec<usize>,
    shared: Shared,
}

impl Server {
    fn new(options: Options) -> io::Result<Server> {
        let poll = Poll::new()?;
        let tls_port = options.tls.as_ref().and_then(|tls| tls.port);
        let ports = [(Some(options.port), Opening::Plain), (tls_port, Opening::Tls)];
        let mut listeners = Vec::new();
        for (port, opening) in ports {
            let Some(port) = port else { continue };
            let mut listener = listen(port)?;
            let token = Token(listeners.len());
            poll.registry().register(&mut listener, token, Interest::READABLE)?;
            listeners.push((listener, opening));
        }
        Ok(Server {
            poll,
            listeners,
            connections: Vec::new(),
            free_places: Vec::new(),
            shared: Shared::new(options.tls.map(|tls| tls.server)),
        })
    }

    fn on_event(&mut self, Token(token): Token) -> io::Result<()> {
        let Some(place) = token.checked_sub(self.listeners.len()) else {
            return self.accept_all(token);
        };
        if let Some(connection) = &mut self.connections[place]
            && connection.turn(&mut self.shared).unwrap_or(Fate::Ends) == Fate::Ends
        {
            self.connections[place] = None;
            self.free_places.push(place);
        }
        Ok(())
    }

    fn accept_all(&mut self, listener: usize) -> io::Result<()> {
        let (listener, opening) = &self.listeners[listener];
        while let Ok((socket, _)) = listener.accept() {
            let Ok(mut connection) = Connection::accepted(socket, *opening, &self.shared) else {
                continue;
            };
            let place = self.free_places.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let token = Token(place + self.listeners.len());
            let both = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut connection.socket, token, both)?;
            self.connections[place] = Some(connection);
        }
        Ok(())
    }
}

/// Listens on `port` of 127.0.0.1. On Linux, accepted sockets inherit TCP_NODELAY.
fn listen(port: u16) -> io::Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("port {port}: {error}")))?;
    rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
    Ok(listener)
}
