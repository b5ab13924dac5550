//! The content of a message: header fields, parts, text, links.
//!
//! All functions accept any octets, in time and memory proportional to their number. Only this room
//! uses mail-parser.
#![forbid(unsafe_code)]
pub mod charset;
pub mod encoded_word;
mod facts;
pub mod fold;
pub mod header;
pub mod html;
pub mod link;
pub mod page;
pub mod parameter;
pub mod part;
mod role;
pub mod sent_time;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod text;
pub mod transfer;

pub use facts::{Extractor, MailFacts, is_analyzing, push_clean};
