//! What a message is made of: header fields, parts, text, links.
//!
//! Everything here is total: any octets give an answer, in time that grows with their number, and
//! in memory likewise. mail-parser is behind this door: nothing outside the room names it.
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
pub mod testkit;
pub mod text;
pub mod transfer;

pub use facts::{Extractor, Facts, is_taking_apart, push_clean};
