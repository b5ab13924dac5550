//! Prints offenders as CSV.
use std::io;

use sinkd::analysis::audit::{NamedCopy, Offenders};

use super::listed::Listed;
use crate::base::outcome::Out;

const COLUMNS: [&str; 8] =
    ["fault", "recipient", "line", "count", "same", "first_reply", "messages", "detail"];

/// Errors: the output can't be written; a closed pipe stays an I/O error.
pub fn print(offenders: &mut Offenders, listed: &mut Listed, out: &mut Out) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(out);
    rows.write_record(COLUMNS).map_err(io_error)?;
    while let Some(offender) = offenders.next_one()? {
        let Some(offender) = listed.take(offender) else { continue };
        let line = offender.line.map_or(String::new(), |line| line.to_string());
        let messages: Vec<String> = offender.messages.iter().map(message).collect();
        rows.write_record([
            offender.fault.name(),
            &offender.recipient,
            &line,
            &offender.count.to_string(),
            offender.same.map_or("", |same| same.name()),
            offender.first_reply.map_or("", |reply| reply.name()),
            &messages.join("; "),
            offender.detail.as_deref().unwrap_or(""),
        ])
        .map_err(io_error)?;
    }
    rows.flush()
}

/// Returns the underlying I/O error, whose kind shows whether a pipe was closed.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Formats a message for one cell: its folder, if there are several, and its id.
pub fn message(copy: &NamedCopy) -> String {
    match &copy.folder {
        Some(folder) => format!("{folder}/{}", copy.id),
        None => copy.id.clone(),
    }
}
