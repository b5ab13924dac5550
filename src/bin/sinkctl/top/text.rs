//! Formats numbers as short text, and breaks text into lines.
use ratatui::text::{Line, Span};

/// Breaks words into lines of at most `width`; words beyond `lines_max` lines are left out.
pub fn wrapped_lines(text: &str, width: usize, lines_max: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a first one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.truncate(lines_max);
    lines
}

/// Joins spans with two spaces between them, into lines of at most `width`.
pub fn wrapped(spans: Vec<Span<'static>>, width: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = vec![Line::default()];
    for span in spans {
        let line = lines.last_mut().expect("there is a first one");
        if line.spans.is_empty() {
            line.push_span(span);
        } else if line.width() + 2 + span.width() <= width {
            line.push_span(Span::raw("  "));
            line.push_span(span);
        } else {
            lines.push(Line::from(span));
        }
    }
    lines
}

/// Formats a size in decimal units, with at most one decimal.
pub fn bytes(n: u64) -> String {
    match n {
        0..10_000 => format!("{n} B"),
        10_000..1_000_000 => format!("{} kB", n / 1000),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        1_000_000_000..1_000_000_000_000 => format!("{:.1} GB", n as f64 / 1e9),
        _ => format!("{:.1} TB", n as f64 / 1e12),
    }
}

/// Formats a duration to the second, or, from two hours on, in whole hours.
pub fn long_time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h", seconds / 3600),
    }
}
