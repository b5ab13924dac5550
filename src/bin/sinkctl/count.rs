//! `sinkctl count`: the number of messages, alone on a line.
use std::io::Write;

use sinkd::log::reader::Folder;

use crate::{Finding, Out, report_unreadable};

pub fn run(folder: &Folder, out: &mut Out) -> anyhow::Result<Finding> {
    writeln!(out, "{}", folder.messages())?;
    Ok(report_unreadable(folder))
}
