//! The SMTP protocol without I/O: octets in, replies and steps out (RFC 5321 and its extensions).
//!
//! Owns the command grammar, replies and enhanced codes, the envelope and its encoding, the server
//! session and the end-of-data scanner. Knows no sockets, files, clocks or threads, and nothing
//! about the log: the server passes a [`session::Receipt`] as proof that a message is committed.
//!
//! ```text
//! octets ─▶ Session::feed ─▶ grammar (path, param) ─▶ state ─▶ reply ─▶ Workspace::replies
//!                │           └─▶ lenient, where the grammar fails ─▶ Step::Tolerated
//!                │                                      └─▶ Envelope (pooled in the Workspace)
//!                └─▶ Step: Data ─▶ EndOfData::scan        Chunk ─▶ counted by the caller
//! ```
//!
//! Invariants: replies and envelopes depend only on the octets received, never on how they were cut
//! into reads. In the steady state a transaction allocates nothing.
#![forbid(unsafe_code)]
pub mod client;
pub mod data;
pub mod deviation;
pub mod envelope;
pub mod extension;
pub mod grammar;
pub mod lenient;
pub mod limits;
pub mod mark_command;
pub mod param;
pub mod path;
pub mod policy;
pub mod proxy;
pub mod reply;
pub mod sasl;
pub mod session;
pub mod tally;
pub mod tls;
pub mod workspace;
pub mod xclient;
