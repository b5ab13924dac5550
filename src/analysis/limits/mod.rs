//! The limits that clients kept to: connections at once, messages per connection, messages per time
//! window.
mod figures;
mod gap;
mod kept;

pub use figures::{ClientFigures, LimitFigures, WindowFigures, client_name, peak_at};
pub use gap::LimitsGap;
pub use kept::{KeptLimits, window};
