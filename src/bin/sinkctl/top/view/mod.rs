//! Draws the screen from the state and the size of the terminal.
use ratatui::Frame;
use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::bar;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Sparkline, Widget};
use sinkd::analysis::verdict_sentence;
use sinkd::stats::{Counter, Metric, MetricUnit, Percentiles};
use sinkd::wording::{duration, printable_line, whole_percent};

use super::canvas::Canvas;
use super::measure::Measure;
use super::model::{Condition, RunState, is_refusal};
use super::text::{bytes, long_time, wrapped, wrapped_lines};

/// The user's choices, and the capabilities of the terminal.
#[derive(Debug)]
pub struct ScreenState {
    pub shown: Measure,
    pub is_paused: bool,
    pub is_help: bool,
    pub has_colors: bool,
    /// Whether block characters and `µ` can be shown.
    pub has_blocks: bool,
}

impl ScreenState {
    /// Returns the state at the start. `variable` returns a variable of the environment.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> ScreenState {
        let is_set = |name: &str| variable(name).filter(|text| !text.is_empty());
        let locale = is_set("LC_ALL").or_else(|| is_set("LC_CTYPE")).or_else(|| is_set("LANG"));
        let locale = locale.unwrap_or_default().to_ascii_uppercase();
        ScreenState {
            shown: Measure::FIRST,
            is_paused: false,
            is_help: false,
            // https://no-color.org
            has_colors: is_set("NO_COLOR").is_none(),
            has_blocks: locale.contains("UTF-8") || locale.contains("UTF8"),
        }
    }

    fn colored(&self, color: Color) -> Style {
        if self.has_colors { Style::new().fg(color) } else { Style::new() }
    }
}

/// The rows of percentiles, most important first: name, and the metrics that are combined.
const ROWS: &[(&str, &[Metric])] = &[
    ("transaction", &[Metric::Transaction]),
    ("service message", &[Metric::ServiceMessage]),
    ("service command", &[Metric::ServiceCommand]),
    ("think, any step", &Metric::THINK),
    ("think payload", &[Metric::ThinkPayload]),
    ("think next MAIL", &[Metric::ThinkNext]),
    ("think RCPT", &[Metric::ThinkRcpt]),
    ("think DATA", &[Metric::ThinkData]),
    ("think MAIL", &[Metric::ThinkMail]),
    ("think EHLO", &[Metric::ThinkEhlo]),
    ("think close", &[Metric::ThinkClose]),
    ("transfer", &[Metric::Transfer]),
    ("commit wait", &[Metric::CommitWait]),
    ("loop round", &[Metric::Round]),
    ("session", &[Metric::Session]),
    ("TLS handshake", &[Metric::Handshake]),
];
const QUANTILES: [&str; 4] = ["p50", "p99", "p99.9", "max"];
/// Width of a row's name and of a value, in columns.
const NAME_CHARS: usize = 16;
const CELL_CHARS: usize = 8;
/// From this width on, the table shows both the last second and the last ten.
const WIDE_CHARS: usize = NAME_CHARS + 8 * CELL_CHARS;
/// From this width on, open connections are shown beside the rates.
const OPEN_CHARS_MIN: usize = 60;
/// Maximum height of the bars of the large graph, in lines.
const BARS_LINES_MAX: usize = 12;
/// With fewer free lines, the verdict gets one line, otherwise up to two.
const TALL_LINES: usize = 20;

const ASCII_BARS: bar::Set<'static> = bar::Set {
    full: "#",
    seven_eighths: "#",
    three_quarters: "+",
    five_eighths: "+",
    half: "=",
    three_eighths: "-",
    one_quarter: "-",
    one_eighth: ".",
    empty: " ",
};

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, state: &RunState, screen: &ScreenState) {
    draw_in(&mut Canvas::new(frame), state, screen);
    if !screen.has_blocks {
        let is_micro = |cell: &&mut Cell| cell.symbol() == "µ";
        frame.buffer_mut().content.iter_mut().filter(is_micro).for_each(|cell| {
            cell.set_symbol("u");
        });
    }
}

