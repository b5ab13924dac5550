//! Time that this thread waited for a processor, from the kernel (schedstat in proc(5)).
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Time between two readings, µs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scheduled {
    /// Time on a processor.
    pub ran_us: u64,
    /// Time ready to run, but not on a processor.
    pub waited_us: u64,
}

/// The scheduler's figures for one thread, and their last values.
#[derive(Debug)]
pub struct RunQueue {
    file: File,
    ran_ns: u64,
    waited_ns: u64,
}

impl RunQueue {
    /// Opens the figures of the calling thread. `None`: the kernel doesn't report them.
    pub fn open() -> Option<RunQueue> {
        let file = File::open("/proc/thread-self/schedstat").ok()?;
        let (ran_ns, waited_ns) = read(&file)?;
        Some(RunQueue { file, ran_ns, waited_ns })
    }

    /// Returns the time since the last reading. Costs a system call, about 2 µs.
    pub fn take(&mut self) -> Scheduled {
        let Some((ran_ns, waited_ns)) = read(&self.file) else { return Scheduled::default() };
        let ran_before_ns = std::mem::replace(&mut self.ran_ns, ran_ns);
        let waited_before_ns = std::mem::replace(&mut self.waited_ns, waited_ns);
        Scheduled {
            ran_us: ran_ns.saturating_sub(ran_before_ns) / 1000,
            waited_us: waited_ns.saturating_sub(waited_before_ns) / 1000,
        }
    }
}

/// Reads the time on a processor and the time waited for one, ns.
fn read(file: &File) -> Option<(u64, u64)> {
    let mut text = [0; 80];
    let count = file.read_at(&mut text, 0).ok()?;
    parse(std::str::from_utf8(&text[..count]).ok()?)
}

fn parse(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_ascii_whitespace().map(str::parse);
    Some((words.next()?.ok()?, words.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_two_numbers_are_time_run_and_time_waited() {
        assert_eq!(parse("1503 27 4\n"), Some((1503, 27)));
        assert_eq!(parse("1503\n"), None);
        assert_eq!(parse(""), None);
    }
}
