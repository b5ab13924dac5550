//! HTTP connections, and the limits on their number, time and size.
//!
//! They are served by hyper directly, as `axum::serve` has no timeout for headers and no limit on
//! connections.
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Limit on simultaneous connections; more wait in the kernel's queue. A monitoring system needs
/// one.
pub const CONNECTIONS_MAX: usize = 64;
/// Time within which a request's header must arrive, also on a connection that is kept open.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that reads nothing of an answer for this time is disconnected.
#[cfg(all(target_os = "linux", not(sinkd_portable)))]
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit on the header of a request. For 64 connections, that is 1 MiB.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// Pause after an error, usually a lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts and serves connections while it is polled.
pub(super) async fn accept_all(listener: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = places.clone().acquire_owned().await.expect("it is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, router.clone(), place));
            }
            Err(error) => {
                tracing::debug!(%error, "no HTTP connection could be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, router: Router, _place: OwnedSemaphorePermit) {
    // Both are optional: without them an answer arrives later, or a place is occupied longer.
    drop(stream.set_nodelay(true));
    #[cfg(all(target_os = "linux", not(sinkd_portable)))]
    drop(socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(WRITE_TIMEOUT)));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        // The client made an error or disconnected.
        tracing::debug!(%error, "an HTTP connection ended");
    }
}
