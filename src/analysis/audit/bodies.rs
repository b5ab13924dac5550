//! Reads the messages whose content matters to an audit, on all cores, in the order of their places
//! on disk.
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::copies::encode_copy;
use super::list::decoded_values;
use super::message_text::MessageText;
use super::names::{FolderNames, key_text};
use super::offender::{Fault, Offender, OffenderSorter};
use super::tasks::{Task, TaskKind, Tasks};
use crate::analysis::folder::threads;
use crate::analysis::sorting::{Merge, SortRecord, Sorted, Sorter};
use crate::index::MessageReader;
use crate::log::StoredPart;
use crate::log::reader::Folder;
use crate::wording::readable;

/// Number of tasks after which a batch is passed to a thread, so that the channel is used rarely.
const TASKS_AT_ONCE: usize = 256;
/// Maximum number of octets of a value in an error.
const VALUE_SHOWN_MAX: usize = 100;

/// Figures about the messages that were read. Except in `unread`, a message counts once for each of
/// its recipients in the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BodyTally {
    /// Messages checked for the values of their recipient.
    pub checked: u64,
    /// Messages that lack at least one of these values.
    pub wrong: u64,
    /// Messages that could not be checked because they are not stored in full.
    pub not_stored: u64,
    /// Messages whose recipient has no values in the list.
    pub without_value: u64,
    /// Messages that can no longer be read.
    pub unread: u64,
}

/// What all threads found: one sorted part for each of them.
pub struct BodyFindings {
    /// Facts about copies, sorted by recipient.
    pub copies: Vec<Sorted>,
    /// Messages that lack the values of their recipient.
    pub offenders: Vec<Sorted>,
    /// The sums over all threads.
    pub tally: BodyTally,
}

/// Input that all threads share.
pub struct BodyQuestion<'a> {
    /// The folders to read.
    pub folders: &'a [&'a Folder],
    /// The names of the columns whose values messages must contain.
    pub columns: &'a [String],
    /// Names of the folders, to name the messages of offenders.
    pub names: &'a FolderNames,
    /// Memory for findings in octets, for all threads together. Further ones go to temporary files.
    pub memory_bytes: usize,
    /// Ends reading early.
    pub stop: &'a AtomicBool,
}

/// Reads all messages of `tasks`. `watch` gets the number of tasks handed to the threads and the
/// total.
///
/// Takes a few microseconds for a message of 5 KB. Errors: temporary files can't be read or
/// written.
pub fn read_all(
    question: &BodyQuestion<'_>,
    tasks: Tasks,
    watch: &mut dyn FnMut(u64, u64),
) -> io::Result<BodyFindings> {
    let threads = threads();
    std::thread::scope(|scope| {
        let (send, receive) = bounded::<Vec<Task>>(2 * threads);
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let (receive, memory) = (receive.clone(), question.memory_bytes / threads);
                scope.spawn(move || BodyThread::new(question, memory).run(&receive))
            })
            .collect();
        drop(receive);
        let mut fed = feed(question, tasks, &send, watch);
        drop(send);
        let mut findings =
            BodyFindings { copies: Vec::new(), offenders: Vec::new(), tally: BodyTally::default() };
        for thread in running {
            match thread.join().expect("reading does not panic") {
                Ok(thread) => findings.take(thread),
                Err(error) => fed = Err(error),
            }
        }
        fed.map(|()| findings)
    })
}

/// Takes the next tasks: at least [`TASKS_AT_ONCE`], if there are as many, and all of each message,
/// so that none is read or counted twice.
fn next_batch(merge: &mut Merge) -> io::Result<Vec<Task>> {
    let mut batch: Vec<Task> = Vec::with_capacity(TASKS_AT_ONCE);
    while let Some(record) = merge.head() {
        let task = Task::decode(&record);
        let is_same = batch.last().is_some_and(|last| last.delivery.id == task.delivery.id);
        if batch.len() >= TASKS_AT_ONCE && !is_same {
            break;
        }
        batch.push(task);
        merge.advance()?;
    }
    Ok(batch)
}

