//! A plot of the report, with its texts.
use sinkd::plot::{Picture, PlotSize};
use sinkd::stats::Metric;

/// The width of a plot on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Whole,
    /// Half of the page, so that two plots fit beside each other.
    Half,
}

/// A plot with its title and a sentence about it.
pub struct Figure {
    /// The name of its file, without the extension.
    pub name: &'static str,
    pub title: String,
    pub note: String,
    pub width: Width,
    /// The picture at its width, and at the width of a phone.
    pictures: (Picture, Option<Picture>),
}

/// The title and texts of a plot.
pub struct FigureTexts {
    pub name: &'static str,
    pub title: String,
    /// How to read the plot.
    pub note: String,
    /// A description for readers who can't see the plot.
    pub label: String,
}

impl Figure {
    /// Draws the pictures; `draw` gets the size, the title and the label.
    pub fn new(
        width: Width,
        words: FigureTexts,
        draw: impl Fn(PlotSize, &str, &str) -> Picture,
    ) -> Figure {
        let FigureTexts { name, title, note, label } = words;
        let pictures = match width {
            Width::Half => (draw(PlotSize::NARROW, &title, &label), None),
            Width::Whole => {
                let narrow = draw(PlotSize { height: 300.0, ..PlotSize::NARROW }, &title, &label);
                (draw(PlotSize::WIDE, &title, &label), Some(narrow))
            }
        };
        Figure { name, title, note, width, pictures }
    }

    /// Returns the picture for a page of full width, and for a narrow one if it differs.
    pub fn pictures(&self) -> (String, Option<String>) {
        (self.pictures.0.inline(), self.pictures.1.as_ref().map(Picture::inline))
    }

    /// Returns the picture as a file of its own.
    pub fn standalone(&self) -> String {
        self.pictures.0.standalone()
    }
}

/// Returns the name of a metric in texts: its tag without the unit.
pub fn name(metric: Metric) -> String {
    match metric {
        Metric::TransferRate => String::from("transfer rate"),
        Metric::MessageSize => String::from("message size"),
        _ => metric.short_name().replace('_', " "),
    }
}

/// Formats a Unix time in seconds (UTC), as precisely as a span of `length` seconds needs.
pub fn moment(unix_s: f64, length: f64) -> String {
    strftime(unix_s, if length < 300.0 { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" })
}

/// Formats a Unix time in seconds with its date (UTC).
pub fn instant(unix_s: f64) -> String {
    strftime(unix_s, "%Y-%m-%d %H:%M:%S")
}

/// Formats the date (UTC) of a Unix time in seconds.
pub fn date(unix_s: f64) -> String {
    strftime(unix_s, "%Y-%m-%d")
}

fn strftime(unix_s: f64, form: &str) -> String {
    let at = jiff::Timestamp::from_second(unix_s as i64).unwrap_or(jiff::Timestamp::MAX);
    at.strftime(form).to_string()
}
