//! A simulated sink: the real connections of one to three workers, the handover between them, the
//! real log and real clients, over Unix socket pairs and a simulated clock. One thread and one
//! seed, with random faults: every run can be repeated.
//!
//! `SIM_RUNS=N` makes N runs of each test, `SIM_FIRST=N` begins with seed N instead of 1, and
//! `SIM_SEED=N` makes only the run with this seed. If a run fails, its story is printed.
#[path = "../common/mod.rs"]
mod common;

mod check;
mod client;
mod fault;
mod handover;
mod limits;
mod one;
mod reload;
mod sending;
mod stalls;
mod time;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use fault::Fault;
use sinkd::log::Durability;
use std::time::Duration;
use world::{Conditions, World};

/// Default number of runs of each test.
const RUNS: u64 = 100;
/// Number of lines printed from the end of a story.
const STORY_LINES_MAX: usize = 60;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[track_caller]
fn simulate(durability: Durability, faults: &[Fault]) {
    let (one, first) = (number("SIM_SEED"), number("SIM_FIRST").unwrap_or(1));
    let runs = number("SIM_RUNS").unwrap_or(RUNS);
    let seeds = one.map_or(first..first + runs, |seed| seed..seed + 1);
    for seed in seeds {
        let mut world = World::new(Conditions::drawn(seed, durability, faults));
        let run = catch_unwind(AssertUnwindSafe(|| world.run()));
        if let Err(panic) = run {
            let story = world.story();
            let from = story.len().saturating_sub(STORY_LINES_MAX);
            eprintln!("SIM_SEED={seed} of {durability:?} with {faults:?}; the story ends:");
            story[from..].iter().for_each(|line| eprintln!("  {line}"));
            resume_unwind(panic);
        }
    }
}

#[test]
fn a_calm_sink_accepts_everything() {
    simulate(Durability::Process, &[]);
    simulate(Durability::Message, &[]);
}

#[test]
fn clients_that_stall_vanish_or_do_not_read_cost_others_no_message() {
    let faults = [Fault::Cut, Fault::Reset, Fault::HalfClose, Fault::Stall, Fault::Deaf];
    simulate(Durability::Process, &faults);
    simulate(Durability::Message, &faults);
}

#[test]
fn slow_full_or_failing_storage_loses_no_acknowledged_message() {
    let faults = [Fault::NoRoom, Fault::DiskFull, Fault::FlushFails, Fault::Cut];
    simulate(Durability::Process, &faults);
    simulate(Durability::Message, &faults);
    simulate(Durability::Interval(Duration::from_secs(1)), &faults);
}

#[test]
fn clients_wait_when_no_descriptors_are_left_and_all_are_served() {
    let faults = [Fault::NoDescriptors, Fault::Cut, Fault::Reset];
    simulate(Durability::Process, &faults);
    simulate(Durability::Message, &faults);
}

#[test]
fn the_limits_on_connections_hold_and_are_freed() {
    let faults = [Fault::FewConnections, Fault::Cut, Fault::Reset, Fault::Stall, Fault::Stop];
    simulate(Durability::Process, &faults);
    simulate(Durability::Message, &faults);
}

#[test]
fn scarce_buffers_are_shared_and_all_are_returned() {
    simulate(Durability::Process, &[Fault::FewBuffers, Fault::Stall, Fault::Deaf, Fault::NoRoom]);
}

#[test]
fn a_stop_at_any_moment_keeps_acknowledged_messages() {
    let faults = [Fault::Stop, Fault::Stall, Fault::NoRoom, Fault::Deaf, Fault::NoDescriptors];
    simulate(Durability::Process, &faults);
    simulate(Durability::Message, &faults);
}

/// A session can use each extension that was announced to it, even after a reload has removed it.
#[test]
fn a_reload_at_any_moment_refuses_and_loses_no_message() {
    let faults = [Fault::Reload, Fault::Stall, Fault::NoRoom, Fault::Cut];
    simulate(Durability::Process, &[Fault::Reload]);
    simulate(Durability::Process, &faults);
    simulate(Durability::Message, &faults);
}

#[test]
fn a_kill_at_any_moment_keeps_acknowledged_messages() {
    simulate(Durability::Process, &[Fault::Kill, Fault::Cut, Fault::DiskFull]);
    simulate(Durability::Message, &[Fault::Kill, Fault::Cut]);
}
