//! The wording of input and output: numbers with their units, sizes, unexpected values with the
//! word that was probably meant, text from outside, words for a shell, text in XML, and the errors
//! of the system and of command lines.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
mod causes;
mod foreign;
mod list;
mod nearest;
mod shell;
mod size;
mod system_error;
mod unexpected;
mod units;
mod usage_error;
mod xml;

pub use causes::with_causes;
pub use foreign::{escaped, excerpt, printable, printable_line, readable};
pub use list::{and_list, or_list};
pub use nearest::{nearest, unknown, unknown_of_many};
pub use shell::shell_word;
pub use size::parse_size;
pub use system_error::without_numbers;
pub use unexpected::Unexpected;
pub use units::{
    counted, decimals, digits, duration, exact_duration, percent, whole, whole_percent,
};
pub use usage_error::usage_error;
pub use xml::xml_escaped;
