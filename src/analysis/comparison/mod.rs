//! Two runs side by side, and which differences are larger than the noise.
mod compared;
mod kind;
mod not_comparable;
mod side;

pub use compared::Compared;
pub use kind::Kind;
pub use not_comparable::NotComparable;
pub use side::Side;
