//! `sinkctl cat`: prints the exact bytes of a message.
use std::io::Write;

use sinkd::analysis::message::{message_octets, stored_bytes};
use sinkd::log::reader::Folder;

use crate::base::data::{NamedMessage, resolve};
use crate::base::outcome::{Finding, Out};
use crate::base::value::MessageRef;
use clap::Args;

#[derive(Debug, Args)]
pub struct Cat {
    /// Message ID (segment:slot), or 'latest'.
    id: MessageRef,
    /// Print the stored part of a message that was not stored in full.
    #[arg(long)]
    stored: bool,
}

pub fn run(folder: &mut Folder, cat: &Cat, out: &mut Out) -> anyhow::Result<Finding> {
    let NamedMessage { segment, slot, finding } = resolve(folder, cat.id)?;
    if let Some(stored) = stored_bytes(&slot)
        && !cat.stored
    {
        let (id, whole) = (slot.id(), slot.facts().message_bytes);
        eprintln!(
            "sinkctl: {id}: only {stored} of {whole} bytes were stored (print them: cat --stored)"
        );
        return Ok(Finding::Incomplete);
    }
    let mut record = Vec::new();
    let (_, payload) = segment.record(&slot, &mut record)?;
    out.write_all(&message_octets(&slot, payload))?;
    Ok(finding)
}
