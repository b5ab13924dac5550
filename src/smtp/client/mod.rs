//! The client session: server octets in, commands and payload out, without I/O (RFC 5321, 2033,
//! 2920, 3030, 3207, 4954).
//!
//! ```text
//! Mail ─▶ Session::start ─▶ outbox ─▶ slices (commands, and content in place) ─▶ socket
//!                               ▲
//! socket ─▶ Session::feed ─▶ ReplyReader ─▶ expected reply ─▶ Watch
//! ```
mod ambiguous;
mod announced;
mod code;
mod content_command;
mod expected;
mod mail;
mod opening;
mod options;
mod outbox;
mod remnant;
mod reply;
mod session;
mod stage;
#[doc(hidden)]
#[cfg(feature = "testkit")]
pub mod testkit;
mod transaction;
mod transactions;
mod watch;

pub use super::limits::Protocol;
pub use announced::Announced;
pub use code::ReplyCode;
pub use mail::{ContentForm, OutgoingMail};
pub use options::{JOINED_BYTES_MAX, Options, StartTls};
pub use reply::{LINE_BYTES_MAX, LINES_MAX, ReplyError};
pub use session::ClientSession;
pub use watch::{Done, Phase, SessionEnd, SessionFault, SessionWatch, Withheld};
