//! The wording of output: numbers with their units, and the errors of the system and of command
//! lines.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
mod system_error;
mod units;
mod usage_error;

pub use system_error::without_numbers;
pub use units::{decimals, digits, duration, exact_duration, percent, whole, whole_percent};
pub use usage_error::usage_error;
