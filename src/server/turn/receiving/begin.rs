//! The beginning of a payload: its expected size, and how much of it will be stored.
use std::num::NonZero;

use crate::config::storage::StoreMode;

use crate::server::connection::{Conn, Flow};
use crate::server::payload::{Fate, Framing};
use crate::server::turn::worker_context::WorkerContext;

/// The expected size of a header section. It is small enough to be staged, whatever SIZE says.
const HEADERS_BYTES_EXPECTED: u64 = 4 << 10;

/// Begins the payload of the transaction of `conn`.
#[inline]
pub fn begin(conn: &mut Conn, worker: &mut WorkerContext, framing: Framing) {
    if !conn.is_session {
        worker.ledger.becomes_session(conn);
    }
    let mut transfer = worker.lend_box();
    transfer.framing = framing;
    let chunk = match framing {
        Framing::Data(_) => None,
        Framing::Chunk { left, .. } => NonZero::new(left),
    };
    let declared = conn.session.declared_size();
    let guess = conn.incoming.last_payload_bytes;
    let bytes_max = conn.session.message_bytes_max();
    transfer.octets.expect(declared, chunk, guess, bytes_max);
    transfer.first_us = worker.clock.now_us();
    if let Some(sampling) = &worker.ledger.sampling {
        let (store, draw) = sampling.choose(conn.session.envelope());
        (transfer.fate, transfer.draw) = (Fate::from_mode(store), draw);
        if store != StoreMode::Full {
            transfer.octets.expect_only(HEADERS_BYTES_EXPECTED);
        }
    }
    assert!(
        matches!(conn.flow, Flow::Commands { chunks: None }),
        "the payload before ended with its transaction"
    );
    conn.flow = Flow::Payload(transfer);
}

/// Continues the payload in progress with another chunk.
#[inline]
pub fn next_chunk(conn: &mut Conn, framing: Framing) {
    let mut transfer = conn.take_transfer().expect("the first chunk began it");
    transfer.framing = framing;
    conn.flow = Flow::Payload(transfer);
}
