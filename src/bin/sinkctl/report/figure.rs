//! A plot of the report, with its words.
use sinkd::plot::{Picture, PlotSize, PlotUnit};
use sinkd::stats::Metric;

/// How much of the page it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Whole,
    /// Beside another one.
    Half,
}

/// A plot with its title and a sentence about it.
pub struct Figure {
    /// The name of its file, without the ending.
    pub name: &'static str,
    pub title: String,
    pub note: String,
    pub width: Width,
    /// At its width, and as a phone shows it.
    pictures: (Picture, Option<Picture>),
}

/// What the plot is called and what is to be seen.
pub struct FigureTexts {
    pub name: &'static str,
    pub title: String,
    /// How to read it.
    pub note: String,
    /// What it shows, for those who can't see it.
    pub label: String,
}

impl Figure {
    /// `draw` gets size, title and label.
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

    /// The picture as it is on a page of full width, and as it is on a narrow one if that differs.
    pub fn pictures(&self) -> (String, Option<String>) {
        (self.pictures.0.inline(), self.pictures.1.as_ref().map(Picture::inline))
    }

    /// A file of its own.
    pub fn standalone(&self) -> String {
        self.pictures.0.standalone()
    }
}

/// The unit of a metric's values.
pub fn unit(metric: Metric) -> PlotUnit {
    match metric.unit() {
        "us" => PlotUnit::Microseconds,
        "B" => PlotUnit::Bytes,
        "B/s" => PlotUnit::BytesPerSecond,
        _ => PlotUnit::Number,
    }
}

/// A metric's name for people: its tag without the unit.
pub fn name(metric: Metric) -> String {
    let tag = metric.tag();
    let name = ["_us", "_bytes_per_s"].iter().find_map(|unit| tag.strip_suffix(unit));
    match metric {
        Metric::TransferRate => String::from("transfer rate"),
        Metric::MessageSize => String::from("message size"),
        _ => name.unwrap_or(tag).replace('_', " "),
    }
}

/// A Unix time, s, as exact as a span of this number of seconds needs it (UTC).
pub fn moment(unix_s: f64, length: f64) -> String {
    strftime(unix_s, if length < 300.0 { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" })
}

/// A Unix time, s, with its date (UTC).
pub fn instant(unix_s: f64) -> String {
    strftime(unix_s, "%Y-%m-%d %H:%M:%S")
}

/// Date (UTC) of a Unix time, s.
pub fn date(unix_s: f64) -> String {
    strftime(unix_s, "%Y-%m-%d")
}

fn strftime(unix_s: f64, form: &str) -> String {
    let at = jiff::Timestamp::from_second(unix_s as i64).unwrap_or(jiff::Timestamp::MAX);
    at.strftime(form).to_string()
}
