//! What sinkd says of itself over HTTP: `/metrics` for Prometheus, `/healthz`, `/readyz`.
//!
//! ```text
//! worker ─▶ stats hub ─(a merge a second)─▶ stats::Live ◀─(a copied pointer)─ http thread ◀─ GET
//! ```
//!
//! Invariants: one thread with a runtime of its own, for which no other thread waits except at the
//! very end; it reads shared numbers and `/proc`, and changes nothing. Clients can't hurt: at most
//! [`CONNECTIONS_MAX`] are connected, silent ones are cut off, and bodies are not read.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
mod ask;
mod connection;
mod disk;
mod facts;
mod health;
mod metrics;
mod process;
mod text;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::routing::get;
use tokio::sync::oneshot;

use crate::config::http::{DEFAULT, Http};

pub use ask::{NotReady, is_ready};
pub use connection::CONNECTIONS_MAX;
pub use facts::MetricFacts;
pub use metrics::of_history;

/// An address that HTTP can't be served at.
#[derive(Debug, thiserror::Error)]
pub enum HttpBindError {
    /// Another process listens on the address.
    #[error("{0} is already in use: stop what listens there, or choose another with --http")]
    InUse(SocketAddr),
    /// Anything else.
    #[error("cannot serve HTTP on {address}")]
    Io {
        /// The address as given.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A bound address. Clients may connect; they are answered once it is served.
#[derive(Debug)]
pub struct Bound {
    socket: TcpListener,
    address: SocketAddr,
}

/// The running thread.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Binds the configured address. Returns `None` if HTTP is off, or if the default address is in
/// use, which is logged.
///
/// Errors: an address that was asked for by name can't be had.
pub fn bind(http: Http) -> Result<Option<Bound>, HttpBindError> {
    match http {
        Http::Off => Ok(None),
        Http::At(address) => bind_to(address).map(Some),
        Http::IfFree => match bind_to(DEFAULT) {
            Ok(bound) => Ok(Some(bound)),
            Err(HttpBindError::InUse(address)) => {
                tracing::warn!("{address} is in use: no HTTP; --http ADDR chooses another address");
                Ok(None)
            }
            Err(error) => {
                tracing::warn!("{error}: no HTTP; --http ADDR chooses another address");
                Ok(None)
            }
        },
    }
}

fn bind_to(address: SocketAddr) -> Result<Bound, HttpBindError> {
    let attempt = || {
        // The standard library sets SO_REUSEADDR, so that a restart finds its port free.
        let socket = TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(Bound { socket, address })
    };
    attempt().map_err(|source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AddrInUse => HttpBindError::InUse(address),
        _ => HttpBindError::Io { address, source },
    })
}

impl Bound {
    /// Starts the thread that answers.
    ///
    /// Errors: no thread, or no event loop, can be had.
    pub fn serve(self, facts: MetricFacts) -> std::io::Result<HttpServer> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let socket = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(self.socket)?
        };
        let router = router(Arc::new(facts));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("http".into()).spawn(move || {
            runtime.spawn(connection::accept_all(socket, router));
            // An error means that the other side has gone, which ends the thread as well.
            let _ = runtime.block_on(stopped);
            // The runtime goes with this thread, and every connection with the runtime.
        })?;
        Ok(HttpServer { address: self.address, stop: Some(stop), thread: Some(thread) })
    }
}

impl HttpServer {
    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Closes every connection, and waits for the thread.
impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn router(facts: Arc<MetricFacts>) -> Router {
    Router::new()
        .route("/metrics", get(metrics::answer))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .with_state(facts)
}