fn draw_in(paper: &mut Canvas<'_>, state: &RunState, screen: &ScreenState) {
    paper.line(heading(state, screen, paper.width()));
    paper.last_line(keys(screen));
    if screen.is_help {
        return HELP.iter().for_each(|text| paper.line(Line::raw(*text)));
    }
    if let Some(problem) = &state.problem {
        paper.line(Line::styled(printable_line(problem), screen.colored(Color::Red)));
    }
    for line in verdict(state, screen, paper) {
        paper.line(line);
    }
    let rates = wrapped(rates(state, screen.shown, paper.width()), paper.width());
    let replies = replies(state, screen, paper.width());
    let below = 1 + replies.len();
    let spans = if paper.width() >= WIDE_CHARS {
        PercentileSpans::Both
    } else {
        PercentileSpans::LastSecond
    };
    let heads = if spans == PercentileSpans::Both { 2 } else { 1 };
    let fixed = 1 + rates.len() + heads + below;
    let space = paper.left().saturating_sub(fixed);
    // Empty lines separate the parts if there is enough space.
    let gap = usize::from(space >= 12);
    let space = space - 3 * gap;
    let rows = ROWS.len().min(space - (space / 3).min(BARS_LINES_MAX)).max(1);
    let bars = space.saturating_sub(rows).clamp(1, BARS_LINES_MAX);

    big(paper, state, screen, bars);
    paper.skip(gap);
    rates.into_iter().for_each(|line| paper.line(line));
    paper.skip(gap);
    table(paper, state, spans, rows);
    paper.skip(gap);
    replies.into_iter().for_each(|line| paper.line(line));
    paper.line(stored(state));
}

const HELP: &[&str] = &[
    "",
    "q Esc ^C   quit",
    "p Space    pause, and go on",
    "m, arrows  another metric shown big",
    "?          this page; any key leaves it",
    "",
    "Values are of the last complete second, and 1.5 to 3 s old.",
    "transaction: MAIL accepted to final reply. service: sinkd's",
    "own time. think: the sender's time before its next step.",
    "busiest loop: its share of time at work; near 100%, sinkd is",
    "the limit. All of a run: sinkctl stats.",
    "limited by: what held the last 10 s up; red: sinkd itself did.",
];

fn heading(state: &RunState, screen: &ScreenState, width: usize) -> Line<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let ago = |ago: Option<u64>| match ago {
        Some(ago) => format!("last second recorded {} ago", long_time(ago)),
        None => "no second recorded lately".to_owned(),
    };
    let pid = state.holder.map_or(String::new(), |pid| format!(" (pid {pid})"));
    let (text, color) = match state.condition() {
        Condition::Live => (format!("sinkd running{pid}"), Some(Color::Green)),
        Condition::Quiet(seconds) => (format!("sinkd idle{pid}: {}", ago(seconds)), None),
        Condition::Stopped(seconds) => {
            (format!("sinkd is not running: {}", ago(seconds)), Some(Color::Red))
        }
        Condition::NoStatistics => {
            (format!("sinkd running{pid} without statistics (--stats off)"), Some(Color::Red))
        }
    };
    let style = color.map_or(bold, |color| screen.colored(color).patch(bold));
    let paused = if screen.is_paused { " PAUSED " } else { "" };
    let folder = printable_line(&state.folder.display().to_string());
    // The status comes first; the folder gets the remaining space.
    let room = width.saturating_sub(text.chars().count() + paused.len() + 2);
    let folder = if folder.chars().count() <= room { folder } else { String::new() };
    Line::from(vec![
        Span::styled(text, style),
        Span::raw(" "),
        Span::styled(paused, Style::new().add_modifier(Modifier::REVERSED)),
        Span::raw(" "),
        Span::raw(folder),
    ])
}

