//! The log, its index, and the rows read from both, without a server.
#[path = "../common/mod.rs"]
mod common;
#[path = "../log_support/mod.rs"]
mod log_support;

mod basic;
mod bounds;
mod crash;
mod durability;
mod index;
mod index_kill;
mod listing;
mod live;
mod mail_corpus;
mod model;
mod prune;
mod reading;
mod removal;
mod retention;
mod rows;
mod search;
mod wait;
