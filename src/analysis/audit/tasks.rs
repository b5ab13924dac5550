//! Tasks: messages that must be read to decide something, in the order of their places on disk.
use std::io;

use super::delivery::{Delivery, number};
use crate::analysis::sorting::{SortRecord, Sorted, Sorter};

/// Why a message must be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    /// The Message-ID and content of one of several copies.
    Copy,
    /// Whether the message contains the values of its recipient.
    Person,
}

/// A message to read, for one of its recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Why the message must be read.
    pub kind: TaskKind,
    /// The message, and where it is.
    pub delivery: Delivery,
    /// The number or hash of the recipient's key.
    pub order: u64,
    /// The text of the recipient's key; empty for a number.
    pub key: Vec<u8>,
    /// The line in the list; `None`: the recipient is not in it.
    pub line: Option<u64>,
    /// The encoded values that the message must contain.
    pub values: Vec<u8>,
}

/// Sorts the tasks of each folder by the id of the message.
pub struct TaskSorters {
    folders: Vec<Sorter>,
    count: u64,
}

/// All tasks. Within a folder they are ordered by id, so that messages are read in their order on
/// disk.
#[derive(Debug, Default)]
pub struct Tasks {
    /// The tasks of each folder, by its position.
    pub folders: Vec<Sorted>,
    /// The number of tasks in all folders.
    pub count: u64,
}

impl TaskSorters {
    /// `memory_bytes` is for all folders together. Further tasks go to temporary files.
    pub fn new(folders: usize, memory_bytes: usize) -> TaskSorters {
        let folders = (0..folders).map(|_| Sorter::new(memory_bytes / folders));
        TaskSorters { folders: folders.collect(), count: 0 }
    }

    /// Adds a task.
    ///
    /// Errors: the temporary file can't be made or written.
    pub fn push(&mut self, task: &Task) -> io::Result<()> {
        let mut value = task.delivery.encoded().to_vec();
        value.push(task.kind as u8);
        value.extend_from_slice(&task.order.to_le_bytes());
        value.extend_from_slice(&task.line.unwrap_or(0).to_le_bytes());
        value.extend_from_slice(&task.values);
        let order = number(task.delivery.id);
        self.count += 1;
        self.folders[usize::from(task.delivery.source)].push(SortRecord {
            order,
            key: &task.key,
            value: &value,
        })
    }

    /// Ends adding, and returns the sorted tasks.
    pub fn finish(self) -> Tasks {
        let folders = self.folders.into_iter().map(Sorter::finish).collect();
        Tasks { folders, count: self.count }
    }
}

impl Task {
    /// Decodes a record that [`TaskSorters::push`] encoded.
    pub fn decode(record: &SortRecord<'_>) -> Task {
        let (delivery, rest) = Delivery::decode(record.value);
        let kind = if rest[0] == TaskKind::Copy as u8 { TaskKind::Copy } else { TaskKind::Person };
        let eight =
            |at: usize| u64::from_le_bytes(rest[at..at + 8].try_into().expect("eight octets"));
        Task {
            kind,
            delivery,
            order: eight(1),
            key: record.key.to_vec(),
            line: Some(eight(9)).filter(|line| *line > 0),
            values: rest[17..].to_vec(),
        }
    }
}