fn keys(screen: &ScreenState) -> Line<'static> {
    let pause = if screen.is_paused { "go on" } else { "pause" };
    let reversed = Style::new().add_modifier(Modifier::REVERSED);
    let mut spans = Vec::new();
    for (key, what) in [("q", "quit"), ("p", pause), ("m", "metric"), ("?", "help")] {
        spans.push(Span::styled(format!(" {key} "), reversed));
        spans.push(Span::raw(format!(" {what}  ")));
    }
    Line::from(spans)
}

/// Returns lines about what limited the last ten seconds; in red and in other words if the sink was
/// saturated, so that its ceiling is not mistaken for the sender's.
fn verdict(state: &RunState, screen: &ScreenState, paper: &Canvas<'_>) -> Vec<Line<'static>> {
    let Some(verdict) = &state.verdict else { return Vec::new() };
    let (name, because) = (verdict.limited_by().name(), verdict_sentence(verdict));
    let (text, style) = if verdict.is_saturated() {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        (format!("sink saturated: {because}"), screen.colored(Color::Red).patch(bold))
    } else {
        (format!("limited by: {name} ({because})"), Style::new())
    };
    let lines_max = if paper.left() < TALL_LINES { 1 } else { 2 };
    let lines = wrapped_lines(&text, paper.width(), lines_max);
    lines.into_iter().map(|line| Line::styled(line, style)).collect()
}

/// Draws the chosen measure: its current value, and the last minutes as bars.
fn big(paper: &mut Canvas<'_>, state: &RunState, screen: &ScreenState, lines: usize) {
    let shown = screen.shown;
    let series = state.series(shown, paper.width());
    let max = series.values.iter().copied().max().unwrap_or(0);
    let span = long_time(series.step_s * series.values.len() as u64);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    paper.line(Line::from(vec![
        Span::styled(format!("{} {}", name(shown), value(shown, state.value(shown))), bold),
        Span::raw(format!("  max {} in {span}", value(shown, series.most))),
    ]));
    let area = paper.take(lines);
    let set = if screen.has_blocks { bar::NINE_LEVELS } else { ASCII_BARS };
    Sparkline::default()
        .data(series.values)
        .max(max.max(1))
        .bar_set(set)
        .style(screen.colored(Color::Cyan))
        .render(area, paper.buffer);
}

fn name(shown: Measure) -> String {
    match shown {
        Measure::Open => "open connections".into(),
        Measure::Rate(Counter::TurnedAway) => "turned away/s".into(),
        Measure::Rate(Counter::TlsHandshakes) => "TLS handshakes/s".into(),
        Measure::Rate(Counter::MessageBytes) => "bytes".into(),
        Measure::Rate(counter) => format!("{}/s", counter.tag()),
        Measure::P99(metric) => format!("{} p99", metric.short_name()),
    }
}

fn value(shown: Measure, n: u64) -> String {
    match shown {
        Measure::Rate(Counter::MessageBytes) => format!("{}/s", bytes(n)),
        Measure::Rate(_) | Measure::Open => n.to_string(),
        Measure::P99(metric) => match metric.unit() {
            MetricUnit::Microseconds => duration(n as f64),
            MetricUnit::BytesPerSecond => format!("{}/s", bytes(n)),
            MetricUnit::Bytes => bytes(n),
            MetricUnit::Number => n.to_string(),
        },
    }
}

/// Returns the rates of the last second that the large graph does not show, open connections if
/// there is room, and how busy the busiest loop was.
fn rates(state: &RunState, big: Measure, width: usize) -> Vec<Span<'static>> {
    let counters = [
        Counter::Messages,
        Counter::MessageRecipients,
        Counter::MessageBytes,
        Counter::Connections,
    ];
    // These are rare, but important when they occur.
    let rare = [Counter::TurnedAway, Counter::TlsHandshakes].map(Measure::Rate);
    let rare = rare.into_iter().filter(|shown| state.value(*shown) > 0);
    let others = counters.map(Measure::Rate).into_iter().chain(rare).filter(|shown| *shown != big);
    let texts = others.map(|shown| format!("{} {}", name(shown), value(shown, state.value(shown))));
    let has_room = big != Measure::Open && width >= OPEN_CHARS_MIN;
    let open = has_room.then(|| format!("open {}", state.open_connections()));
    let busy = format!("busiest loop {}", whole_percent(state.busy_share()));
    texts.chain(open).chain([busy]).map(Span::raw).collect()
}

