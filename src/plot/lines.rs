//! Line plots, over time or percentiles.
use super::frame::{Axis, Frame, LegendMark, LegendRow, Picture, PlotSize};
use super::note::{Note, notes};
use super::svg::{Area, polyline};

/// A line through points of the plot, or a dot if there is only one point.
#[derive(Debug, Clone, Default)]
pub struct LineSeries {
    /// The name in the legend; empty: the line is not in the legend, unless it has a band.
    pub name: String,
    /// The class in the style sheet: `s1` to `s9`, or in heat maps `over1` or `over2`.
    pub class: &'static str,
    /// Points (x, y), ordered by x. A single point is drawn as a dot, and a y that is not finite as
    /// a gap.
    pub points: Vec<(f64, f64)>,
    /// A band around the line: x, lowest and highest y. Not drawn if empty.
    pub band: Vec<(f64, f64, f64)>,
}

/// Text that is shown when a pointer hovers between this position and the next hint.
#[derive(Debug, Clone)]
pub struct Hint {
    /// Where the hint begins to be shown, as a value of the x axis.
    pub x: f64,
    /// The text as it is shown; escaped when drawn.
    pub text: String,
}

/// A plot of lines that share both axes.
#[derive(Debug, Clone)]
pub struct LinePlot {
    /// The axis of the first value of each point.
    pub x: Axis,
    /// The axis of the second value of each point. If it begins at 0, the area below a single line
    /// without a band is filled.
    pub y: Axis,
    /// The lines, in drawing order. A single one needs no name.
    pub series: Vec<LineSeries>,
    /// Ordered by x.
    pub notes: Vec<Note>,
    /// Ordered by x.
    pub hints: Vec<Hint>,
}

impl LinePlot {
    /// Draws the plot. `title` heads a standalone file, and `label` describes the picture in a
    /// sentence, for people who can't see it.
    pub fn draw(&self, size: PlotSize, title: &str, label: &str) -> Picture {
        let mut frame = Frame::new(size, (&self.x, &self.y), &self.keys(), 0.0);
        let is_filled = self.series.len() == 1 && self.y.scale.bounds().0 == 0.0;
        for series in &self.series {
            if !series.band.is_empty() {
                band(&mut frame, series);
            } else if is_filled {
                area_below(&mut frame, series);
            }
        }
        for series in &self.series {
            line(&mut frame, series);
        }
        notes(&mut frame, &self.notes);
        hints(&mut frame, &self.hints, size);
        Picture::new(frame, title, label)
    }

    fn keys(&self) -> Vec<LegendRow> {
        let mut keys = Vec::new();
        for series in self.series.iter().filter(|s| !s.name.is_empty() || !s.band.is_empty()) {
            let (class, name) = (series.class.to_owned(), series.name.clone());
            keys.push(LegendRow { mark: LegendMark::Line, class, name });
            if !series.band.is_empty() {
                let class = format!("band {}", series.class);
                keys.push(LegendRow {
                    mark: LegendMark::Box,
                    class,
                    name: String::from("lowest to highest"),
                });
            }
        }
        keys
    }
}

fn band(frame: &mut Frame, series: &LineSeries) {
    let upper = series.band.iter().map(|(x, _, high)| (frame.x(*x), frame.y(*high)));
    let lower = series.band.iter().rev().map(|(x, low, _)| (frame.x(*x), frame.y(*low)));
    let path = polyline(upper.chain(lower)) + "Z";
    frame.svg.path(&path, &format!("band {}", series.class));
}

/// Fills the area between the line and the bottom of the plot.
fn area_below(frame: &mut Frame, series: &LineSeries) {
    let bottom = frame.plot.bottom;
    if let [first, .., last] = &series.points[..] {
        let ends = [(frame.x(last.0), bottom), (frame.x(first.0), bottom)];
        let points = series.points.iter().map(|(x, y)| (frame.x(*x), frame.y(*y)));
        let path = polyline(points.chain(ends)) + "Z";
        frame.svg.path(&path, &format!("under {}", series.class));
    }
}

pub(super) fn line(frame: &mut Frame, series: &LineSeries) {
    for part in series.points.split(|(_, y)| !y.is_finite()) {
        let mut points = part.iter().map(|(x, y)| (frame.x(*x), frame.y(*y)));
        match part.len() {
            0 => {}
            1 => points.next().into_iter().for_each(|point| frame.svg.dot(point, series.class)),
            _ => {
                let path = polyline(points);
                frame.svg.path(&path, &format!("line {}", series.class));
            }
        }
    }
}

/// Draws invisible stripes that show hints when a pointer hovers over them. None in narrow plots,
/// as phones have no pointer.
pub(super) fn hints(frame: &mut Frame, hints: &[Hint], size: PlotSize) {
    let end = frame.end();
    for (i, hint) in hints.iter().filter(|_| size.width > PlotSize::NARROW.width).enumerate() {
        let left = frame.x(hint.x);
        let right = frame.x(hints.get(i + 1).map_or(end, |next| next.x));
        let stripe = Area { left, right, ..frame.plot };
        frame.svg.area(stripe, "hint", &hint.text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{PlotUnit, Scale};

    fn lines(series: Vec<LineSeries>) -> LinePlot {
        let x = Axis { title: String::from("<time>"), scale: Scale::time(0.0, 10.0) };
        let y = Axis { title: String::from("n"), scale: Scale::from_zero(PlotUnit::Number, 5.0) };
        LinePlot {
            x,
            y,
            series,
            notes: Vec::new(),
            hints: vec![Hint { x: 0.0, text: String::from("a & b") }],
        }
    }

    #[test]
    fn only_wide_plots_have_hints() {
        let text = |size| lines(Vec::new()).draw(size, "t", "l").inline();
        assert!(text(PlotSize::WIDE).contains("<title>a &amp; b</title>"));
        assert!(!text(PlotSize::NARROW).contains("a &amp; b"));
    }

    #[test]
    fn one_point_is_a_dot_and_none_is_nothing() {
        let series = |points: &[(f64, f64)]| LineSeries {
            name: String::from("one"),
            class: "s1",
            points: points.to_vec(),
            band: Vec::new(),
        };
        let draw = |points| lines(vec![series(points)]).draw(PlotSize::NARROW, "t", "l").inline();
        assert!(draw(&[(1.0, 2.0)]).contains("<circle"));
        assert!(!draw(&[]).contains("<path"));
        let text = draw(&[(1.0, 2.0), (f64::NAN, f64::INFINITY), (3.0, -1.0)]);
        assert!(
            text.contains("<circle") && !text.contains("NaN") && !text.contains("inf"),
            "{text}"
        );
        assert!(text.contains("&lt;time&gt;"));
    }

    #[test]
    fn a_standalone_file_has_style_and_title() {
        let text = lines(Vec::new()).draw(PlotSize::WIDE, "<Rate>", "\"so\"").standalone();
        assert!(text.contains("<style>") && text.contains(">&lt;Rate&gt;</text>"));
        assert!(text.contains("aria-label=\"&quot;so&quot;\"") && text.contains("role=\"img\""));
        assert!(text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
    }
}
