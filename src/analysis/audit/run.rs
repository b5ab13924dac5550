//! Runs an audit from beginning to end.
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::account::{Findings, RecipientTally, reconcile};
use super::bodies::{BodyQuestion, BodyTally, read_all};
use super::conclusion::{AuditEvidence, LogEvidence, figures};
use super::copies::{CopyTally, compare};
use super::deliveries::{DeliveryInput, DeliveryReader, MessageTally};
use super::error::AuditError;
use super::expectation::Expectation;
use super::figures::AuditFigures;
use super::key::KeyKind;
use super::list::{ListTotals, read_list};
use super::log_join::{LogQuestion, LogTally, join};
use super::logged::{LogsRead, read_logs};
use super::offender::{OffenderSorter, Offenders};
use super::order::{OrderTally, check};
use super::question::{AuditQuestion, AuditStage, ExpectedList};
use super::since::ChangedSince;
use super::tasks::{TaskSorters, Tasks};
use crate::analysis::counting::MissingMessages;
use crate::analysis::error::AnalysisError;
use crate::analysis::folder::FolderSpans;
use crate::analysis::folder::{LogSource, UnreadMessages, threads, visit_all};
use crate::analysis::sorting::{Merge, Sorted, Sorter};
use crate::log::MessageId;
use crate::log::reader::{Folder, ReadError};

/// The answer of an audit.
pub struct Audit {
    /// The counts and the conclusion.
    pub figures: AuditFigures,
    /// The faults one by one, read from temporary files as they are needed.
    pub offenders: Offenders,
    /// How much of the list was usable; `None` without a list.
    pub list: Option<ListTotals>,
    /// How much of the logs was usable; `None` without logs.
    pub logs: Option<LogsRead>,
    /// Why messages can't be read; the first reasons only.
    pub damage: Vec<ReadError>,
}

/// Shares of the memory, in sixteenths; deliveries get the rest.
const LIST_SHARE: usize = 5;
const LOG_SHARE: usize = 2;
const TASK_SHARE: usize = 1;
const OFFENDER_SHARE: usize = 1;
const BODY_SHARE: usize = 2;

/// Compares the expectations with the content of folders. `watch` regularly gets the stage, the
/// work done and the total.
///
/// Takes about 1 µs of a core for each message, 1 µs for each row, and a few microseconds for each
/// message that must be read. Errors: see [`AuditError`].
pub fn audit(
    selection: FolderSpans<'_>,
    mut question: AuditQuestion<'_>,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(AuditStage, u64, u64),
) -> Result<Audit, AuditError> {
    // Opening the folders first reports a wrong folder at once. They are opened again after
    // everything else was read: a message that a log of the sender claims has been stored by then.
    LogSource::open_all(selection)?;
    let list = question.list.take();
    let mut steps = AuditSteps { question: &question, stop, watch };
    let (expectation, list) = steps.read_expectation(list)?;
    let logs = steps.read_logs()?;
    let sources = LogSource::open_all(selection)?;
    ensure_different(&sources)?;
    let notes = SourceNotes::read(&sources)?;
    let envelopes = steps.read_envelopes(&sources, &notes.unsent)?;
    let merged = steps.merge(&sources, expectation, envelopes.sorted, logs)?;
    let columns = list.as_ref().map_or(&[][..], |list| &list.columns);
    let bodies = steps.read_bodies(&sources, columns, merged.tasks)?;

    let mut unread = notes.unread;
    unread.merge(envelopes.unread);
    let spans: Vec<_> = selection.spans.iter().map(|span| span.in_whole_seconds()).collect();
    let missing = MissingMessages::count(&sources, &spans, &unread, selection.clock)?;
    let evidence = AuditEvidence {
        faulty_segments: notes.faulty_segments,
        since: ChangedSince::check(&sources, selection, missing.messages)?,
        rule: &question.messages,
        order_rule: question.order,
        row_rule: question.rows,
        doubts: &question.doubts,
        list: list.as_ref().map(|list| &list.totals),
        columns,
        messages: &envelopes.tally,
        account: &merged.account,
        copies: &bodies.copies,
        bodies: &bodies.tally,
        order: &merged.order,
        logs: merged.logs.as_ref(),
    };
    let figures = figures(&evidence, missing);
    let offenders =
        [envelopes.offenders, vec![merged.offenders], bodies.offenders].into_iter().flatten();
    Ok(Audit {
        figures,
        offenders: Offenders::new(offenders).map_err(AuditError::Sort)?,
        list: list.map(|list| list.totals),
        logs: merged.logs.map(|logs| logs.read),
        damage: unread.damage,
    })
}

/// The list, after its rows were read.
struct UsedList {
    totals: ListTotals,
    /// Columns whose values messages must contain.
    columns: Vec<String>,
}

/// The logs of the sender, after their lines were read.
struct UsedLogs {
    read: LogsRead,
    /// The claimed deliveries, by id.
    claims: Sorted,
}

