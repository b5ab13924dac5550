//! The frame of all plots: size, two axes with grid and titles, legend.
use super::scale::{Scale, Tick};
use super::style::CSS;
use super::svg::{Anchor, Area, Svg, number};
use crate::wording::xml_escaped;

/// Size of a plot in pixels, at its natural scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlotSize {
    /// The width of the whole picture, with the labels of the y axis.
    pub width: f64,
    /// The height of the whole picture, with the legend, the titles and the labels of the x axis.
    pub height: f64,
}

/// An axis: what it measures, and where values are on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The quantity and its unit, as plain text; escaped when drawn.
    pub title: String,
    /// Maps values to positions, and chooses the ticks.
    pub scale: Scale,
}

/// A finished plot, to be written as an element of a page or as a file of its own.
#[derive(Debug, Clone)]
pub struct Picture {
    size: PlotSize,
    title: String,
    label: String,
    body: String,
}

/// A symbol in the legend, and the series or count that it stands for.
#[derive(Debug, Clone)]
pub(super) struct LegendRow {
    pub mark: LegendMark,
    /// The class that colors the symbol, as in [`CSS`].
    pub class: String,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LegendMark {
    Line,
    Box,
}

/// A plot with axes and legend, but without data.
#[derive(Debug)]
pub(super) struct Frame {
    pub svg: Svg,
    /// The area for data, between the axes.
    pub plot: Area,
    size: PlotSize,
    x: Scale,
    y: Scale,
}

/// Width of the slot left of the x axis, for values that are not on its scale, in pixels.
pub(super) const SLOT: f64 = 46.0;

/// Approximate width of a letter, in pixels.
const LETTER: f64 = 6.9;
/// Height of a line of text, in pixels.
const LINE: f64 = 19.0;
/// Width of a legend entry in addition to its text.
const KEY: f64 = 42.0;
/// Height of the heading of a standalone picture.
const HEADING: f64 = 34.0;

impl PlotSize {
    /// As wide as a page, with hints for pointers.
    pub const WIDE: PlotSize = PlotSize { width: 880.0, height: 300.0 };
    /// Half the width of a page, or the width of a phone.
    pub const NARROW: PlotSize = PlotSize { width: 430.0, height: 270.0 };
}

impl Picture {
    /// `label` describes the picture in a sentence, for people who can't see it.
    pub(super) fn new(frame: Frame, title: &str, label: &str) -> Picture {
        let (title, label) = (title.to_owned(), label.to_owned());
        Picture { size: frame.size, title, label, body: frame.svg.into_text() }
    }

    /// Returns an element for an HTML page that includes [`CSS`] and shows the title itself.
    pub fn inline(&self) -> String {
        let PlotSize { width, height } = self.size;
        self.element(&format!("0 0 {} {}", number(width), number(height)), "")
    }

    /// Returns a standalone file, with its title and style.
    pub fn standalone(&self) -> String {
        let (width, height) = (self.size.width + 24.0, self.size.height + HEADING + 12.0);
        let [w, h, top] = [width, height, -HEADING].map(number);
        let style = format!(
            "<style>{CSS}</style>\n<rect x=\"-12\" y=\"{top}\" width=\"{w}\" height=\"{h}\" \
             class=\"back\"/>\n<text x=\"0\" y=\"-12\" class=\"heading\">{}</text>\n",
            xml_escaped(&self.title)
        );
        let size = format!("-12 {top} {w} {h}\" width=\"{w}\" height=\"{h}");
        self.element(&size, &style)
    }

    fn element(&self, view: &str, head: &str) -> String {
        let (label, body) = (xml_escaped(&self.label), &self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\" \
             aria-label=\"{label}\" viewBox=\"{view}\">\n{head}{body}</svg>\n"
        )
    }
}

impl Frame {
    /// Draws the axes and the legend. `slot` is the width of the slot left of the x axis: [`SLOT`],
    /// or 0 for none.
    pub fn new(size: PlotSize, (x, y): (&Axis, &Axis), keys: &[LegendRow], slot: f64) -> Frame {
        let y_ticks = y.scale.ticks(((size.height - 80.0) / 37.0) as usize);
        let letters = y_ticks.iter().map(|tick| tick.label.chars().count()).max().unwrap_or(0);
        let left = 12.0 + LETTER * letters as f64;
        let mut svg = Svg::default();
        let top = legend(&mut svg, size.width, &y.title, keys);
        let plot = Area { left, top, right: size.width - 22.0, bottom: size.height - 42.0 };
        let mut frame = Frame { svg, plot, size, x: x.scale, y: y.scale };
        frame.y_axis(&y_ticks);
        frame.plot.left += slot;
        frame.x_axis(x, slot);
        frame
    }

