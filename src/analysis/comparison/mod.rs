//! Two runs side by side, and which differences are larger than the noise.
mod compared;
mod figures;
mod kind;
mod not_comparable;
mod side;

pub use compared::Compared;
pub use figures::{
    ComparisonFigures, LongerShare, MeasureFigures, RunFigures, Significance, TransactionFigures,
};
pub use kind::Kind;
pub use not_comparable::NotComparable;
pub use side::Side;
