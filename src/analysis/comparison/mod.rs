//! Compares two runs, and finds the differences that exceed the noise.
mod compared;
mod figures;
mod kind;
mod not_comparable;
mod side;
mod warning;

pub use compared::RunComparison;
pub use figures::{
    ComparisonFigures, LongerShare, MeasureFigures, RunFigures, Significance, TransactionFigures,
};
pub use kind::RecordedBy;
pub use not_comparable::NotComparable;
pub use side::ComparedRun;
pub use warning::ComparisonWarning;
