//! How long the kernel let this thread wait for a processor (schedstat of proc(5)).
use std::fs::File;
use std::os::unix::fs::FileExt;

/// What passed between two looks, us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scheduled {
    /// On a processor.
    pub ran_us: u64,
    /// Ready to run, and not on a processor.
    pub waited_us: u64,
}

/// The thread's own account with the scheduler.
#[derive(Debug)]
pub struct RunQueue {
    file: File,
    ran_ns: u64,
    waited_ns: u64,
}

impl RunQueue {
    /// Returns the run queue of the calling thread. `None`: the kernel does not report it.
    pub fn of_this_thread() -> Option<RunQueue> {
        let file = File::open("/proc/thread-self/schedstat").ok()?;
        let (ran_ns, waited_ns) = read(&file)?;
        Some(RunQueue { file, ran_ns, waited_ns })
    }

    /// What passed since the last look. Costs a system call, about 2 us.
    pub fn look(&mut self) -> Scheduled {
        let Some((ran_ns, waited_ns)) = read(&self.file) else { return Scheduled::default() };
        let ran_before_ns = std::mem::replace(&mut self.ran_ns, ran_ns);
        let waited_before_ns = std::mem::replace(&mut self.waited_ns, waited_ns);
        Scheduled {
            ran_us: ran_ns.saturating_sub(ran_before_ns) / 1000,
            waited_us: waited_ns.saturating_sub(waited_before_ns) / 1000,
        }
    }
}

/// Time on a processor and time waited for one, ns.
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
