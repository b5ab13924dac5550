//! The content of the screen, at sizes from a single cell to a wall.
use std::path::Path;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;
use sinkd::stats::{Counter, Metric, NewSeconds, VerdictEvidence};

use super::super::model::tests::{NOW_S, running};
use super::*;

fn screen() -> ScreenState {
    let utf8 = |name: &str| (name == "LANG").then(|| "en_US.UTF-8".to_owned());
    ScreenState::of_environment(utf8)
}

fn painted(state: &RunState, screen: &ScreenState, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state, screen)).unwrap();
    terminal.backend().buffer().clone()
}

/// Returns the lines of the screen.
fn lines(state: &RunState, screen: &ScreenState, width: u16, height: u16) -> Vec<String> {
    let buffer = painted(state, screen, width, height);
    let rows = buffer.content.chunks(usize::from(width));
    rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>()).collect()
}

#[track_caller]
fn check(lines: &[String], wanted: &[&str]) {
    for text in wanted {
        assert!(lines.iter().any(|line| line.contains(text)), "{text}\n{}", lines.join("\n"));
    }
}

#[test]
fn a_terminal_of_80_by_24_has_it_all() {
    let lines = lines(&running(), &screen(), 80, 24);
    check(
        &lines,
        &[
            "sinkd running (pid 4711)  sink-data ",
            "sink saturated: its busiest loop was busy for ",
            "messages/s 12345  max 24000 in 2 min 40 s",
            "recipients/s 24690  bytes 12.3 MB/s  connections/s 0  open 0  busiest loop 98%",
            "last second",
            "last 10 s",
            "p50     p99   p99.9     max     p50     p99   p99.9     max",
            "transaction       200 µs",
            "service message   200 µs",
            "service command        -",
            "think, any step   200 µs",
            "replies in 10 s  452 4.3.1: 10  250 2.0.0: 228345  354: 228345",
            "stored 7654321 messages, 2.5 GB on disk, 40 segments",
            " q  quit   p  pause   m  metric   ?  help",
            "█",
        ],
    );
    assert!(lines[23].starts_with(" q  quit"));
    assert!(lines[22].starts_with("stored"));
}

#[test]
fn forty_by_ten_has_what_matters_most() {
    let lines = lines(&running(), &screen(), 40, 10);
    check(
        &lines,
        &[
            "running (pid 4711)",
            "messages/s 12345  max 24000 in 3 min",
            "recipients/s 24690",
            "busiest loop 98%",
            "last second          p50     p99     max",
            "transaction       200 µs  200 µs  200 µs",
            "452 4.3.1: 10",
        ],
    );
}

#[test]
fn a_wall_has_every_row() {
    let lines = lines(&running(), &screen(), 200, 60);
    let names: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
    check(&lines, &names);
    check(&lines, &["max 24000 in 3 min 20 s", "stored 7654321 messages"]);
}

#[test]
fn no_size_is_too_small_or_odd() {
    let mut empty = RunState::new(Path::new("/somewhere/far/away/\x1b[2J"));
    empty.problem = Some("a problem".into());
    for state in [running(), empty] {
        for is_help in [false, true] {
            let screen = ScreenState { is_help, is_paused: is_help, ..screen() };
            for width in [1, 2, 15, 17, 39, 79, 80, 300] {
                for height in [1, 2, 3, 4, 7, 11, 12, 24, 100] {
                    let lines = lines(&state, &screen, width, height);
                    assert!(!lines.concat().contains('\x1b'));
                }
            }
        }
    }
}

#[test]
fn silence_problems_and_pauses_are_shown() {
    let mut state = running();
    state.take(NOW_S + 10, NewSeconds::default());
    check(
        &lines(&state, &screen(), 80, 24),
        &["sinkd idle (pid 4711): last second recorded 12 s ago"],
    );
    state.holder = None;
    state.problem = Some("x.hlog: not base64".into());
    let paused = ScreenState { is_paused: true, ..screen() };
    let wanted = ["sinkd is not running: last second recorded 12 s ago", "PAUSED", "x.hlog"];
    check(&lines(&state, &paused, 80, 24), &wanted);
    state.holder = Some(1);
    state.has_statistics = false;
    check(
        &lines(&state, &screen(), 80, 24),
        &["sinkd running (pid 1) without statistics (--stats off)"],
    );
    let help = ScreenState { is_help: true, ..screen() };
    check(
        &lines(&state, &help, 80, 24),
        &["p Space    pause", "busiest loop: its share of time at work"],
    );
    assert!(HELP.iter().all(|line| line.len() <= 64));
}

