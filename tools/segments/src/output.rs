//! The data folder to write: one writer of the log, and a simulated clock.
use std::path::Path;

use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, bounded};
use sinkd::log::{Log, LogSettings, NoRoom, SlotFacts, Writer};
use sinkd::time::UnixNs;

/// Time at which the first message is received: 2026-11-01T00:00:00Z.
const START_NS: UnixNs = UnixNs::of_second(1_793_491_200);
/// Time from one message to the next.
const STEP_NS: u64 = 10_000;
/// Time from the accepted MAIL to the commit.
const TRANSACTION_US: u32 = 150;
/// Messages between two rounds of reporting to the other threads of the log.
const ROUND_MESSAGES: u64 = 64;

/// A data folder being filled.
pub struct Output {
    log: Log,
    writer: Writer,
    woken: Receiver<()>,
    messages: u64,
    bytes: u64,
}

impl Output {
    /// Creates the folder.
    pub fn create(folder: &Path) -> anyhow::Result<Output> {
        let cannot = || format!("cannot write a data folder at {}", folder.display());
        let (log, _) = Log::open(folder, LogSettings::default()).with_context(cannot)?;
        let (wake, woken) = bounded(1);
        let wake = move || {
            // Full: a wake is already on its way.
            let _ = wake.try_send(());
        };
        let writer = log.writer(Box::new(wake)).with_context(cannot)?;
        Ok(Output { log, writer, woken, messages: 0, bytes: 0 })
    }

    /// Returns the time at which the next message will have been received.
    pub fn now_ns(&self) -> UnixNs {
        START_NS.saturating_add_ns(self.messages * STEP_NS)
    }

    /// Stores one message: an encoded envelope, and content in wire form without lines that begin
    /// with a dot.
    ///
    /// Errors: the disk is full.
    pub fn store(&mut self, envelope: &[u8], content: &[u8]) -> anyhow::Result<()> {
        let facts = SlotFacts {
            received_at_ns: self.now_ns(),
            transaction_us: TRANSACTION_US,
            session: 1,
            message_bytes: u32::try_from(content.len()).context("a message beyond 4 GiB")?,
            reply_code: 250,
            enhanced: [2, 0, 0],
            ..SlotFacts::default()
        };
        while let Err(why) = self.writer.append(envelope, &[content], &facts) {
            match why {
                NoRoom::Wait => self.woken.recv().context("the log has ended")?,
                NoRoom::Budget | NoRoom::Full => bail!("the disk is full"),
            }
        }
        self.messages += 1;
        self.bytes += content.len() as u64;
        if self.messages.is_multiple_of(ROUND_MESSAGES) {
            self.writer.round_done();
        }
        Ok(())
    }

    /// Seals the last segment. Returns the number of messages and the bytes of their content.
    pub fn close(self) -> (u64, u64) {
        self.writer.close();
        self.log.close();
        (self.messages, self.bytes)
    }
}
