//! Plots as SVG: numbers in, text out.
//!
//! ```text
//! numbers ─▶ Scale (where, ticks) ─▶ Frame (axes, grid, legend) ─▶ LinePlot | Bars | Heat
//!                                                                      └─▶ Picture
//! ```
//!
//! This room knows nothing about statistics, files or HTML. Invariants: a picture is well-formed
//! XML for any titles and numbers; it uses no colors, only classes and variables of [`CSS`], so
//! that the same text works in light, dark and print; no coordinate is NaN or infinite.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
mod bars;
mod frame;
mod heat;
mod lines;
mod note;
mod scale;
mod style;
mod svg;
mod unit;

pub use bars::{Bar, Bars};
pub use frame::{Axis, Picture, PlotSize};
pub use heat::Heat;
pub use lines::{Hint, LinePlot, LineSeries};
pub use note::Note;
pub use scale::{Scale, Tick};
pub use style::CSS;
pub use unit::PlotUnit;
