//! Code that commands share: values of flags, spans of time, data folders, output.
pub mod advice;
pub mod clock;
pub mod data;
pub mod junit;
pub mod left_out;
pub mod list_error;
pub mod outcome;
pub mod plot_unit;
pub mod print;
pub mod progress;
pub mod query_words;
pub mod row;
pub mod span;
pub mod table_form;
pub mod value;
