//! Encrypting replies.
use crate::tls::Failure;

use crate::server::connection::{ConnTls, Layer};
use crate::server::turn::worker_context::WorkerContext;

/// What is sent after the replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterReplies {
    /// More replies, later.
    More,
    /// close_notify, and nothing more.
    Close,
}

/// Replaces the replies of the turn with TLS records, and moves the end of each acknowledgement to
/// the end of its record. Before the end of the handshake there are no keys and no replies.
pub fn seal_replies(
    tls: &mut ConnTls,
    worker: &mut WorkerContext,
    then: AfterReplies,
) -> Result<(), Failure> {
    let records = match &mut tls.layer {
        Layer::Records(records) => records,
        Layer::Over if !worker.workspace.replies.is_empty() => return Err(Failure::CutOff),
        Layer::Over | Layer::Handshake(_) => {
            worker.workspace.replies.clear();
            return Ok(());
        }
    };
    let mut sealed = std::mem::take(&mut worker.tls.sealed);
    sealed.clear();
    sealed.append(&mut tls.before);
    let acknowledged = &mut worker.ledger.acknowledged;
    let mut next = 0;
    let result = records.seal(&worker.workspace.replies, &mut sealed, |replies, octets| {
        while let Some((end, _)) = acknowledged.get_mut(next).filter(|(end, _)| *end <= replies) {
            *end = octets;
            next += 1;
        }
    });
    if then == AfterReplies::Close {
        records.close(&mut sealed);
        tls.layer = Layer::Over;
    }
    std::mem::swap(&mut worker.workspace.replies, &mut sealed);
    worker.tls.sealed = sealed;
    result
}