    fn y_axis(&mut self, ticks: &[Tick]) {
        let Area { left, right, top, bottom } = self.plot;
        for tick in ticks {
            let y = bottom - tick.position * (bottom - top);
            let class = if tick.label.is_empty() { "fine" } else { "grid" };
            self.svg.line((left, y), (right, y), class);
            if !tick.label.is_empty() {
                self.svg.text((left - 8.0, y + 4.0), Anchor::End, "tick", &tick.label);
            }
        }
    }

    fn x_axis(&mut self, axis: &Axis, slot: f64) {
        let Area { left, right, top, bottom } = self.plot;
        let width = right - left;
        // As many labels as the longest one leaves room for.
        let mut most = (width / 60.0) as usize;
        let mut ticks = axis.scale.ticks(most);
        while most > 2 && is_crowded(&ticks, width) {
            most -= 1;
            ticks = axis.scale.ticks(most);
        }
        let mut free_from = f64::MIN;
        for tick in &ticks {
            let x = left + tick.position * width;
            let class = if tick.label.is_empty() { "fine" } else { "grid" };
            self.svg.line((x, top), (x, bottom), class);
            let half = LETTER * tick.label.chars().count() as f64 / 2.0;
            // The last label stays within the picture.
            let middle = x.min(self.size.width - half);
            if !tick.label.is_empty() && middle - half >= free_from {
                self.svg.text((middle, bottom + 17.0), Anchor::Middle, "tick", &tick.label);
                free_from = middle + half + 4.0;
            }
        }
        self.svg.line((left - slot, bottom), (right, bottom), "axis");
        let at = (right, self.size.height - 7.0);
        self.svg.text(at, Anchor::End, "title", &axis.title);
    }

    /// Returns the value at the right end of the x axis.
    pub fn end(&self) -> f64 {
        self.x.bounds().1
    }

    /// Returns the value at the upper end of the y axis.
    pub fn y_max(&self) -> f64 {
        self.y.bounds().1
    }

    pub fn x(&self, value: f64) -> f64 {
        self.plot.left + self.x.position(value) * (self.plot.right - self.plot.left)
    }

    pub fn y(&self, value: f64) -> f64 {
        self.plot.bottom - self.y.position(value) * (self.plot.bottom - self.plot.top)
    }
}

/// Returns whether any labels would touch.
fn is_crowded(ticks: &[Tick], width: f64) -> bool {
    let labeled: Vec<&Tick> = ticks.iter().filter(|tick| !tick.label.is_empty()).collect();
    labeled.windows(2).any(|pair| {
        let letters = pair.iter().map(|tick| tick.label.chars().count()).sum::<usize>();
        (pair[1].position - pair[0].position) * width < LETTER * letters as f64 / 2.0 + 10.0
    })
}

/// Draws the legend, then the title of the y axis. Returns where the plot can begin.
fn legend(svg: &mut Svg, width: f64, y_title: &str, keys: &[LegendRow]) -> f64 {
    let mut at = (0.0, 13.0);
    for key in keys {
        let needs = KEY + LETTER * key.name.chars().count() as f64;
        if at.0 > 0.0 && at.0 + needs > width {
            at = (0.0, at.1 + LINE);
        }
        match key.mark {
            LegendMark::Line => {
                let y = at.1 - 4.0;
                svg.line((at.0, y), (at.0 + 24.0, y), &format!("line {}", key.class));
            }
            LegendMark::Box => {
                let (left, right) = (at.0 + 8.0, at.0 + 24.0);
                let area = Area { left, right, top: at.1 - 10.0, bottom: at.1 + 1.0 };
                svg.area(area, &key.class, "");
            }
        }
        svg.text((at.0 + 30.0, at.1), Anchor::Start, "key", &key.name);
        at.0 += needs;
    }
    if !keys.is_empty() {
        at.1 += LINE + 2.0;
    }
    svg.text((0.0, at.1), Anchor::Start, "title", y_title);
    at.1 + 12.0
}
