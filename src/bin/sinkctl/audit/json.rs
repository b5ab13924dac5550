//! Prints an audit as one JSON object. Offenders are written one by one, because there may be
//! millions.
use std::io::{self, Write};

use sinkd::analysis::audit::{AuditFigures, Offenders};

use super::listed::Listed;
use crate::base::outcome::Out;

pub fn print(
    figures: &AuditFigures,
    offenders: &mut Offenders,
    listed: &mut Listed,
    out: &mut Out,
) -> io::Result<()> {
    let object = serde_json::to_string(figures)?;
    let open = object.strip_suffix('}').unwrap_or(&object);
    write!(out, "{open},\"offenders\":[")?;
    let mut comma = "";
    while let Some(offender) = offenders.next_one()? {
        if let Some(offender) = listed.take(offender) {
            write!(out, "{comma}{}", serde_json::to_string(&offender)?)?;
            comma = ",";
        }
    }
    writeln!(out, "]}}")
}
