//! Tables and sentences of the report.
use std::fmt::Write;

use sinkd::plot::PlotUnit;
use sinkd::stats::{BusyShare, Counter, Metric, Percentiles};

use super::figure::{instant, name};
use crate::base::plot_unit::plot_unit;
use sinkd::analysis::GroupFigures;
use sinkd::analysis::report::{ReportData, RunEvent};
use sinkd::wording::{counted, xml_escaped};

/// Maximum number of runs and marks in the table.
const EVENTS_MAX: usize = 100;

/// Returns the symbol, name and CSS class of a reply code's severity. Color alone would not
/// distinguish severities for all readers.
fn severity(code: &str) -> (&'static str, &'static str, &'static str) {
    match code.as_bytes().first() {
        Some(b'2') => ("", "done", "ok"),
        Some(b'3') => ("", "go on", "ok"),
        Some(b'4') => ("▲", "transient failure", "transient"),
        Some(b'5') => ("✕", "permanent failure", "permanent"),
        _ => ("", "other", "ok"),
    }
}

/// Returns the table of replies by code and enhanced code.
pub fn replies(run: &ReportData) -> String {
    let replies = run.history.replies();
    let all: u64 = replies.values().sum();
    let most = replies.values().copied().max().unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let mut html = String::from(
        "<p>All replies of the sink, by code and enhanced code. ▲ 4xx: the sender may try again; \
         ✕ 5xx: it may not.</p>\n<div class=\"scroll\"><table class=\"replies\">\n\
         <thead><tr><th>reply</th><th>meaning</th><th class=\"n\">number</th>\
         <th class=\"n\">share</th><th class=\"chart\"></th></tr></thead>\n<tbody>\n",
    );
    for (code, n) in replies {
        let (mark, meaning, class) = severity(code);
        let (number, share) = (PlotUnit::Number.text(n as f64), n as f64 / all as f64);
        let share =
            if share < 1e-4 { String::from("&lt; 0.01%") } else { PlotUnit::Share.text(share) };
        let width = (100.0 * n as f64 / most as f64).max(0.4);
        let (code, mark) =
            (xml_escaped(code), if mark.is_empty() { String::new() } else { format!("{mark} ") });
        html.push_str(&format!(
            "<tr class=\"{class}\"><th>{code}</th><td>{mark}{meaning}</td>\
             <td class=\"n\">{number}</td><td class=\"n\">{share}</td>\
             <td class=\"chart\"><span style=\"width:{width:.1}%\"></span></td></tr>\n"
        ));
    }
    html + "</tbody></table></div>\n"
}

/// Returns the table of runs and marks that overlap the span; empty if there are none.
pub fn events(run: &ReportData) -> String {
    let Some(span) = run.span() else { return String::new() };
    let (from, until) = (span.start as f64, span.end as f64);
    let is_seen = |event: &&RunEvent| {
        if event.is_run {
            event.from < until && event.until.is_none_or(|end| end > from)
        } else {
            (from..until).contains(&event.from)
        }
    };
    let seen: Vec<_> = run.events.iter().filter(is_seen).collect();
    if seen.is_empty() {
        return String::new();
    }
    let row = |event: &&RunEvent| {
        let (kind, until) = match (event.is_run, event.until) {
            (true, Some(until)) => ("run", instant(until)),
            (true, None) => ("run", String::from("under way")),
            (false, _) => ("mark", String::new()),
        };
        let (text, from) = (xml_escaped(&event.text), instant(event.from));
        format!("<tr><th>{from}</th><td>{until}</td><td>{kind}</td><td>{text}</td></tr>\n")
    };
    let rows: String = seen.iter().take(EVENTS_MAX).map(row).collect();
    let more = match seen.len().saturating_sub(EVENTS_MAX) {
        0 => String::new(),
        n => format!("<p class=\"soft\">{} more: sinkctl runs lists all.</p>\n", n),
    };
    format!(
        "<div class=\"scroll\"><table>\n<thead><tr><th>from (UTC)</th><th>until</th><th></th>\
         <th>runs and marks</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n{more}"
    )
}

/// Returns a sentence about sessions that figures per session exclude; empty if all have ended.
pub fn open_sessions(run: &ReportData) -> String {
    let open = run.open_sessions;
    if open.sessions == 0 {
        return String::new();
    }
    let are = counted(open.sessions, "session was", "sessions were");
    let had = match open.messages {
        Some(n) => format!("so far {}", counted(n, "message", "messages")),
        None => String::from("how many messages is not known here"),
    };
    format!("<p>{are} still open at the end, and in no figure of sessions: {had}.</p>\n")
}

