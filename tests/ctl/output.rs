//! Runs sinkctl and returns what it printed, as text.
use std::path::Path;

use crate::common::sinkctl_on;

/// What a run of sinkctl printed, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

/// Runs sinkctl on one data folder.
pub fn run(data: &Path, args: &[&str]) -> Output {
    run_on(&[data], args)
}

/// Runs sinkctl on several data folders.
pub fn run_on(folders: &[&Path], args: &[&str]) -> Output {
    let (stdout, stderr, code) = sinkctl_on(folders, args);
    Output { stdout: String::from_utf8(stdout).unwrap(), stderr, code }
}
