//! Runs an audit from beginning to end.
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::counting::MissingMessages;
use super::super::error::Error;
use super::super::folder::FolderSpans;
use super::super::folder::{LogSource, UnreadMessages, threads, visit_all};
use super::super::sorting::{Merge, Sorted, Sorter};
use super::account::{Findings, RecipientTally, reconcile};
use super::bodies::{BodyQuestion, BodyTally, read_all};
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
use super::verdict::{AuditEvidence, figures};
use crate::log::MessageId;
use crate::log::reader::Folder;

/// The answer of an audit.
pub struct Audit {
    /// The counts and the verdict.
    pub figures: AuditFigures,
    /// The faults one by one, read from temporary files as they are needed.
    pub offenders: Offenders,
    /// How much of the list was usable; `None` without a list.
    pub list: Option<ListTotals>,
    /// How much of the logs was usable; `None` without logs.
    pub logs: Option<LogsRead>,
    /// Why messages can't be read; the first reasons only.
    pub damage: Vec<String>,
}

/// Shares of the memory, in sixteenths; deliveries get the rest.
const LIST_SHARE: usize = 5;
const LOG_SHARE: usize = 2;
const TASK_SHARE: usize = 1;
const OFFENDER_SHARE: usize = 1;
const BODY_SHARE: usize = 2;

/// Compares the expectations with the content of folders. `watch` gets the stage, the work done and
/// the total, ten times a second.
///
/// Costs about 1 µs a message and core, 1 µs a row, and a few microseconds for each message that
/// must be read. Errors: see [`AuditError`].
pub fn audit(
    selection: FolderSpans<'_>,
    mut question: AuditQuestion<'_>,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(AuditStage, u64, u64),
) -> Result<Audit, AuditError> {
    // Opening the folders first reports a wrong folder at once. They are opened again after
    // everything else was read: a message that a log of the sender claims has been stored by then.
    let mut run = AuditRun::new(LogSource::open_all(selection)?);
    let list = question.list.take();
    let expectation = run.expectation(list, &question)?;
    run.read_logs(&question, stop, watch)?;
    run.sources = LogSource::open_all(selection)?;
    ensure_different(&run.sources)?;
    run.read_notes()?;
    run.read_envelopes(&question, stop, watch)?;
    run.reconcile(expectation, &question, stop)?;
    run.read_bodies(&question, stop, watch)?;
    run.finish(selection, &question)
}

/// What an audit has found so far; each step fills some fields.
struct AuditRun {
    sources: Vec<LogSource>,
    noted: Vec<HashSet<MessageId>>,
    /// Segments that can't be opened, or whose counts are damaged.
    faulty_segments: u64,
    unread: UnreadMessages,
    list: Option<ListTotals>,
    /// Columns whose values messages must contain.
    columns: Vec<String>,
    by_key: Vec<Sorted>,
    by_time: Vec<Sorted>,
    by_id: Vec<Sorted>,
    claims: Vec<Sorted>,
    logs: Option<LogsRead>,
    joined: LogTally,
    offenders: Vec<Sorted>,
    tasks: Tasks,
    messages: MessageTally,
    account: RecipientTally,
    copies: CopyTally,
    bodies: BodyTally,
    order: OrderTally,
}

impl AuditRun {
    fn new(sources: Vec<LogSource>) -> AuditRun {
        AuditRun {
            sources,
            noted: Vec::new(),
            faulty_segments: 0,
            unread: UnreadMessages::default(),
            list: None,
            columns: Vec::new(),
            by_key: Vec::new(),
            by_time: Vec::new(),
            by_id: Vec::new(),
            claims: Vec::new(),
            logs: None,
            joined: LogTally::default(),
            offenders: Vec::new(),
            tasks: Tasks::default(),
            messages: MessageTally::default(),
            account: RecipientTally::default(),
            copies: CopyTally::default(),
            bodies: BodyTally::default(),
            order: OrderTally::default(),
        }
    }

