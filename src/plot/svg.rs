//! Writes SVG, with closed elements, escaped text and short coordinates.
use std::fmt::Write;

use crate::wording::xml_escaped;

/// Formats a coordinate, rounded to a tenth of a pixel.
pub(super) fn number(value: f64) -> String {
    let rounded = if value.is_finite() { (value * 10.0).round() / 10.0 } else { 0.0 };
    // Converts -0 to 0.
    format!("{}", rounded + 0.0)
}

/// The elements of a picture, in painting order.
#[derive(Debug, Default)]
pub(super) struct Svg {
    text: String,
}

/// The alignment of text at its coordinate.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A rectangle, in pixels from the upper left corner of the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Svg {
    pub fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y, text) = (number(at.0), number(at.1), xml_escaped(text));
        self.add(format_args!(
            r#"<text x="{x}" y="{y}" text-anchor="{anchor}" class="{class}">{text}</text>"#
        ));
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(number);
        self.add(format_args!(
            r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="{class}"/>"#
        ));
    }

    /// Draws a rectangle. `hint` is shown when a pointer hovers over it, unless it is empty.
    pub fn area(&mut self, area: Area, class: &str, hint: &str) {
        let (width, height) =
            ((area.right - area.left).max(0.0), (area.bottom - area.top).max(0.0));
        let [x, y, w, h] = [area.left, area.top, width, height].map(number);
        let head = format!(r#"<rect x="{x}" y="{y}" width="{w}" height="{h}" class="{class}""#);
        if hint.is_empty() {
            self.add(format_args!("{head}/>"));
        } else {
            self.add(format_args!("{head}><title>{}</title></rect>", xml_escaped(hint)));
        }
    }

    pub fn dot(&mut self, at: (f64, f64), class: &str) {
        let [x, y] = [at.0, at.1].map(number);
        self.add(format_args!(r#"<circle cx="{x}" cy="{y}" r="2.6" class="{class}"/>"#));
    }

    pub fn path(&mut self, path: &str, class: &str) {
        self.add(format_args!(r#"<path d="{path}" class="{class}"/>"#));
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        self.text.write_fmt(element).expect("a String takes everything");
        self.text.push('\n');
    }

    pub fn into_text(self) -> String {
        self.text
    }
}

/// Returns a path: `M` to the first point, lines to the others.
pub(super) fn polyline(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (i, (x, y)) in points.enumerate() {
        path.push(if i == 0 { 'M' } else { 'L' });
        path.push_str(&number(x));
        path.push(' ');
        path.push_str(&number(y));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short_and_finite() {
        for (value, text) in [
            (1.0, "1"),
            (1.25, "1.3"),
            (-0.01, "0"),
            (f64::NAN, "0"),
            (f64::NEG_INFINITY, "0"),
            (123_456.78, "123456.8"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(polyline([(0.0, 1.0), (2.04, 3.0)].into_iter()), "M0 1L2 3");
        assert_eq!(polyline([].into_iter()), "");
    }
}
