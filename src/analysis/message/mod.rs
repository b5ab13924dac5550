//! One message: which one is meant, and everything that is known of it.
mod newest;
mod part_row;
mod stored;
mod whole;

pub use newest::newest;
pub use part_row::{PartRow, decoded_bytes};
pub use stored::{message_octets, stored_bytes};
pub use whole::{Message, RecipientRow};
