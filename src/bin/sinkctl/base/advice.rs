//! What to do about an error of the library, which knows no flag.
use sinkd::analysis::Error;
use sinkd::analysis::audit::{AuditError, ExpectedListError, OtherSeparator};
use sinkd::analysis::comparison::NotComparable;

/// Returns what to do about an error, as the end of its message; `None` if the message has it all.
pub fn advice(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| match cause.downcast_ref() {
        Some(NotComparable::Mixed(_)) => Some("; choose the folders of one side with --data"),
        Some(NotComparable::Folder(error)) => about_folder(error),
        Some(_) => None,
        None => match cause.downcast_ref() {
            Some(AuditError::List(error)) => about_list(error),
            Some(AuditError::Folder(error)) => about_folder(error),
            Some(_) => None,
            None => cause.downcast_ref().and_then(about_folder),
        },
    })
}

fn about_folder(error: &Error) -> Option<&'static str> {
    match error {
        Error::NoFolder(_) | Error::File(_) | Error::Foreign(_) | Error::NoSegments(_) => {
            Some(" (choose a sinkd data folder with --data)")
        }
        Error::NoStatistics(_) => Some(": sinkd ran with --stats off (choose another with --data)"),
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
