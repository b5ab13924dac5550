//! Why sending ended early, and what to do about it.
use sinkd::sender::source::SourceError;
use sinkd::sender::{ConnectionFailure, SendingError};
use sinkd::smtp::client::SessionFault;
use sinkd::wording::with_causes;

/// Returns the error with its causes, and the flags that help.
pub fn reason(error: &SendingError) -> String {
    format!("{}{}", with_causes(error), advice(error))
}

fn advice(error: &SendingError) -> &'static str {
    match error {
        SendingError::Unreachable { source, .. } | SendingError::Refused { source, .. } => {
            match source {
                ConnectionFailure::Session(SessionFault::NoMechanismBeforeTls) => {
                    ": try --tls required"
                }
                _ => "",
            }
        }
        SendingError::Source(SourceError::Unanswered { .. }) => {
            "; see that it runs, then send the rest (--resume), or try each more than once \
             (--retry)"
        }
        _ => "",
    }
}
