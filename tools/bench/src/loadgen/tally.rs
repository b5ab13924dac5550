//! What a run counts.
use hdrhistogram::Histogram;
use sinkd_bench::system::monotonic_ns;

use super::options::Options;

/// Latencies are recorded up to this, µs: ten minutes.
const LATENCY_MAX_US: u64 = 600_000_000;
const LATENCY_DIGITS: u8 = 3;
/// Errors after which a run ends: the server can't do what it is asked for.
pub const ERRORS_MAX: u64 = 100;

pub struct Tally {
    /// Messages that the server accepted; with `--mode connect`, connections that ended.
    pub messages: u64,
    /// Bytes that a server stores for these messages.
    pub content_bytes: u64,
    /// Bytes that sockets accepted, from the first connection on.
    pub wire_bytes: u64,
    pub errors: u64,
    pub first_error: Option<String>,
    /// Whether the server doesn't announce an extension that the mode needs.
    pub lacks_extension: bool,
    /// Connections that were opened.
    pub connects: u64,
    pub calls: Calls,
    /// From the beginning of a message to its reply, or of a connection to its end.
    pub latency_us: Histogram<u64>,
    /// Of each message, if the options ask for them.
    pub times: Option<Vec<MessageTimes>>,
    /// When all connections were ready, ns of CLOCK_MONOTONIC.
    pub started_ns: u64,
    /// When the last message was accepted.
    pub ended_ns: u64,
}

/// System calls since the start, including those that failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    pub sends: u64,
    pub receives: u64,
    pub waits: u64,
}

/// Times of a message, ns of CLOCK_MONOTONIC.
#[derive(Debug, Clone, Copy)]
pub struct MessageTimes {
    pub begun_ns: u64,
    pub accepted_ns: u64,
}

impl Tally {
    pub fn new(options: &Options) -> Tally {
        Tally {
            messages: 0,
            content_bytes: 0,
            wire_bytes: 0,
            errors: 0,
            first_error: None,
            lacks_extension: false,
            connects: 0,
            calls: Calls::default(),
            latency_us: Histogram::new_with_bounds(1, LATENCY_MAX_US, LATENCY_DIGITS)
                .expect("the bounds and the digits are in range"),
            times: options.times.is_some().then(Vec::new),
            started_ns: 0,
            ended_ns: 0,
        }
    }

    /// Begins to count what is given per message: connecting is left out.
    pub fn start(&mut self, now_ns: u64) {
        self.calls = Calls::default();
        self.started_ns = now_ns;
        self.ended_ns = now_ns;
    }

    /// Counts a message that was accepted now.
    #[inline]
    pub fn accepted(&mut self, begun_ns: u64, content_bytes: u64) {
        let accepted_ns = monotonic_ns();
        self.completed(begun_ns, accepted_ns);
        self.content_bytes += content_bytes;
        if let Some(times) = &mut self.times {
            times.push(MessageTimes { begun_ns, accepted_ns });
        }
    }

    /// Counts a connection that carried no message and ended now, unless it was opened before the
    /// start.
    pub fn visited(&mut self, opened_ns: u64) {
        if opened_ns >= self.started_ns {
            self.completed(opened_ns, monotonic_ns());
        }
    }

    #[inline]
    fn completed(&mut self, begun_ns: u64, now_ns: u64) {
        self.messages += 1;
        self.ended_ns = now_ns;
        self.latency_us.saturating_record((now_ns - begun_ns) / 1000);
    }

    pub fn failed(&mut self, reason: String) {
        self.errors += 1;
        self.first_error.get_or_insert(reason);
    }
}