    /// Reads which replies were not sent, and which segments are faulty.
    fn read_notes(&mut self) -> Result<(), AuditError> {
        for source in &self.sources {
            for fault in source.folder.faults() {
                self.faulty_segments += 1;
                self.unread.note(fault.to_string());
            }
            let notes = source.folder.notes().map_err(Error::log(source.folder.path()))?;
            self.noted.push(notes.of);
            notes.damage.iter().for_each(|damage| self.unread.note(damage.to_string()));
        }
        Ok(())
    }

    /// Reads the list, if there is one.
    fn expectation(
        &mut self,
        list: Option<ExpectedList<'_>>,
        question: &AuditQuestion<'_>,
    ) -> Result<Expectation, AuditError> {
        let Some(list) = list else {
            return Ok(match question.messages.key.kind {
                KeyKind::Number => Expectation::Numbers(question.numbers),
                KeyKind::Text => Expectation::Nothing,
            });
        };
        let mut sorter = Sorter::new(question.memory_bytes / 16 * LIST_SHARE);
        let totals = read_list(list.input, &list.rule, &question.messages.key, &mut sorter)?;
        self.list = Some(totals);
        self.columns = list.rule.must_contain;
        let rows = Merge::new([sorter.finish()]).map_err(AuditError::Sort)?;
        Ok(Expectation::List(rows))
    }

    fn read_logs(
        &mut self,
        question: &AuditQuestion<'_>,
        stop: &AtomicBool,
        watch: &mut dyn FnMut(AuditStage, u64, u64),
    ) -> Result<(), AuditError> {
        if question.logs.is_empty() {
            return Ok(());
        }
        let mut claims = Sorter::new(question.memory_bytes / 16 * LOG_SHARE);
        let folding = question.messages.key.folding;
        let bytes = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
        let all = question.logs.iter().map(bytes).sum();
        let mut watch = |bytes| watch(AuditStage::Logs, bytes, all);
        let read = read_logs(&question.logs, folding, &mut claims, stop, &mut watch)?;
        self.logs = Some(read);
        self.claims.push(claims.finish());
        ensure_running(stop)
    }

    fn read_envelopes(
        &mut self,
        question: &AuditQuestion<'_>,
        stop: &AtomicBool,
        watch: &mut dyn FnMut(AuditStage, u64, u64),
    ) -> Result<(), AuditError> {
        let shared = DeliveryInput {
            rule: &question.messages,
            noted: &self.noted,
            selected: question.selected.as_ref(),
            names: &question.names,
            stop,
        };
        let others = LIST_SHARE + LOG_SHARE + TASK_SHARE + OFFENDER_SHARE + BODY_SHARE;
        let memory = question.memory_bytes / 16 * (16 - others) / threads();
        let reader = || DeliveryReader::new(&shared, memory);
        let mut watch = |done, all| watch(AuditStage::Envelopes, done, all);
        let (readers, unread) = visit_all(&self.sources, stop, &reader, &mut watch);
        self.unread.merge(unread);
        for reader in readers {
            if let Some(error) = reader.failed {
                return Err(AuditError::Sort(error));
            }
            self.messages.add(&reader.tally);
            self.by_key.push(reader.by_key.finish());
            self.by_time.push(reader.by_time.finish());
            self.by_id.push(reader.by_id.finish());
            self.offenders.push(reader.offenders.finish());
        }
        ensure_running(stop)
    }

    fn reconcile(
        &mut self,
        expectation: Expectation,
        question: &AuditQuestion<'_>,
        stop: &AtomicBool,
    ) -> Result<(), AuditError> {
        let memory = question.memory_bytes / 16;
        let mut tasks = TaskSorters::new(self.sources.len(), memory * TASK_SHARE);
        let mut offenders = OffenderSorter::new(memory * OFFENDER_SHARE);
        let names = &question.names;
        let reconciled = (|| {
            let delivered = Merge::new(std::mem::take(&mut self.by_key))?;
            let mut findings =
                Findings { offenders: &mut offenders, tasks: &mut tasks, names, stop };
            let account = reconcile(expectation, delivered, &mut findings)?;
            let by_time = std::mem::take(&mut self.by_time);
            Ok((account, check(by_time, question.order, names, &mut offenders)?))
        })();
        (self.account, self.order) = reconciled.map_err(AuditError::Sort)?;
        ensure_running(stop)?;
        if self.logs.is_some() {
            self.joined = self.join_logs(question, &mut offenders).map_err(AuditError::Sort)?;
        }
        self.offenders.push(offenders.finish());
        self.tasks = tasks.finish();
        Ok(())
    }

