//! What to do about an error of the library, which knows no flag and no command.
use std::error::Error as Cause;

use sinkd::analysis::AnalysisError;
use sinkd::analysis::audit::{AuditError, ExpectedListError, OtherSeparator};
use sinkd::analysis::comparison::NotComparable;
use sinkd::analysis::rows::QuestionError;
use sinkd::control::AskError;
use sinkd::index::query::QueryFault;
use sinkd::log::RunError;
use sinkd::log::reader::ReadError;
use sinkd::sender::TargetError;
use sinkd::sender::blast::recipients::RecipientsError;
use sinkd::wording::shell_word;

/// Returns what to do about an error, as the end of its message; `None` if the message says enough.
pub fn advice(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| about_mail(cause).or_else(|| about_data(cause)))
}

/// Returns advice on sending mail, and on reaching a running sinkd.
fn about_mail(cause: &(dyn Cause + 'static)) -> Option<String> {
    let target = || cause.downcast_ref().and_then(about_target);
    let recipients = || cause.downcast_ref().and_then(about_recipients).map(str::to_owned);
    let sinkd = || cause.downcast_ref().and_then(about_sinkd);
    target().or_else(recipients).or_else(sinkd)
}

fn about_data(cause: &(dyn Cause + 'static)) -> Option<String> {
    let comparison = || cause.downcast_ref().and_then(about_comparison);
    let audit = || cause.downcast_ref().and_then(about_audit);
    let folder = || cause.downcast_ref().and_then(about_folder);
    let run = || cause.downcast_ref().and_then(about_run);
    let query = || cause.downcast_ref().and_then(about_query);
    let message = || cause.downcast_ref().and_then(about_message);
    let found = comparison().or_else(audit).or_else(folder).or_else(run).or_else(query);
    found.or_else(message).map(str::to_owned)
}

fn about_target(error: &TargetError) -> Option<String> {
    match error {
        TargetError::Public { host, .. } => {
            Some(format!("; to send anyway, pass --allow-public {host}"))
        }
        TargetError::OtherAllowed { .. } => {
            Some("; use the same host in both --to and --allow-public".to_owned())
        }
        _ => None,
    }
}

fn about_recipients(error: &RecipientsError) -> Option<&'static str> {
    match error {
        RecipientsError::MoreThanGenerated { .. } => Some(" (to generate more: --recipient-count)"),
        _ => None,
    }
}

fn about_sinkd(error: &AskError) -> Option<String> {
    match error {
        AskError::NotRunning(folder) => {
            Some(format!("; start one with sinkd --data {}", shell_word(folder)))
        }
        AskError::Foreign(_)
        | AskError::Silent(_)
        | AskError::NotAnswer { .. }
        | AskError::Io { .. } => None,
    }
}

fn about_comparison(error: &NotComparable) -> Option<&'static str> {
    match error {
        NotComparable::Mixed(_) => Some("; choose the folders of one side with --data"),
        NotComparable::Folder(error) => about_folder(error),
        _ => None,
    }
}

fn about_audit(error: &AuditError) -> Option<&'static str> {
    match error {
        AuditError::List(error) => about_list(error),
        AuditError::Folder(error) => about_folder(error),
        _ => None,
    }
}

fn about_folder(error: &AnalysisError) -> Option<&'static str> {
    match error {
        AnalysisError::NoFolder(_)
        | AnalysisError::File(_)
        | AnalysisError::Foreign(_)
        | AnalysisError::NoSegments(_) => Some(" (choose a sinkd data folder with --data)"),
        AnalysisError::NoStatistics(_) => {
            Some(": sinkd ran with --stats off (choose another with --data)")
        }
        _ => None,
    }
}

fn about_list(error: &ExpectedListError) -> Option<&'static str> {
    match error {
        ExpectedListError::Separator { meant: OtherSeparator::Semicolon, .. } => {
            Some("; did you mean --separator ';'?")
        }
        ExpectedListError::Separator { meant: OtherSeparator::Tab, .. } => {
            Some("; did you mean --separator tab?")
        }
        ExpectedListError::NoColumn { wanted: None, .. } => Some("; name the column with --column"),
        _ => None,
    }
}

fn about_run(error: &RunError) -> Option<&'static str> {
    match error {
        RunError::NoneUnderWay => Some(" (start one with sinkctl run start NAME)"),
        RunError::Unknown(_) => Some(" (to list all runs: sinkctl runs)"),
        RunError::Name(_)
        | RunError::Text
        | RunError::Taken(_)
        | RunError::Busy
        | RunError::Io(_) => None,
    }
}

/// The message ends with the query, underlined, so the advice has a line of its own.
fn about_query(error: &QuestionError) -> Option<&'static str> {
    match error {
        QuestionError::Syntax { error, .. } if matches!(error.fault, QueryFault::UnknownRun(_)) => {
            Some("\nto list all runs: sinkctl runs")
        }
        _ => None,
    }
}

/// Returns advice on a message that can't be read.
pub fn about_message(error: &ReadError) -> Option<&'static str> {
    match error {
        ReadError::NoSuchMessage { .. } | ReadError::Removed { .. } => {
            Some(" (sinkctl ls lists messages)")
        }
        _ => None,
    }
}
