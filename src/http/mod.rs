//! Monitoring over HTTP: `/metrics` for Prometheus, `/healthz`, `/readyz`.
//!
//! ```text
//! worker ─▶ stats hub ─(a merge a second)─▶ stats::Live ◀─(a copied pointer)─ http thread ◀─ GET
//! ```
//!
//! Invariants: there is one thread with its own runtime. No other thread waits for it, except when
//! sinkd ends. The thread reads shared numbers, `/proc` and the size of the file system, and
//! changes nothing. Clients can't do harm: at most [`CONNECTIONS_MAX`] are connected, silent ones
//! are disconnected, and request bodies are not read.
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

/// Why HTTP can't be served at an address.
#[derive(Debug, thiserror::Error)]
pub enum HttpBindError {
    /// Another process listens on the address.
    #[error("{0} is already in use: stop what listens there, or choose another")]
    InUse(SocketAddr),
    /// Binding failed for another reason.
    #[error("cannot serve HTTP on {address}")]
    Io {
        /// The configured address; its port may be 0.
        address: SocketAddr,
        /// Why the system refused, such as a lack of permission.
        source: std::io::Error,
    },
}

/// A bound address. Clients can connect, and are answered once it is served.
#[derive(Debug)]
pub struct Bound {
    socket: TcpListener,
    address: SocketAddr,
}

/// The running server and its thread.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Binds the configured address. Returns `None` if HTTP is off.
///
/// Errors: the address can't be bound. With [`Http::IfFree`], no user asked for HTTP, so the caller
/// can continue without it.
pub fn bind(http: Http) -> Result<Option<Bound>, HttpBindError> {
    match http {
        Http::Off => Ok(None),
        Http::At(address) => bind_to(address).map(Some),
        Http::IfFree => bind_to(DEFAULT).map(Some),
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
    /// Starts the thread that answers requests.
    ///
    /// Errors: the thread or its event loop can't be created.
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
            // Always an error: `HttpServer` drops its sender to end the thread.
            let _ = runtime.block_on(stopped);
            // The end of this thread drops the runtime, and that closes every connection.
        })?;
        Ok(HttpServer { address: self.address, stop: Some(stop), thread: Some(thread) })
    }
}

impl HttpServer {
    /// Returns the address it listens on, with the actual port.
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
