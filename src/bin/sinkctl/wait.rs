//! `sinkctl wait`: returns as soon as so many messages match.
use std::time::Instant;

use sinkd::index::{self, Goal, Waited};
use sinkd::log::reader::Folder;

use crate::args::Wait;
use crate::left_out;
use crate::row::{Rows, Source};
use crate::search::{parse, say_left_out};
use crate::{Finding, Out};

pub fn run(mut folder: Folder, wait: &Wait, out: &mut Out) -> anyhow::Result<Finding> {
    let started = Instant::now();
    let query = parse(&folder, &wait.query.text())?;
    let goal = Goal {
        count: wait.count,
        span: wait.during.span(folder.path())?,
        is_new: wait.new,
        timeout: wait.timeout,
        threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
    };
    // Nothing is ever sent: the wait is for the time alone.
    let (_never, passed) = crossbeam_channel::bounded::<()>(0);
    let mut pause = |time| {
        let _ = passed.recv_timeout(time);
    };
    let waited = index::wait(&mut folder, &query, goal, &|| started.elapsed(), &mut pause)?;
    let Waited { matching, left_out } = waited;
    let is_complete = say_left_out(&left_out);
    // It has matched, whatever became of it: the exit code says so.
    let mut unshown = left_out::LeftOut::default();
    let mut source = Source::message(&folder)?;
    let mut rows = Rows::new(&folder, &mut source, wait.json, &mut unshown)?;
    for id in &matching {
        if !rows.print_id(*id, out)? {
            eprintln!("sinkctl: {id} matched, and was pruned or removed since");
        }
    }
    let left_out = left_out::LeftOut::default();
    let is_sound = match wait.new {
        true => left_out.finish(&folder),
        // The search has told the faults of the folder.
        false => left_out.finish_without_faults(&folder),
    } == Finding::Holds;
    let n = matching.len();
    if n as u64 == wait.count {
        return Ok(Finding::Holds);
    }
    let end = if is_complete && is_sound { "" } else { ", of those that could be searched" };
    let messages = if wait.count == 1 { "message matches" } else { "messages match" };
    eprintln!("sinkctl: {n} of {} {messages} after {:?}{end}", wait.count, wait.timeout);
    Ok(Finding::DoesNotHold)
}