/// A reader of a rate must see at once whose ceiling it is, without colors and on either
/// background.
#[test]
fn a_saturated_sink_is_reported_in_red_and_in_words() {
    for (width, height) in [(80, 24), (40, 10), (200, 60)] {
        let buffer = painted(&running(), &screen(), width, height);
        let row = &buffer.content[usize::from(width)..2 * usize::from(width)];
        let text: String = row.iter().map(|cell| cell.symbol()).collect();
        assert!(text.starts_with("sink saturated: its busiest loop was"), "{text}");
        assert!(row[0].fg == Color::Red && row[0].bg == Color::Reset);
        assert!(row[0].modifier.contains(Modifier::BOLD));
    }
    let plain = ScreenState { has_colors: false, ..screen() };
    check(&lines(&running(), &plain, 80, 24), &["sink saturated: "]);
}

#[test]
fn the_limit_of_the_last_seconds_takes_two_lines_at_most() {
    let mut state = running();
    let verdict = state.verdict.as_mut().unwrap();
    verdict.evidence = VerdictEvidence::LockStep { answer_us: 100.0, busy_share: 0.34 };
    let lines = lines(&state, &screen(), 80, 24);
    assert!(lines[1].starts_with("limited by: connections (the next command came 100 µs after"));
    assert!(
        lines[2].trim_end().ends_with("more connections would raise the rate)"),
        "{}",
        lines[2]
    );
    assert!(lines[22].starts_with("stored") && lines[3].starts_with("messages/s"));
    let buffer = painted(&state, &screen(), 80, 24);
    assert!(buffer.content[80..240].iter().all(|cell| cell.fg == Color::Reset));
    state.verdict = None;
    let silent = painted(&state, &screen(), 80, 24);
    assert_eq!(silent.content[80].symbol(), "m");
}

#[test]
fn any_metric_is_shown_big() {
    let state = running();
    for (shown, text) in [
        (Measure::Rate(Counter::MessageBytes), "bytes 12.3 MB/s  max 24.0 MB/s"),
        (Measure::Rate(Counter::Connections), "connections/s 0"),
        (Measure::P99(Metric::Transaction), "transaction p99 200 µs  max 200 µs"),
        (Measure::P99(Metric::MessageSize), "message_bytes p99 0 B"),
    ] {
        check(&lines(&state, &ScreenState { shown, ..screen() }, 80, 24), &[text]);
    }
}

#[test]
fn colors_are_basic_ones_and_can_be_forbidden() {
    let state = running();
    for (has_colors, has_blocks) in [(true, true), (false, false)] {
        let buffer = painted(&state, &ScreenState { has_colors, has_blocks, ..screen() }, 80, 24);
        let colors: Vec<Color> = buffer.content.iter().map(|cell| cell.fg).collect();
        assert_eq!(colors.iter().any(|color| *color != Color::Reset), has_colors);
        let basic = [Color::Reset, Color::Red, Color::Green, Color::Cyan];
        assert!(colors.iter().all(|color| basic.contains(color)), "{colors:?}");
        assert!(buffer.content.iter().all(|cell| cell.bg == Color::Reset));
        let is_ascii = buffer.content.iter().all(|cell| cell.symbol().is_ascii());
        assert_eq!(is_ascii, !has_blocks);
    }
    let environment = |set: &'static [(&str, &str)]| {
        let found = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string());
        let screen = ScreenState::of_environment(found);
        (screen.has_colors, screen.has_blocks)
    };
    assert_eq!(environment(&[]), (true, false));
    assert_eq!(environment(&[("NO_COLOR", "1"), ("LC_ALL", "de_DE.utf8")]), (false, true));
    assert!(!environment(&[("NO_COLOR", ""), ("LC_ALL", "C"), ("LANG", "C.UTF-8")]).1);
}

#[test]
fn values_fit_their_columns() {
    for us in [
        0u64,
        9999,
        10_000,
        99_949,
        100_000,
        9_999_999,
        599_949_999,
        35_999_999_999,
        86_400_000_000,
    ] {
        assert!(duration(us as f64).chars().count() < CELL_CHARS, "{}", duration(us as f64));
    }
    assert_eq!(duration(12_345.0), "12.3 ms");
    assert_eq!(long_time(7200), "2 h");
}