fn feed(
    question: &BodyQuestion<'_>,
    tasks: Tasks,
    send: &Sender<Vec<Task>>,
    watch: &mut dyn FnMut(u64, u64),
) -> io::Result<()> {
    let mut done = 0;
    for sorted in tasks.folders {
        let mut merge = Merge::new([sorted])?;
        while merge.head().is_some() && !question.stop.load(Ordering::Relaxed) {
            let batch = next_batch(&mut merge)?;
            done += batch.len() as u64;
            watch(done, tasks.count);
            if send.send(batch).is_err() {
                // The receiver is gone only if all threads failed, and they return their errors.
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What one thread has found so far, and its buffers.
struct BodyThread<'a> {
    question: &'a BodyQuestion<'a>,
    /// `None` before the first message, and while a message is borrowed from it.
    reader: Option<MessageReader>,
    copies: Sorter,
    offenders: OffenderSorter,
    tally: BodyTally,
}

impl<'a> BodyThread<'a> {
    fn new(question: &'a BodyQuestion<'a>, memory_bytes: usize) -> BodyThread<'a> {
        BodyThread {
            question,
            reader: None,
            copies: Sorter::new(memory_bytes / 2),
            offenders: OffenderSorter::new(memory_bytes / 2),
            tally: BodyTally::default(),
        }
    }

    fn run(mut self, receive: &Receiver<Vec<Task>>) -> io::Result<BodyThread<'a>> {
        for batch in receive {
            let is_same = |a: &Task, b: &Task| a.delivery.id == b.delivery.id;
            for tasks in batch.chunk_by(is_same) {
                self.check_tasks(tasks)?;
            }
        }
        Ok(self)
    }

    /// Carries out `tasks`, which are all about one message.
    fn check_tasks(&mut self, tasks: &[Task]) -> io::Result<()> {
        let delivery = &tasks[0].delivery;
        let folder = self.question.folders[usize::from(delivery.source)];
        // The first pass read this message. If it can't be read now, it was pruned or damaged
        // since.
        let Ok((segment, slot)) = folder.find(delivery.id) else {
            return self.record_unread(tasks);
        };
        let mut reader = self.reader.take().unwrap_or_else(|| MessageReader::new(None));
        let checked = match reader.read(&segment, &slot) {
            Ok(read) if slot.facts().mode == StoredPart::Full => {
                let mut text = MessageText::new(&read.message);
                let id = Some(read.entry.columns.message_id).filter(|id| !id.is_empty());
                let content = Some(read.entry.content_hash);
                tasks.iter().try_for_each(|task| match task.kind {
                    TaskKind::Copy => push_copy(&mut self.copies, task, id, content),
                    TaskKind::Person => self.check_values(task, &mut text),
                })
            }
            Ok(read) => {
                let id = Some(read.entry.columns.message_id).filter(|id| !id.is_empty());
                tasks.iter().try_for_each(|task| match task.kind {
                    TaskKind::Copy => push_copy(&mut self.copies, task, id, None),
                    TaskKind::Person => {
                        self.tally.not_stored += 1;
                        Ok(())
                    }
                })
            }
            Err(_) => self.record_unread(tasks),
        };
        self.reader = Some(reader);
        checked
    }

    fn check_values(&mut self, task: &Task, text: &mut MessageText<'_>) -> io::Result<()> {
        if decoded_values(&task.values).all(<[u8]>::is_empty) {
            self.tally.without_value += 1;
            return Ok(());
        }
        self.tally.checked += 1;
        let missing = self.missing_values(text, task);
        if missing.is_empty() { Ok(()) } else { self.report_offender(task, &missing) }
    }

    /// An unreadable copy still counts as a copy.
    fn record_unread(&mut self, tasks: &[Task]) -> io::Result<()> {
        self.tally.unread += 1;
        let mut copies = tasks.iter().filter(|task| task.kind == TaskKind::Copy);
        copies.try_for_each(|task| push_copy(&mut self.copies, task, None, None))
    }

    fn report_offender(&mut self, task: &Task, missing: &[String]) -> io::Result<()> {
        self.tally.wrong += 1;
        let name = key_text(task.order, &task.key);
        let mut offender = Offender::new(Fault::WrongPerson, name, task.line);
        offender.messages = vec![self.question.names.copy(&task.delivery)];
        offender.detail = Some(format!("it does not contain {}", missing.join(", ")));
        self.offenders.push(&offender)
    }

    /// Returns the values that the message lacks, each with the name of its column. Empty values
    /// never count as lacking.
    fn missing_values(&self, text: &mut MessageText<'_>, task: &Task) -> Vec<String> {
        let values = self.question.columns.iter().zip(decoded_values(&task.values));
        let missing = values.filter(|(_, value)| !value.is_empty() && !text.contains(value));
        let named = missing.map(|(column, value)| {
            let shown = &value[..value.len().min(VALUE_SHOWN_MAX)];
            format!("{column} '{}'", readable(shown))
        });
        named.collect()
    }
}

/// Records the facts about a copy.
fn push_copy(
    copies: &mut Sorter,
    task: &Task,
    message_id: Option<&str>,
    content: Option<u128>,
) -> io::Result<()> {
    let value = encode_copy(&task.delivery, task.line, message_id, content);
    copies.push(SortRecord { order: task.order, key: &task.key, value: &value })
}

impl BodyFindings {
    fn take(&mut self, thread: BodyThread<'_>) {
        self.copies.push(thread.copies.finish());
        self.offenders.push(thread.offenders.finish());
        self.tally.checked += thread.tally.checked;
        self.tally.wrong += thread.tally.wrong;
        self.tally.not_stored += thread.tally.not_stored;
        self.tally.without_value += thread.tally.without_value;
        self.tally.unread += thread.tally.unread;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::audit::delivery::{CopyReply, Delivery};
    use crate::analysis::audit::tasks::TaskSorters;
    use crate::log::MessageId;
    use crate::time::UnixNs;

    #[test]
    fn all_tasks_of_a_message_are_in_one_batch() {
        let mut sorters = TaskSorters::new(1, 1 << 20);
        // The number of tasks of each message.
        let numbers = [100, 200, 1, 255, 1, 600, 2];
        for (row, number) in numbers.into_iter().enumerate() {
            let id = MessageId { segment: 1, slot: row as u32 };
            let delivery = Delivery {
                received_at_ns: UnixNs::EPOCH,
                source: 0,
                id,
                reply: CopyReply::Acknowledged,
            };
            for order in 0..number {
                let (key, values) = (order.to_string().into_bytes(), Vec::new());
                let kind = TaskKind::Person;
                let task = Task { kind, delivery, order, key, line: None, values };
                sorters.push(&task).unwrap();
            }
        }
        let mut merge = Merge::new(sorters.finish().folders).unwrap();
        let batches = std::iter::from_fn(|| Some(next_batch(&mut merge).unwrap().len()));
        let batches: Vec<_> = batches.take_while(|length| *length > 0).collect();
        assert_eq!(batches, [300, 256, 601, 2]);
    }
}
