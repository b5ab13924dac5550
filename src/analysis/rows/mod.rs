//! Messages of one or more folders as rows, in order of arrival or as matches of a query. Reading
//! holds one row at a time, whatever the number of messages.
mod column;
mod contents;
mod envelope_row;
mod list;
mod matches;
mod merged;
mod queries;
mod reader;
mod row;

pub use column::{Column, RowColumns};
pub use contents::{ContentSource, Contents};
pub use envelope_row::{EnvelopeRow, FinalReply, TlsRow};
pub use list::{ListQuery, RowList};
pub use matches::{MatchQuery, Matches};
pub use merged::{Merged, TimeOrder};
pub use queries::{QuestionError, parse_queries, parse_query};
pub use reader::RowReader;
pub use row::MessageRow;