/// What the folders say besides messages.
struct SourceNotes {
    /// For each folder, the messages whose reply was not sent.
    unsent: Vec<HashSet<MessageId>>,
    /// Segments that can't be read, or whose counts or flags are damaged.
    faulty_segments: u64,
    /// What is wrong with these segments, and why notes about replies can't be read. Messages of
    /// the segments are not counted.
    unread: UnreadMessages,
}

impl SourceNotes {
    fn read(sources: &[LogSource]) -> Result<SourceNotes, AuditError> {
        let (mut unsent, mut faulty_segments) = (Vec::new(), 0);
        let mut unread = UnreadMessages::default();
        for source in sources {
            for fault in source.folder.faults() {
                faulty_segments += 1;
                unread.note(fault);
            }
            let notes = source.folder.notes().map_err(AnalysisError::log(source.folder.path()))?;
            unsent.push(notes.of);
            notes.damage.into_iter().for_each(|damage| unread.note(damage));
        }
        Ok(SourceNotes { unsent, faulty_segments, unread })
    }
}

/// What was read from envelopes. Each sorted part comes from one thread.
struct Envelopes {
    tally: MessageTally,
    sorted: SortedDeliveries,
    offenders: Vec<Sorted>,
    unread: UnreadMessages,
}

/// Deliveries in three orders.
#[derive(Default)]
struct SortedDeliveries {
    by_key: Vec<Sorted>,
    by_time: Vec<Sorted>,
    by_id: Vec<Sorted>,
}

/// What follows from envelopes, list and logs, without reading a message.
struct Merged {
    account: RecipientTally,
    order: OrderTally,
    /// `None` if no log was given.
    logs: Option<LogEvidence>,
    offenders: Sorted,
    /// The messages that must be read to decide more.
    tasks: Tasks,
}

/// What was found in messages.
struct Bodies {
    tally: BodyTally,
    copies: CopyTally,
    offenders: Vec<Sorted>,
}

/// What every step needs: the question, and how its caller watches and stops it.
struct AuditSteps<'a> {
    question: &'a AuditQuestion<'a>,
    stop: &'a AtomicBool,
    watch: &'a mut dyn FnMut(AuditStage, u64, u64),
}

