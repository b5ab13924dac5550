//! Histograms: how often values occurred.
use super::frame::{Axis, Frame, Picture, PlotSize, SLOT};
use super::svg::{Anchor, Area};

/// How often a value occurred in a span of the x axis.
#[derive(Debug, Clone)]
pub struct Bar {
    /// Start on the x axis.
    pub from: f64,
    /// End on the x axis.
    pub until: f64,
    /// Height on the y axis.
    pub count: f64,
    /// Shown when a pointer hovers over the bar.
    pub hint: String,
}

/// A histogram. Bars can have any width, on a logarithmic axis, too.
#[derive(Debug, Clone)]
pub struct Bars {
    /// The axis of values.
    pub x: Axis,
    /// The axis of counts. A bar that exceeds it is cut.
    pub y: Axis,
    /// The bars, ordered by x. Those with a count of 0 are not drawn.
    pub bars: Vec<Bar>,
    /// Number of cases without a value, if such cases are errors. Drawn as a bar in the slot left
    /// of the axis, and cut if it exceeds the axis. Not drawn if 0.
    pub nothing: f64,
}

/// Minimum height of a bar in pixels, so that a value that occurred once is visible next to one
/// that occurred a million times.
const HEIGHT_MIN: f64 = 2.0;

impl Bars {
    /// Draws the histogram. `title` heads a standalone file, and `label` describes the picture in a
    /// sentence, for people who can't see it.
    pub fn draw(&self, size: PlotSize, title: &str, label: &str) -> Picture {
        let slot = if self.nothing > 0.0 { SLOT } else { 0.0 };
        let mut frame = Frame::new(size, (&self.x, &self.y), &[], slot);
        for bar in self.bars.iter().filter(|bar| bar.count > 0.0) {
            let (left, right) = (frame.x(bar.from), frame.x(bar.until));
            // A gap between bars, if they are wide enough.
            let gap = ((right - left) / 8.0).min(1.0);
            let right = (right - gap).max(left + 1.0);
            let area = Area { left, right, top: top(&frame, bar.count), bottom: frame.plot.bottom };
            frame.svg.area(area, "bar", &bar.hint);
        }
        if self.nothing > 0.0 {
            nothing(&mut frame, self.nothing);
        }
        Picture::new(frame, title, label)
    }
}

fn top(frame: &Frame, count: f64) -> f64 {
    frame.y(count).min(frame.plot.bottom - HEIGHT_MIN)
}

/// Draws the bar for missing values in the left slot, always in the alarm color, with its count.
fn nothing(frame: &mut Frame, count: f64) {
    let (left, bottom) = (frame.plot.left - SLOT + 8.0, frame.plot.bottom);
    let area = Area { left, right: left + SLOT - 20.0, top: top(frame, count), bottom };
    let middle = (area.left + area.right) / 2.0;
    frame.svg.area(area, "none", "");
    let number = super::PlotUnit::Number.tick(count);
    if count > frame.y_max() {
        // Indicates that the bar continues above the plot.
        let cut = Area { top: area.top + 12.0, bottom: area.top + 16.0, ..area };
        frame.svg.area(cut, "back", "");
        frame.svg.text((area.right + 4.0, area.top + 11.0), Anchor::Start, "alert", &number);
    } else {
        frame.svg.text((middle, area.top - 4.0), Anchor::Middle, "alert", &number);
    }
    frame.svg.text((middle, bottom + 17.0), Anchor::Middle, "alert", "none");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{PlotUnit, Scale};

    #[test]
    fn a_value_that_occurred_once_is_visible() {
        let axis =
            |max| Axis { title: String::from("n"), scale: Scale::from_zero(PlotUnit::Number, max) };
        let bar = |from: f64, count| Bar { from, until: from + 1.0, count, hint: String::new() };
        let bars = vec![bar(0.0, 1.0), bar(1.0, 1e6), bar(2.0, 0.0), bar(3.0, f64::NAN)];
        let mut bars = Bars { x: axis(10.0), y: axis(1e6), bars, nothing: 3.0 };
        let text = bars.draw(PlotSize::NARROW, "t", "l").inline();
        assert!(!text.contains("class=\"back\""), "nothing is cut");
        bars.nothing = 5e6;
        assert!(bars.draw(PlotSize::NARROW, "t", "l").inline().contains("class=\"back\""));
        assert_eq!(text.matches("class=\"bar\"").count(), 2, "{text}");
        assert!(text.contains("height=\"2\"") && text.contains(">none<"), "{text}");
        assert!(!text.contains("NaN"));
    }
}
