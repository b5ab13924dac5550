//! Opens data folders, and combines several in one answer.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sinkd::analysis::{message, open_folder};
use sinkd::log::reader::{Folder, Segment};
use sinkd::log::{Runs, Slot};
use sinkd::wording::and_list;

use super::left_out::{FolderOmissions, NoAnswer};
use super::outcome::Finding;
use super::value::MessageRef;

/// Commands that accept several data folders.
pub const SEVERAL_FOLDERS: [&str; 11] = [
    "ls", "count", "search", "wait", "stats", "limits", "report", "compare", "assert", "audit",
    "runs",
];

/// Opens the given folders.
///
/// Errors: a folder can't be opened, or is given twice, so that its messages would count twice.
pub fn open_all(paths: &[PathBuf]) -> anyhow::Result<Vec<Folder>> {
    ensure_distinct(paths)?;
    paths.iter().map(|path| open(path)).collect()
}

/// Checks that no folder is given twice, because its content would count twice.
pub fn ensure_distinct(paths: &[PathBuf]) -> anyhow::Result<()> {
    for (n, path) in paths.iter().enumerate() {
        let same = |other: &&PathBuf| match (other.canonicalize(), path.canonicalize()) {
            (Ok(other), Ok(path)) => other == path,
            _ => false,
        };
        if let Some(other) = paths[..n].iter().find(same) {
            anyhow::bail!(
                "--data {} and --data {} are the same folder",
                other.display(),
                path.display()
            );
        }
    }
    Ok(())
}

/// Returns the given folder, for commands that read only one.
///
/// Errors: several were given.
pub fn only(paths: &[PathBuf]) -> anyhow::Result<&Path> {
    match paths {
        [path] => Ok(path),
        _ => anyhow::bail!(
            "expected one --data, found {}: only {} accept several",
            paths.len(),
            and_list(&SEVERAL_FOLDERS)
        ),
    }
}

/// Opens a folder.
pub fn open(data: &Path) -> anyhow::Result<Folder> {
    Ok(open_folder(data)?)
}

/// A message that the user named.
pub struct NamedMessage {
    pub segment: Arc<Segment>,
    pub slot: Slot,
    /// `Incomplete` if `latest` was requested and something, such as a newer message, could not be
    /// read.
    pub finding: Finding,
}

/// Finds the message. Errors: there is none, or the id belongs to a note.
pub fn resolve(folder: &mut Folder, id: MessageRef) -> anyhow::Result<NamedMessage> {
    let MessageRef::Exactly(id) = id else { return latest(folder) };
    let (segment, slot) = folder.find(id)?;
    anyhow::ensure!(slot.is_message(), "{id} is a note about a message, not a message");
    Ok(NamedMessage { segment, slot, finding: Finding::Done })
}

/// Finds the newest message whose whole record can be read. Reports newer ones that can't be read
/// on stderr.
pub fn latest(folder: &mut Folder) -> anyhow::Result<NamedMessage> {
    let latest = message::newest(folder)?.ok_or(NoAnswer::Outpaced)?;
    let mut left_out = FolderOmissions::default();
    latest.damage.iter().for_each(|damage| left_out.report_error(damage));
    let Some((segment, slot)) = latest.newest else {
        anyhow::ensure!(latest.damage.is_empty(), NoAnswer::AllDamaged);
        anyhow::bail!(NoAnswer::NoMessages);
    };
    Ok(NamedMessage { segment, slot, finding: left_out.finish(folder) })
}

/// Reports on stderr if runs or marks of a folder may be missing.
pub fn report_run_damage(folder: &Path) -> anyhow::Result<Finding> {
    let Some(damage) = Runs::damage(folder)? else { return Ok(Finding::Done) };
    eprintln!("sinkctl: {damage}");
    Ok(Finding::Incomplete)
}

/// Returns the name of a folder in rows; `None` if it is the only one.
pub fn name(folders: &[Folder], n: usize) -> Option<String> {
    (folders.len() > 1).then(|| folders[n].path().display().to_string())
}

/// Returns the names of all folders in rows.
pub fn names(folders: &[Folder]) -> Vec<Option<String>> {
    (0..folders.len()).map(|n| name(folders, n)).collect()
}

/// Returns the first finding that is not `Done`, if there is one.
pub fn most_severe(findings: impl IntoIterator<Item = Finding>) -> Finding {
    findings.into_iter().fold(Finding::Done, Finding::and)
}