impl AuditSteps<'_> {
    /// Reads the list, if there is one. Returns what is expected, and how much of the list is
    /// usable.
    fn read_expectation(
        &self,
        list: Option<ExpectedList<'_>>,
    ) -> Result<(Expectation, Option<UsedList>), AuditError> {
        let key = &self.question.messages.key;
        let Some(list) = list else {
            let expectation = match key.kind {
                KeyKind::Number => Expectation::Numbers(self.question.numbers),
                KeyKind::Text => Expectation::Nothing,
            };
            return Ok((expectation, None));
        };
        let mut sorter = Sorter::new(self.memory(LIST_SHARE));
        let totals = read_list(list.input, &list.rule, key, &mut sorter)?;
        let rows = Merge::new([sorter.finish()]).map_err(AuditError::Sort)?;
        let list = UsedList { totals, columns: list.rule.must_contain };
        Ok((Expectation::List(rows), Some(list)))
    }

    /// Reads the logs of the sender; `None` if there are none.
    fn read_logs(&mut self) -> Result<Option<UsedLogs>, AuditError> {
        let paths = &self.question.logs;
        if paths.is_empty() {
            return Ok(None);
        }
        let mut claims = Sorter::new(self.memory(LOG_SHARE));
        let folding = self.question.messages.key.folding;
        let bytes = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
        let all = paths.iter().map(bytes).sum();
        let mut watch = |bytes| (self.watch)(AuditStage::Logs, bytes, all);
        let read = read_logs(paths, folding, &mut claims, self.stop, &mut watch)?;
        self.ensure_running()?;
        Ok(Some(UsedLogs { read, claims: claims.finish() }))
    }

    /// Reads all envelopes. `unsent` has the messages whose reply was not sent, for each folder.
    fn read_envelopes(
        &mut self,
        sources: &[LogSource],
        unsent: &[HashSet<MessageId>],
    ) -> Result<Envelopes, AuditError> {
        let AuditSteps { question, stop, .. } = *self;
        let shared = DeliveryInput {
            rule: &question.messages,
            noted: unsent,
            selected: question.selected.as_ref(),
            names: &question.names,
            stop,
        };
        let others = LIST_SHARE + LOG_SHARE + TASK_SHARE + OFFENDER_SHARE + BODY_SHARE;
        let memory = self.memory(16 - others) / threads();
        let reader = || DeliveryReader::new(&shared, memory);
        let mut watch = |done, all| (self.watch)(AuditStage::Envelopes, done, all);
        let (readers, unread) = visit_all(sources, stop, &reader, &mut watch);
        let (mut tally, mut sorted) = (MessageTally::default(), SortedDeliveries::default());
        let mut offenders = Vec::new();
        for reader in readers {
            if let Some(error) = reader.failed {
                return Err(AuditError::Sort(error));
            }
            tally.add(&reader.tally);
            sorted.by_key.push(reader.by_key.finish());
            sorted.by_time.push(reader.by_time.finish());
            sorted.by_id.push(reader.by_id.finish());
            offenders.push(reader.offenders.finish());
        }
        self.ensure_running()?;
        Ok(Envelopes { tally, sorted, offenders, unread })
    }

    /// Merges deliveries with what was expected, and with the claims of the logs.
    fn merge(
        &self,
        sources: &[LogSource],
        expectation: Expectation,
        sorted: SortedDeliveries,
        logs: Option<UsedLogs>,
    ) -> Result<Merged, AuditError> {
        let AuditSteps { question, stop, .. } = *self;
        let (names, failed) = (&question.names, AuditError::Sort);
        let mut tasks = TaskSorters::new(sources.len(), self.memory(TASK_SHARE));
        let mut offenders = OffenderSorter::new(self.memory(OFFENDER_SHARE));
        let delivered = Merge::new(sorted.by_key).map_err(failed)?;
        let mut findings = Findings { offenders: &mut offenders, tasks: &mut tasks, names, stop };
        let account = reconcile(expectation, delivered, &mut findings).map_err(failed)?;
        let order = check(sorted.by_time, question.order, names, &mut offenders);
        let order = order.map_err(failed)?;
        self.ensure_running()?;
        let join = |logs: UsedLogs| {
            let joined = self.join_logs(sources, logs.claims, sorted.by_id, &mut offenders)?;
            Ok(LogEvidence { read: logs.read, joined })
        };
        let logs = logs.map(join).transpose().map_err(failed)?;
        Ok(Merged { account, order, logs, offenders: offenders.finish(), tasks: tasks.finish() })
    }

    fn join_logs(
        &self,
        sources: &[LogSource],
        claims: Sorted,
        received: Vec<Sorted>,
        offenders: &mut OffenderSorter,
    ) -> std::io::Result<LogTally> {
        let folders = folders(sources);
        let paths = self.question.logs.iter();
        let logs: Vec<String> = paths.map(|path| path.display().to_string()).collect();
        let question = LogQuestion {
            folders: &folders,
            names: &self.question.names,
            folding: self.question.messages.key.folding,
            clocks_within: self.question.clocks_within,
            logs: &logs,
        };
        join(&question, vec![claims], received, offenders)
    }

    /// Reads the messages of `tasks`, and compares the copies among them. Messages must contain
    /// the values of `columns`.
    fn read_bodies(
        &mut self,
        sources: &[LogSource],
        columns: &[String],
        tasks: Tasks,
    ) -> Result<Bodies, AuditError> {
        let AuditSteps { question, stop, .. } = *self;
        let bodies = BodyQuestion {
            folders: &folders(sources),
            columns,
            names: &question.names,
            memory_bytes: self.memory(BODY_SHARE),
            stop,
        };
        let mut watch = |done, all| (self.watch)(AuditStage::Bodies, done, all);
        let found = read_all(&bodies, tasks, &mut watch).map_err(AuditError::Sort)?;
        self.ensure_running()?;
        let mut repeated = OffenderSorter::new(self.memory(OFFENDER_SHARE));
        let copies = compare(found.copies, &question.names, &mut repeated);
        let mut offenders = found.offenders;
        offenders.push(repeated.finish());
        Ok(Bodies { tally: found.tally, copies: copies.map_err(AuditError::Sort)?, offenders })
    }

    /// Returns the octets of `share` sixteenths of the memory.
    fn memory(&self, share: usize) -> usize {
        self.question.memory_bytes / 16 * share
    }

    /// Returns [`AuditError::Stopped`] once `stop` is set.
    fn ensure_running(&self) -> Result<(), AuditError> {
        if self.stop.load(Ordering::Relaxed) { Err(AuditError::Stopped) } else { Ok(()) }
    }
}

fn folders(sources: &[LogSource]) -> Vec<&Folder> {
    sources.iter().map(|source| &source.folder).collect()
}

/// Errors: two folders hold the same log, because one is a copy of the other; its mail would count
/// twice.
fn ensure_different(sources: &[LogSource]) -> Result<(), AuditError> {
    let store = |source: &LogSource| source.folder.segments().next().map(|it| it.identity.store);
    for (n, source) in sources.iter().enumerate() {
        let mut earlier = sources[..n].iter().filter(|other| store(other) == store(source));
        if let Some(other) = earlier.next().filter(|_| store(source).is_some()) {
            let path = |source: &LogSource| source.folder.path().to_owned();
            return Err(AuditError::SameLog(path(other), path(source)));
        }
    }
    Ok(())
}
