//! Audits a campaign: did each recipient get exactly one message, and the right one?
//!
//! ```text
//! list ─▶ Sorter ─┐ by key                            ┌─▶ offenders
//!                 ├─▶ account: one merge ─┬─▶ tasks ─▶ bodies ─▶ copies
//! log ──▶ Sorter ─┘                       └─▶ offenders
//! ```
//!
//! Everything is sorted in bounded memory (`sorting`), so the answer does not depend on the memory,
//! and any number of recipients fits. Envelopes are read once, in any order, on all cores, with as
//! much of the payload as the rules need. Later, only those messages are read again that can decide
//! something: copies for one recipient, and messages that must contain a value.
//!
//! A fault that is certain decides the conclusion. A missing recipient is not certain while
//! messages can't be read, and an unexpected one is not certain while rows of the list can't be
//! used.
mod account;
mod address;
mod bodies;
mod checksum;
mod conclusion;
mod copies;
mod csv_rows;
mod deliveries;
mod delivery;
mod doubt;
mod error;
mod expectation;
mod figures;
mod key;
mod list;
mod log_join;
mod logged;
mod message_text;
mod named;
mod names;
mod offender;
mod order;
mod question;
mod run;
mod since;
mod tasks;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use address::{AddressFolding, LocalCase, PlusPart};
pub use deliveries::{ContentRule, LateRule, LogRule, MessageRule, SelectedMessages};
pub use delivery::{CopyReply, number};
pub use doubt::AuditDoubt;
pub use error::AuditError;
pub use expectation::NumberRange;
pub use figures::{AuditConclusion, AuditFigures};
pub use key::{KeyKind, KeyRule, KeySource};
pub use list::{ExpectedListError, ListRule, ListTotals, OtherSeparator, RowFault, RowRule};
pub use logged::LogsRead;
pub use names::FolderNames;
pub use offender::{Fault, NamedCopy, Offender, Offenders, SameAs};
pub use order::OrderRule;
pub use question::{AuditQuestion, AuditStage, ExpectedList};
pub use run::{Audit, audit};