    fn join_logs(
        &mut self,
        question: &AuditQuestion<'_>,
        offenders: &mut OffenderSorter,
    ) -> std::io::Result<LogTally> {
        let (claims, received) =
            (std::mem::take(&mut self.claims), std::mem::take(&mut self.by_id));
        let folders: Vec<&Folder> = self.sources.iter().map(|source| &source.folder).collect();
        let logs: Vec<String> =
            question.logs.iter().map(|path| path.display().to_string()).collect();
        let question = LogQuestion {
            folders: &folders,
            names: &question.names,
            folding: question.messages.key.folding,
            clocks_within: question.clocks_within,
            logs: &logs,
        };
        join(&question, claims, received, offenders)
    }

    fn read_bodies(
        &mut self,
        question: &AuditQuestion<'_>,
        stop: &AtomicBool,
        watch: &mut dyn FnMut(AuditStage, u64, u64),
    ) -> Result<(), AuditError> {
        let memory = question.memory_bytes / 16;
        let folders: Vec<&Folder> = self.sources.iter().map(|source| &source.folder).collect();
        let bodies = BodyQuestion {
            folders: &folders,
            columns: &self.columns,
            names: &question.names,
            memory_bytes: memory * BODY_SHARE,
            stop,
        };
        let tasks = std::mem::take(&mut self.tasks);
        let mut watch = |done, all| watch(AuditStage::Bodies, done, all);
        let found = read_all(&bodies, tasks, &mut watch).map_err(AuditError::Sort)?;
        ensure_running(stop)?;
        let mut offenders = OffenderSorter::new(memory * OFFENDER_SHARE);
        let copies = compare(found.copies, &question.names, &mut offenders);
        self.copies = copies.map_err(AuditError::Sort)?;
        self.bodies = found.tally;
        self.offenders.extend(found.offenders);
        self.offenders.push(offenders.finish());
        Ok(())
    }

    fn finish(
        self,
        selection: FolderSpans<'_>,
        question: &AuditQuestion<'_>,
    ) -> Result<Audit, AuditError> {
        let spans: Vec<_> = selection.spans.iter().map(|span| span.in_whole_seconds()).collect();
        let missing = MissingMessages::count(&self.sources, &spans, &self.unread, selection.clock)?;
        let since = ChangedSince::check(&self.sources, selection, missing.messages)?;
        let evidence = AuditEvidence {
            faulty_segments: self.faulty_segments,
            since,
            rule: &question.messages,
            order_rule: question.order,
            row_rule: question.rows,
            doubts: &question.doubts,
            list: self.list.as_ref(),
            columns: &self.columns,
            messages: &self.messages,
            account: &self.account,
            copies: &self.copies,
            bodies: &self.bodies,
            order: &self.order,
            logs: self.logs.as_ref(),
            joined: &self.joined,
        };
        let figures = figures(&evidence, missing);
        let offenders = Offenders::new(self.offenders).map_err(AuditError::Sort)?;
        let (list, logs, damage) = (self.list, self.logs, self.unread.damage);
        Ok(Audit { figures, offenders, list, logs, damage })
    }
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

/// Returns [`AuditError::Stopped`] once `stop` is set.
fn ensure_running(stop: &AtomicBool) -> Result<(), AuditError> {
    if stop.load(Ordering::Relaxed) { Err(AuditError::Stopped) } else { Ok(()) }
}
