//! Several data folders in one answer.
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use sinkd::log::reader::{Folder, Segment};
use sinkd::log::{Runs, Slot};

use super::left_out::{Answer, Asked, LeftOut, NoAnswer, ask_again};
use super::outcome::Finding;
use super::value::Id;

/// Opens the folders that were named, each once.
///
/// Errors: one is not there, or is named twice: its messages would count twice.
pub fn open_all(paths: &[PathBuf]) -> anyhow::Result<Vec<Folder>> {
    ensure_distinct(paths)?;
    paths.iter().map(|path| open(path)).collect()
}

/// Errors: a folder is named twice: what it has would count twice.
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

/// The folder that was named, for commands that read one.
///
/// Errors: several were named.
pub fn only(paths: &[PathBuf]) -> anyhow::Result<&Path> {
    match paths {
        [path] => Ok(path),
        _ => anyhow::bail!(
            "expected one --data, found {}: only ls, count, search, wait, stats, report, compare, \
             assert and runs accept several",
            paths.len()
        ),
    }
}

pub fn open(data: &Path) -> anyhow::Result<Folder> {
    Folder::open(data).with_context(|| {
        format!("{}: not a data folder of sinkd (choose one with --data)", data.display())
    })
}

/// A message that was named.
pub struct Named {
    pub segment: Arc<Segment>,
    pub slot: Slot,
    /// Whether it is what was asked for: the newest that can be read may not be the newest.
    pub finding: Finding,
}

/// The message meant; an error if there is none.
pub fn resolve(folder: &mut Folder, id: Id) -> anyhow::Result<Named> {
    let Id::Exactly(id) = id else { return latest(folder) };
    let (segment, slot) = folder.find(id)?;
    anyhow::ensure!(slot.is_message(), "{id} is a note about a message, not a message");
    Ok(Named { segment, slot, finding: Finding::Holds })
}

/// The newest message of which the whole record can be read; says which newer ones can't.
pub fn latest(folder: &mut Folder) -> anyhow::Result<Named> {
    let mut latest = None;
    let asked = ask_again(folder, |folder| {
        let found = folder.latest()?;
        let is_answer = found.newest.is_some() || !found.damage.is_empty();
        latest = Some(found);
        Ok(if is_answer { Answer::Given } else { Answer::Empty })
    })?;
    let Some(latest) = latest.filter(|_| asked == Asked::Answered) else {
        return Err(NoAnswer::Outpaced.into());
    };
    let mut left_out = LeftOut::default();
    latest.damage.iter().for_each(|damage| left_out.tell_error(damage));
    let Some((segment, slot)) = latest.newest else {
        anyhow::ensure!(latest.damage.is_empty(), NoAnswer::AllDamaged);
        anyhow::bail!("no messages yet");
    };
    Ok(Named { segment, slot, finding: left_out.finish(folder) })
}

/// Reports on stderr that runs or marks of a folder may be missing.
pub fn say_damage(folder: &Path) -> anyhow::Result<Finding> {
    let Some(damage) = Runs::damage(folder)? else { return Ok(Finding::Holds) };
    eprintln!("sinkctl: {damage}");
    Ok(Finding::DoesNotHold)
}

/// How a folder is called in rows; `None`: it is the only one, and is not named.
pub fn name(folders: &[Folder], n: usize) -> Option<String> {
    (folders.len() > 1).then(|| folders[n].path().display().to_string())
}

/// The runs that may be meant in folder `n`: its own, then those that only others have.
pub fn runs(all: &[Runs], n: usize) -> Runs {
    let mut runs = all[n].clone();
    for run in all.iter().flat_map(|runs| &runs.runs) {
        if runs.find(&run.name).is_err() {
            runs.runs.push(run.clone());
        }
    }
    runs
}

/// What is found of all together.
pub fn worst(findings: impl IntoIterator<Item = Finding>) -> Finding {
    match findings.into_iter().all(|finding| finding == Finding::Holds) {
        true => Finding::Holds,
        false => Finding::DoesNotHold,
    }
}

/// Which time comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    OldestFirst,
    NewestFirst,
}

/// One list of many, by the times at their heads: each keeps its own order.
pub struct Merged<I: Iterator, F> {
    parts: Vec<Peekable<I>>,
    order: Order,
    /// Returns the time of an item, ns; `None`: it comes at once.
    time: F,
}

impl<I: Iterator, F: Fn(&I::Item) -> Option<u64>> Merged<I, F> {
    pub fn new(parts: Vec<I>, order: Order, time: F) -> Merged<I, F> {
        Merged { parts: parts.into_iter().map(Iterator::peekable).collect(), order, time }
    }
}

impl<I: Iterator, F: Fn(&I::Item) -> Option<u64>> Iterator for Merged<I, F> {
    /// With the number of its part.
    type Item = (usize, I::Item);

    fn next(&mut self) -> Option<(usize, I::Item)> {
        let (order, time) = (self.order, &self.time);
        let heads = self.parts.iter_mut().enumerate();
        let heads = heads.filter_map(|(n, part)| Some((n, time(part.peek()?))));
        let rank = |time: Option<u64>| match (order, time) {
            (_, None) => 0,
            (Order::OldestFirst, Some(ns)) => ns,
            (Order::NewestFirst, Some(ns)) => u64::MAX - ns,
        };
        let (n, _) = heads.min_by_key(|(n, time)| (rank(*time), *n))?;
        Some((n, self.parts[n].next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_merged_by_time_and_each_keeps_its_order() {
        let merge = |parts: &[&[u64]], order| -> Vec<(usize, u64)> {
            let parts = parts.iter().map(|part| part.iter().copied()).collect();
            Merged::new(parts, order, |ns: &u64| (*ns != 0).then_some(*ns)).collect()
        };
        let oldest = Order::OldestFirst;
        assert_eq!(merge(&[&[1, 4], &[2, 3]], oldest), [(0, 1), (1, 2), (1, 3), (0, 4)]);
        assert_eq!(
            merge(&[&[4, 1], &[3, 2]], Order::NewestFirst),
            [(0, 4), (1, 3), (1, 2), (0, 1)]
        );
        // A clock that was put back; an item without a time.
        assert_eq!(merge(&[&[5, 1], &[2]], oldest), [(1, 2), (0, 5), (0, 1)]);
        assert_eq!(merge(&[&[5], &[0, 7]], oldest), [(1, 0), (0, 5), (1, 7)]);
        assert_eq!(merge(&[], oldest), []);
    }
}
