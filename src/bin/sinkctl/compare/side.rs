//! One of the two runs: its folders, the side that recorded it, and its figures.
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context;
use sinkd::stats::{Counter, History, Measures, Metric};

use crate::base::print::counted;
use crate::base::span::During;
use crate::base::span::seconds;
use sinkd::analysis::Gathered;

/// The side that recorded a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sink,
    Sender,
}

/// A run to compare.
pub struct Side {
    /// 'A' or 'B'.
    pub letter: char,
    /// As it was asked for.
    pub name: String,
    pub kind: Kind,
    pub gathered: Gathered,
    pub measures: Measures,
    /// What could not be read, a sentence each.
    pub problems: BTreeSet<String>,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Sink => "sink",
            Kind::Sender => "sender",
        }
    }

    /// A sink counts commands; a sender does not, and records what no sink does.
    fn of(history: &History) -> Kind {
        let senders_own = &Metric::ALL[Metric::SINK.len()..];
        let is_of_sender = history.total(Counter::Commands) == 0
            && senders_own.iter().any(|metric| history.histogram(*metric).is_some());
        if is_of_sender { Kind::Sender } else { Kind::Sink }
    }

    /// Errors: the folders are of both kinds, or can't be read.
    fn of_all(letter: char, parts: &[(&Path, Range<u64>)]) -> anyhow::Result<Kind> {
        let mut kinds = Vec::new();
        for (folder, span) in parts {
            let mut history = History::default();
            history.read(folder, span.clone())?;
            kinds.push(Kind::of(&history));
        }
        let kind = kinds.first().copied().context("no data folder was given")?;
        anyhow::ensure!(
            kinds.iter().all(|other| *other == kind),
            "{letter} mixes the records of a sink and a sender; choose the folders of one side \
             with --data"
        );
        Ok(kind)
    }
}

impl Side {
    /// `what`: a data folder, the name of a run in `folders`, or `FOLDER:RUN`.
    ///
    /// Errors: there is no such folder or run, it has no statistics, they can't be read, or they
    /// are of senders and of sinks.
    pub fn gather(letter: char, what: &str, folders: &[PathBuf]) -> anyhow::Result<Side> {
        let (folders, run) = place(what, folders);
        let during = During { run, ..During::default() };
        let gathered = Gathered::of_settled(&folders, &during.spans(&folders)?)?;
        let spans: Vec<_> = during.spans(&folders)?.iter().map(seconds).collect();
        let parts: Vec<_> = folders.iter().map(|folder| &**folder).zip(spans).collect();
        let unreadable = || format!("{what}: its statistics can't be read");
        let (measures, problems) = Measures::read(&parts).with_context(unreadable)?;
        let kind = match folders.len() {
            1 => Kind::of(&gathered.history),
            _ => Kind::of_all(letter, &parts)?,
        };
        let problems = gathered.history.problems.iter().cloned().chain(problems).collect();
        Ok(Side { letter, name: what.to_owned(), kind, gathered, measures, problems })
    }

    /// Why the figures are not the whole truth, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.problems.iter().cloned().collect();
        if let Some(lacking) = self.gathered.not_recorded.filter(|n| *n > 0) {
            let messages = counted(lacking, "message is", "messages are");
            let letter = self.letter;
            warnings.push(format!("{letter}: {messages} in the log and not in these figures"));
        }
        warnings
    }
}

/// The folders and the run that are meant.
fn place(what: &str, folders: &[PathBuf]) -> (Vec<PathBuf>, Option<String>) {
    if Path::new(what).is_dir() {
        return (vec![PathBuf::from(what)], None);
    }
    match what.rsplit_once(':').filter(|(folder, _)| Path::new(folder).is_dir()) {
        Some((folder, run)) => (vec![PathBuf::from(folder)], Some(run.to_owned())),
        None => (folders.to_vec(), Some(what.to_owned())),
    }
}