/// Returns the table of recipient domains, read from envelopes.
pub fn domains(run: &ReportData) -> String {
    let table = match &run.domains {
        Ok(table) => table,
        Err(error) => return format!("<p>Not known: {}.</p>\n", xml_escaped(&error.sentence())),
    };
    let missing = table
        .missing
        .sentence("in this table")
        .map_or(String::new(), |text| format!("<p class=\"soft\">{}.</p>\n", xml_escaped(&text)));
    if table.groups.is_empty() {
        return if missing.is_empty() {
            String::new()
        } else {
            format!("<p>The log has no message of this time.</p>\n{missing}")
        };
    }
    let mut rows: String =
        table.groups.iter().map(|row| domain(row.name.as_deref(), &row.figures)).collect();
    if let Some(others) = &table.others {
        let name = others.groups.map_or("others".to_owned(), |n| counted(n, "other", "others"));
        rows += &domain(Some(&name), &others.figures);
    }
    let heads = ["messages", "share", "recipients", "bytes", "p50", "p99", "max"];
    let heads = heads.map(|name| format!("<th class=\"n\">{name}</th>")).concat();
    format!(
        "<p>From the log's envelopes. A message counts once in each domain of its recipients, so \
         shares may add up to more than 100%; p50 to max: its transaction.</p>\n\
         <div class=\"scroll\"><table>\n<thead><tr><th>domain</th>{heads}</tr></thead>\n<tbody>\n\
         {rows}</tbody></table></div>\n{missing}"
    )
}

fn domain(name: Option<&str>, figures: &GroupFigures) -> String {
    let name = name.unwrap_or("(none)");
    let times = &figures.transaction_us;
    let time = |us: u64| PlotUnit::Microseconds.text(us as f64);
    let share = match figures.share {
        share if share > 1.0 => String::from("-"),
        share => PlotUnit::Share.text(share),
    };
    let cells = [
        PlotUnit::Number.text(figures.messages as f64),
        share,
        PlotUnit::Number.text(figures.recipients as f64),
        PlotUnit::Bytes.text(figures.bytes as f64),
        time(times.p50),
        time(times.p99),
        time(times.max),
    ];
    let cells = cells.map(|cell| format!("<td class=\"n\">{cell}</td>")).concat();
    format!("<tr><th>{}</th>{cells}</tr>\n", xml_escaped(name))
}

/// Returns the paragraph about event loops; empty if no round was recorded.
pub fn loops(run: &ReportData) -> String {
    let rounds = run.history.total(Counter::Rounds);
    if rounds == 0 {
        return String::new();
    }
    let round = Percentiles::of_metric(&run.history, Metric::Round);
    let BusyShare { median, max } = run.summary.busy_share;
    let text = |us: u64| PlotUnit::Microseconds.text(us as f64);
    let mut html = format!(
        "<p>The busiest loop was busy for {} of a second in the median, {} at most. {}, half of \
         them within {}, 99.99% within {}; the longest took {}.",
        PlotUnit::Share.text(median),
        PlotUnit::Share.text(max),
        counted(rounds, "round", "rounds"),
        text(round.p50),
        text(round.p99_99),
        text(round.max)
    );
    let waits = run.history.total(Counter::StorageWaits);
    if waits > 0 {
        let times = counted(waits, "time", "times");
        write!(html, " A payload had to wait for room in the log {times}.").expect("a String");
    }
    html + "</p>\n"
}

/// Returns the table of percentiles.
pub fn percentiles(run: &ReportData) -> String {
    let mut rows = String::new();
    let mut terms = String::new();
    for metric in Metric::ALL {
        let Some(histogram) = run.history.histogram(*metric) else { continue };
        let p = Percentiles::of(histogram);
        let (name, help) = (xml_escaped(&name(*metric)), xml_escaped(metric.help()));
        let cells = [p.p50, p.p90, p.p99, p.p99_9, p.p99_99, p.max]
            .map(|value| format!("<td class=\"n\">{}</td>", plot_unit(*metric).text(value as f64)));
        rows.push_str(&format!(
            "<tr><th title=\"{help}\">{name}</th><td class=\"n soft\">{}</td>{}</tr>\n",
            PlotUnit::Number.text(p.count as f64),
            cells.concat()
        ));
        terms.push_str(&format!("<dt>{name}</dt><dd>{help}</dd>\n"));
    }
    if rows.is_empty() {
        return rows;
    }
    let names = ["values", "p50", "p90", "p99", "p99.9", "p99.99", "max"];
    let heads = names.map(|name| format!("<th class=\"n\">{name}</th>")).concat();
    format!(
        "<div class=\"scroll\"><table>\n<thead><tr><th></th>{heads}</tr></thead>\n<tbody>\n{rows}\
         </tbody></table></div>\n<details><summary>What the rows mean</summary>\n<dl>\n{terms}</dl>\
         </details>\n"
    )
}
