//! Offenders for a spreadsheet.
use sinkd::analysis::audit::{NamedCopy, Offenders};

use super::listed::Listed;
use crate::base::outcome::Out;

const COLUMNS: [&str; 8] =
    ["fault", "recipient", "line", "count", "same", "first_reply", "messages", "detail"];

pub fn print(offenders: &mut Offenders, listed: &mut Listed, out: &mut Out) -> anyhow::Result<()> {
    let mut rows = csv::Writer::from_writer(out);
    rows.write_record(COLUMNS)?;
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
            &messages.join(" "),
            offender.detail.as_deref().unwrap_or(""),
        ])?;
    }
    Ok(rows.flush()?)
}

/// A message as it is named in one cell: its folder, if there are several, and its id.
pub fn message(copy: &NamedCopy) -> String {
    match &copy.folder {
        Some(folder) => format!("{folder}/{}", copy.id),
        None => copy.id.clone(),
    }
}