/// The spans of time in the table of percentiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PercentileSpans {
    LastSecond,
    /// The last second and the last 10.
    Both,
}

/// Draws percentiles of the last second, and of the last ten if the screen is wide enough.
fn table(paper: &mut Canvas<'_>, state: &RunState, spans: PercentileSpans, rows: usize) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let narrow = paper.width() < NAME_CHARS + 4 * CELL_CHARS;
    // Without the p99.9.
    let columns: &[usize] = if narrow { &[0, 1, 3] } else { &[0, 1, 2, 3] };
    let name = |column: &usize| format!("{:>CELL_CHARS$}", QUANTILES[*column]);
    let names: String = columns.iter().map(name).collect();
    let group = 4 * CELL_CHARS;
    if spans == PercentileSpans::Both {
        let groups = format!("{:NAME_CHARS$}{:>group$}{:>group$}", "", "last second", "last 10 s");
        paper.line(Line::raw(groups));
        let heads = format!("{:NAME_CHARS$}{names}{names}", "");
        paper.line(Line::styled(heads, bold));
    } else {
        paper.line(Line::styled(format!("{:NAME_CHARS$.NAME_CHARS$}{names}", "last second"), bold));
    }
    let has_values: Vec<bool> =
        ROWS.iter().map(|(_, metrics)| state.percentiles(metrics, 10).is_some()).collect();
    let full = has_values.iter().filter(|has| **has).count();
    let (mut left, mut empty) = (rows, rows.saturating_sub(full));
    for ((name, metrics), has_values) in ROWS.iter().zip(has_values) {
        // Rows without values make room for those below them.
        if left == 0 || !has_values && empty == 0 {
            continue;
        }
        left -= 1;
        empty -= usize::from(!has_values);
        let one = cells(state.percentiles(metrics, 1), columns);
        let ten = if spans == PercentileSpans::Both {
            cells(state.percentiles(metrics, 10), columns)
        } else {
            String::new()
        };
        paper.line(Line::raw(format!("{name:NAME_CHARS$}{one}{ten}")));
    }
}

fn cells(percentiles: Option<Percentiles>, columns: &[usize]) -> String {
    let values = percentiles.map(|p| [p.p50, p.p99, p.p99_9, p.max].map(|us| duration(us as f64)));
    let cell = |column: &usize| values.as_ref().map_or("-", |values| &values[*column]);
    columns.iter().map(|column| format!("{:>CELL_CHARS$}", cell(column))).collect()
}

/// Returns the replies by code of the last ten seconds, in at most two lines.
fn replies(state: &RunState, screen: &ScreenState, width: usize) -> Vec<Line<'static>> {
    let mut spans = vec![Span::raw("replies in 10 s")];
    for (reply, n) in state.replies(10) {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let refusal = screen.colored(Color::Red).patch(bold);
        let style = if is_refusal(&reply) { refusal } else { Style::new() };
        spans.push(Span::styled(format!("{reply}: {n}"), style));
    }
    let mut lines = wrapped(spans, width);
    lines.truncate(2);
    lines
}

fn stored(state: &RunState) -> Line<'static> {
    let stored = &state.stored;
    let disk = bytes(stored.disk_bytes);
    let (messages, segments) = (stored.messages, stored.segments);
    Line::raw(format!("stored {messages} messages, {disk} on disk, {segments} segments"))
}

#[cfg(test)]
mod tests;
