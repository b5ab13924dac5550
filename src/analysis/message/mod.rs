//! Single messages: finding the newest one, and everything known about a message.
mod newest;
mod part_row;
mod stored;
mod whole;

pub use newest::newest;
pub use part_row::{PartRow, decoded_bytes};
pub use stored::{message_octets, stored_bytes};
pub use whole::{Message, RecipientRow};
