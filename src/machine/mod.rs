//! The machine: what this process may use of it, and files that users name, within bounds.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
mod bounded_file;
mod cores;
mod descriptors;

pub use bounded_file::{
    BoundedFile, TooLarge, read_at_most, read_at_most_from, read_bounded, read_text_at_most,
};
pub use cores::cores;
pub use descriptors::raise_descriptor_limit;
