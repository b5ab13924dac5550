//! sinkctl, as used by people and by scripts.
#[path = "../common/mod.rs"]
mod common;

mod arguments;
mod audit;
mod blast;
mod cert;
mod claims;
mod cli;
mod compare;
mod copied;
mod csv;
mod damage;
mod exit_codes;
mod folders;
mod generated;
mod golden;
mod golden_errors;
mod golden_help;
mod json_keys;
mod limits;
mod old_folders;
mod output;
mod reading;
mod replay;
mod report;
mod rows;
mod runs;
mod search;
mod sending;
mod show;
mod stats;
mod stats_by;
mod transit;
mod words;
