//! The messages that are still to be sent.
use sinkd_bench::system::monotonic_ns;

use super::message::{Class, Form};
use super::options::Options;
use super::random::Random;

/// Numbers messages from 1, and draws the class of each.
pub struct Supply {
    classes: Vec<Class>,
    /// Indexes of classes, each repeated by its weight.
    draws: Vec<usize>,
    random: Random,
    taken: u64,
    /// Number of messages after which there are no more.
    limit: Option<u64>,
    deadline: Option<Deadline>,
}

/// When no message is begun any longer: the deadline counts from the start of the run.
#[derive(Clone, Copy)]
enum Deadline {
    After { seconds: f64 },
    At { monotonic_ns: u64 },
}

/// A message that left the supply.
pub struct Numbered {
    pub sequence: u64,
    /// Index of its class.
    pub class: usize,
}

impl Supply {
    /// Prepares all classes: a few ms for each MiB of content.
    pub fn new(options: &Options) -> Supply {
        let mut random = Random::new(options.seed);
        let form = Form { mode: options.mode, recipients: options.recipients };
        let sizes = options.sizes.iter();
        let classes = sizes.map(|size| Class::new(size.bytes, &form, &mut random)).collect();
        let weights = options.sizes.iter().enumerate();
        let draws = weights.flat_map(|(class, size)| std::iter::repeat_n(class, size.weight));
        Supply {
            classes,
            draws: draws.collect(),
            random,
            taken: 0,
            limit: options.messages,
            deadline: options.seconds.map(|seconds| Deadline::After { seconds }),
        }
    }

    /// Begins the time after which there are no more messages.
    pub fn start(&mut self, now_ns: u64) {
        if let Some(Deadline::After { seconds }) = self.deadline {
            self.deadline = Some(Deadline::At { monotonic_ns: now_ns + (seconds * 1e9) as u64 });
        }
    }

    /// Ends the supply.
    pub fn stop(&mut self) {
        self.limit = Some(self.taken);
    }

    pub fn class(&self, index: usize) -> &Class {
        &self.classes[index]
    }

    /// Returns the bytes of the longest message before its body.
    pub fn head_bytes_max(&self) -> usize {
        self.classes.iter().map(Class::head_bytes).max().unwrap_or(0)
    }

    /// Returns whether there are no more messages. Reads the clock if there is a deadline.
    pub fn is_exhausted(&self) -> bool {
        let is_past = |deadline| match deadline {
            Deadline::At { monotonic_ns: at_ns } => monotonic_ns() >= at_ns,
            Deadline::After { .. } => false,
        };
        self.limit.is_some_and(|limit| self.taken >= limit) || self.deadline.is_some_and(is_past)
    }

    /// Returns the next message, unless the supply is exhausted.
    #[inline]
    pub fn take(&mut self) -> Option<Numbered> {
        if self.is_exhausted() {
            return None;
        }
        self.taken += 1;
        let draw = (self.random.next() >> 20) as usize % self.draws.len();
        Some(Numbered { sequence: self.taken, class: self.draws[draw] })
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::{Request, parse};
    use super::*;

    fn supply(line: &str) -> Supply {
        match parse(line.split_whitespace().map(str::to_owned)) {
            Ok(Request::Run(options)) => Supply::new(&options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn messages_are_numbered_from_1_up_to_the_limit() {
        let mut supply = supply("--port 25 --messages 3");
        let taken: Vec<u64> = std::iter::from_fn(|| Some(supply.take()?.sequence)).collect();
        assert_eq!(taken, [1, 2, 3]);
        assert!(supply.is_exhausted());
    }

    #[test]
    fn a_stopped_supply_has_no_more_messages() {
        let mut supply = supply("--port 25 --messages 3");
        supply.take();
        supply.stop();
        assert!(supply.take().is_none());
    }

    #[test]
    fn the_deadline_counts_from_the_start() {
        let mut supply = supply("--port 25 --secs 1");
        assert!(!supply.is_exhausted(), "not started");
        supply.start(monotonic_ns());
        assert!(!supply.is_exhausted());
        let mut supply = self::supply("--port 25 --secs 1");
        supply.start(0);
        assert!(supply.is_exhausted(), "the deadline is 1 s after the machine started");
    }

    #[test]
    fn weights_determine_how_often_a_class_is_drawn() {
        let mut supply = supply("--port 25 --messages 10000 --size 1:1,2:3");
        let second = std::iter::from_fn(|| supply.take()).filter(|message| message.class == 1);
        assert!((7_300..7_700).contains(&second.count()));
    }
}
