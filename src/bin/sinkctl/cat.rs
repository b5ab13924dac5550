//! `sinkctl cat`: the message bytes, exactly.
use std::io::Write;

use sinkd::log::StorageMode;
use sinkd::log::reader::Folder;
use sinkd::smtp::data::unstuff;

use crate::args::Id;
use crate::{Finding, Out, resolve};

pub fn run(folder: &Folder, id: Id, out: &mut Out) -> anyhow::Result<Finding> {
    let (segment, slot) = resolve(folder, id)?;
    let mut record = Vec::new();
    let (_, payload) = segment.record(&slot, &mut record)?;
    if slot.facts.dots == 0 {
        out.write_all(payload)?;
    } else {
        out.write_all(&unstuff(payload))?;
    }
    if slot.facts.mode != StorageMode::Full {
        out.flush()?;
        let (kept, whole) = (slot.payload_bytes, slot.facts.message_bytes);
        eprintln!("sinkctl: {}: only {kept} of its {whole} octets were stored", slot.id);
        return Ok(Finding::DoesNotHold);
    }
    Ok(Finding::Holds)
}
