//! `sinkctl cat`: the message bytes, exactly.
use std::io::Write;

use sinkd::log::reader::Folder;
use sinkd::smtp::data::unstuff;

use crate::base::data::{Named, resolve};
use crate::base::outcome::{Finding, Out};
use crate::base::print::stored_of;
use crate::base::value::Id;
use clap::Args;

#[derive(Debug, Args)]
pub struct Cat {
    /// Message ID (segment:slot), or 'latest'.
    id: Id,
    /// Print the stored part of a message that was not stored in full.
    #[arg(long)]
    stored: bool,
}

pub fn run(folder: &mut Folder, cat: &Cat, out: &mut Out) -> anyhow::Result<Finding> {
    let Named { segment, slot, finding } = resolve(folder, cat.id)?;
    if let Some(stored) = stored_of(&slot)
        && !cat.stored
    {
        let (id, whole) = (slot.id(), slot.facts().message_bytes);
        eprintln!(
            "sinkctl: {id}: only {stored} of {whole} bytes were stored (print them: cat --stored)"
        );
        return Ok(Finding::DoesNotHold);
    }
    let mut record = Vec::new();
    let (_, payload) = segment.record(&slot, &mut record)?;
    if slot.facts().dots == 0 {
        out.write_all(payload)?;
    } else {
        out.write_all(&unstuff(payload))?;
    }
    Ok(finding)
}
