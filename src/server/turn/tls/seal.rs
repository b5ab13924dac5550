//! Encrypting replies.
use crate::tls::Failure;

use crate::server::connection::ConnTls;
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
/// the end of its record.
///
/// Errors: TLS is over, so the replies can't be sent.
pub fn seal_replies(
    tls: &mut ConnTls,
    worker: &mut WorkerContext,
    then: AfterReplies,
) -> Result<(), Failure> {
    let Some(records) = &mut tls.records else {
        let has_replies = !worker.workspace.replies.is_empty();
        return if has_replies { Err(Failure::CutOff) } else { Ok(()) };
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
        tls.records = None;
    }
    std::mem::swap(&mut worker.workspace.replies, &mut sealed);
    worker.tls.sealed = sealed;
    result
}
