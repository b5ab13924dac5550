//! sinkd from its clients' point of view, and its parts.
#[path = "../common/mod.rs"]
mod common;

mod auth;
mod blast;
mod bounds;
mod client;
mod clock;
mod cuts;
mod deviations;
mod dialogues;
mod held_lock;
mod hostile;
mod http;
mod kill;
mod listener_options;
mod listeners;
mod liveness;
mod mutants;
mod noop_marks;
mod proxy;
mod reload;
mod replies;
mod seeds;
mod sender;
mod serve;
mod service_manager;
mod settings;
mod soup;
mod stats_record;
mod storage;
mod storage_modes;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_rounds;
#[cfg(feature = "tls")]
mod tls_settings;
mod transcripts;
mod xclient;
