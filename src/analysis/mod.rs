//! What a data folder can be asked, answered in types and without printing: statistics of a span,
//! groups of its messages, transit times.
//!
//! It reads folders through `log` and `stats`, and knows neither flags nor output. Callers pass
//! spans in ns of Unix time, one for each folder.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
mod error;
mod figures;
mod gathered;
mod groups;
mod holder;
mod span;
mod transit;
mod watched;
mod words;

pub use error::Error;
pub use figures::{Figures, figures};
pub use gathered::{Gathered, counters, wait_until_written};
pub use groups::{By, Found, GroupFigures, Missing, Others, Question, Row, Table, find};
pub use holder::holder;
pub use span::{log_span, seconds};
pub use transit::{Overall, Transit};
pub use watched::watched;
pub use words::{counted, readable, rfc3339, seconds as seconds_text};
