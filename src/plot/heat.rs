//! Heat maps: how often values occurred, over time.
use std::fmt::Write;

use super::frame::{Axis, Frame, LegendMark, LegendRow, Picture, PlotSize};
use super::lines::{self, Hint, LineSeries};
use super::note::{Note, notes};
use super::svg::number;
use super::unit::PlotUnit;

/// A heat map with lines on top.
#[derive(Debug, Clone)]
pub struct Heat {
    /// The axis of columns, usually time.
    pub x: Axis,
    /// The axis of rows: the values that were counted.
    pub y: Axis,
    /// Edges of the columns on the x axis, ascending.
    pub columns: Vec<f64>,
    /// Edges of the rows on the y axis, ascending.
    pub rows: Vec<f64>,
    /// Counts by column, then by row. There is one column fewer than there are edges in `columns`,
    /// and one row fewer than in `rows`.
    pub counts: Vec<Vec<u64>>,
    /// What the counts mean, for the legend.
    pub what: String,
    /// Lines with class `over1` or `over2`.
    pub series: Vec<LineSeries>,
    /// Ordered by x.
    pub notes: Vec<Note>,
    /// Ordered by x.
    pub hints: Vec<Hint>,
}

/// Number of colors: [`CSS`](super::CSS) has the classes `h1` to `h8`.
const STEPS: usize = 8;

impl Heat {
    /// Draws the heat map. `title` heads a standalone file, and `label` describes the picture in a
    /// sentence, for people who can't see it.
    pub fn draw(&self, size: PlotSize, title: &str, label: &str) -> Picture {
        let most = self.counts.iter().flatten().copied().max().unwrap_or(0);
        let steps = steps(most);
        let mut frame = Frame::new(size, (&self.x, &self.y), &self.keys(&steps), 0.0);
        for (i, step) in steps.iter().enumerate() {
            let end = steps.get(i + 1).map_or(u64::MAX, |next| next.least);
            let path = self.cells(&frame, step.least, end);
            if !path.is_empty() {
                frame.svg.path(&path, &format!("cell h{}", step.color));
            }
        }
        for series in &self.series {
            // A halo sets the line off from all colors below it.
            lines::line(&mut frame, &LineSeries { class: "halo", ..series.clone() });
            lines::line(&mut frame, series);
        }
        notes(&mut frame, &self.notes);
        lines::hints(&mut frame, &self.hints, size);
        Picture::new(frame, title, label)
    }

    /// Returns a path around all cells whose counts are in `least..end`.
    fn cells(&self, frame: &Frame, least: u64, end: u64) -> String {
        let mut path = String::new();
        for (edges, counts) in self.columns.windows(2).zip(&self.counts) {
            let (left, right) = (frame.x(edges[0]), frame.x(edges[1]));
            for (edges, count) in self.rows.windows(2).zip(counts) {
                if *count < least || *count >= end {
                    continue;
                }
                let (bottom, top) = (frame.y(edges[0]), frame.y(edges[1]));
                let [x, y, w, h] = [left, top, right - left, bottom - top].map(number);
                let cell = write!(path, "M{x} {y}h{w}v{h}h-{w}z");
                cell.expect("a String takes everything");
            }
        }
        path
    }

    fn keys(&self, steps: &[ColorStep]) -> Vec<LegendRow> {
        let mut keys = Vec::new();
        for series in &self.series {
            let (class, name) = (series.class.to_owned(), series.name.clone());
            keys.push(LegendRow { mark: LegendMark::Line, class, name });
        }
        for (i, step) in steps.iter().enumerate() {
            let least = PlotUnit::Number.tick(step.least as f64);
            let name = if i == 0 { format!("{least}+ {}", self.what) } else { format!("{least}+") };
            keys.push(LegendRow { mark: LegendMark::Box, class: format!("h{}", step.color), name });
        }
        keys
    }
}

/// A color, 1 to 8, for counts of at least `least`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ColorStep {
    least: u64,
    color: usize,
}

/// Returns steps that rise from 1 to at most `most` by about the same ratio. Their lower bounds are
/// rounded, so steps that would be equal are merged.
fn steps(most: u64) -> Vec<ColorStep> {
    let ratio = (most as f64 + 1.0).powf(1.0 / STEPS as f64);
    let mut least: Vec<u64> = (0..STEPS).map(|i| round(ratio.powi(i as i32))).collect();
    least.dedup();
    least.retain(|n| *n <= most.max(1));
    let last = (least.len() - 1).max(1);
    // Spread few steps over all colors.
    let color = |i: usize| 2 + i * (STEPS - 2) / last;
    let all = least.len() == STEPS;
    let step =
        |(i, n): (usize, &u64)| ColorStep { least: *n, color: if all { i + 1 } else { color(i) } };
    least.iter().enumerate().map(step).collect()
}

/// Rounds to a whole number with at most two significant digits.
fn round(value: f64) -> u64 {
    let decade = 10f64.powf((value.max(1.0).log10().floor() - 1.0).max(0.0));
    ((value / decade).round() * decade) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_whole_and_ascend() {
        for most in [0, 1, 2, 3, 7, 100, 12_345, 1_000_000, u64::MAX] {
            let found = steps(most);
            assert_eq!(found[0].least, 1, "{most}");
            assert!(found.windows(2).all(|w| w[0].least < w[1].least), "{most}: {found:?}");
            assert!(found.windows(2).all(|w| w[0].color < w[1].color), "{most}: {found:?}");
            assert!(found.iter().all(|step| (1..=STEPS).contains(&step.color)), "{found:?}");
        }
        assert_eq!(
            steps(1_000_000).iter().map(|s| s.least).collect::<Vec<_>>(),
            [1, 6, 32, 180, 1000, 5600, 32_000, 180_000]
        );
    }
}
