//! Named moments and spans on the x axis, drawn above the data.
use super::frame::Frame;
use super::svg::{Anchor, Area};

/// A named moment or span on the x axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// The moment, or the start of the span, on the x axis.
    pub from: f64,
    /// The end of a span; `None`: a moment.
    pub until: Option<f64>,
    /// The text beside it, shortened if there is no room. Escaped when drawn.
    pub text: String,
}

/// Maximum number of notes that are drawn: more would hide the plot.
const NOTES_MAX: usize = 60;
/// Height of a span's bar, in pixels.
const BAR: f64 = 4.0;
/// Approximate width of a letter in a note, in pixels.
const LETTER: f64 = 6.2;
/// Baselines of the labels of spans and moments, in pixels below the top of the plot.
const SPAN_LABEL: f64 = 13.0;
const MOMENT_LABEL: f64 = 28.0;

/// Draws a bar above the plot for each span, a line for each moment, and labels that fit.
pub(super) fn notes(frame: &mut Frame, notes: &[Note]) {
    let Area { left, right, top, bottom } = frame.plot;
    let (mut spans_end, mut moments_end, mut spans) = (f64::MIN, f64::MIN, 0);
    for note in notes.iter().take(NOTES_MAX) {
        let from = frame.x(note.from).clamp(left, right);
        let Some(until) = note.until else {
            frame.svg.line((from, top), (from, bottom), "moment");
            let room = right - from - 4.0;
            if from >= moments_end {
                moments_end = label(frame, (from, top + MOMENT_LABEL), room, &note.text);
            }
            continue;
        };
        let until = frame.x(until).clamp(from, right);
        // Consecutive spans differ in color, because one can end where the next begins.
        let class = if spans % 2 == 0 { "span" } else { "span other" };
        spans += 1;
        // Above the plot, where it hides no line.
        let bar = Area { left: from, right: until.max(from + 1.0), top: top - BAR, bottom: top };
        frame.svg.area(bar, class, &note.text);
        frame.svg.line((from, top), (from, bottom), "edge");
        if from >= spans_end {
            spans_end = label(frame, (from, top + SPAN_LABEL), until - from - 4.0, &note.text);
        }
    }
}

/// Writes as much of `text` as fits in `room` pixels; returns where it ends.
fn label(frame: &mut Frame, (x, y): (f64, f64), room: f64, text: &str) -> f64 {
    let letters = (room / LETTER).max(0.0) as usize;
    let shown = match text.chars().count() {
        count if count <= letters => text.to_owned(),
        _ if letters < 4 => return x,
        _ => text.chars().take(letters - 1).chain(['…']).collect(),
    };
    frame.svg.text((x + 4.0, y), Anchor::Start, "note", &shown);
    x + 4.0 + LETTER * shown.chars().count() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{Axis, LinePlot, PlotSize, PlotUnit, Scale};

    fn drawn(notes: Vec<Note>) -> String {
        let x = Axis { title: String::from("time"), scale: Scale::time(0.0, 100.0) };
        let y = Axis { title: String::from("n"), scale: Scale::from_zero(PlotUnit::Number, 5.0) };
        let lines = LinePlot { x, y, series: Vec::new(), notes, hints: Vec::new() };
        lines.draw(PlotSize::WIDE, "t", "l").inline()
    }

    fn note(from: f64, until: Option<f64>, text: &str) -> Note {
        Note { from, until, text: text.to_owned() }
    }

    #[test]
    fn spans_and_moments_are_drawn_with_the_labels_that_fit() {
        let text = drawn(vec![
            note(-5.0, Some(50.0), "warm <up>"),
            note(50.0, Some(51.0), "too narrow for its name"),
            note(60.0, None, "half way"),
            note(60.1, None, "covered"),
            note(90.0, Some(1000.0), &"long ".repeat(40)),
        ]);
        assert!(text.contains("class=\"note\">warm &lt;up&gt;</text>"), "{text}");
        assert!(text.contains("class=\"note\">half way</text>"));
        assert!(!text.contains(">covered<"));
        // Its bar shows the text when a pointer hovers over it.
        assert!(text.contains("<title>too narrow for its name</title>"));
        assert!(!text.contains("\">too narrow"), "{text}");
        assert!(text.contains("class=\"note\">long l") && text.contains("…</text>"), "{text}");
        assert_eq!(text.matches("class=\"moment\"").count(), 2);
    }

    #[test]
    fn thousands_of_notes_do_not_hide_the_plot() {
        let all = (0..5000).map(|i| note(f64::from(i) / 50.0, None, "x")).collect();
        assert_eq!(drawn(all).matches("class=\"moment\"").count(), NOTES_MAX);
    }
}
