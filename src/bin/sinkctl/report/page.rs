//! The page: one HTML file that loads nothing and needs no script.
use std::fmt::Write;

use sinkd::plot::{CSS, PlotUnit};
use sinkd::stats::{Counter, MessageWindow};

use super::figure::{Figure, Width};
use super::part::ReportSection;
use super::tables;
use super::verdict::{VerdictSection, verdict};
use crate::base::print::{rfc3339, seconds};
use sinkd::analysis::report::ReportData;
use sinkd::time::UnixNs;
use sinkd::wording::{counted, xml_escaped};

/// The style sheet of the page, apart from plots.
const PAGE_CSS: &str = r#"
*{box-sizing:border-box}body{margin:0;background:var(--surface);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:920px;margin:0 auto;padding:28px 20px 48px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:19px;margin:32px 0 10px;padding-top:10px;border-top:1px solid var(--grid)}
h3{font-size:15px;margin:0 0 2px}
p{margin:4px 0 10px}
.soft,figcaption,footer,dd,.sources{color:var(--soft)}
.sources{margin:0 0 18px;padding:0;list-style:none;overflow-wrap:anywhere;font-size:14px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(148px,1fr));gap:10px;margin:18px 0}
.tiles div{background:var(--raised);border-radius:8px;padding:10px 14px}
.tiles dt{font-size:13px;color:var(--soft)}
.tiles dd{margin:0;font-size:20px;font-weight:600;color:var(--ink);
font-variant-numeric:tabular-nums}
.tiles dd small{display:block;font-size:12.5px;font-weight:400;color:var(--soft)}
.verdict,.notice{border-left:5px solid var(--s1);background:var(--raised);border-radius:4px;
padding:12px 18px;margin:18px 0}
.notice{border-color:var(--warn)}
.verdict strong{font-size:18px;display:block}
.verdict.saturated{border-color:var(--alert);background:var(--alert-surface)}
.verdict.saturated strong{color:var(--alert)}
.verdict dl{display:flex;flex-wrap:wrap;gap:4px 26px;margin:8px 0 0}
.verdict dt{font-size:13px;color:var(--soft)}.verdict dd{margin:0;color:var(--ink);font-weight:600}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:4px 8px;border-bottom:1px solid var(--grid);white-space:nowrap}
th:first-child,td:first-child{padding-left:0}
th:first-child{position:sticky;left:0;background:var(--surface)}
thead th{font-weight:600;color:var(--soft)}tbody th{font-weight:500}
.n{text-align:right}
.replies .chart{width:40%;min-width:90px}
.replies .chart span{display:block;height:12px;border-radius:0 3px 3px 0;background:var(--s1)}
.transient td,.transient th{color:var(--warn)}.permanent td,.permanent th{color:var(--alert)}
.replies .transient .chart span{background:repeating-linear-gradient(135deg,var(--warn) 0 4px,
transparent 4px 7px);box-shadow:inset 0 0 0 1px var(--warn)}
.replies .permanent .chart span{background:var(--alert)}
details{margin:10px 0;font-size:14px}summary{cursor:pointer;color:var(--soft)}
details dt{font-weight:600}details dd{margin:0 0 6px}
figure{margin:0 0 26px;break-inside:avoid}
figcaption{font-size:14px;margin-bottom:8px}figcaption h3{color:var(--ink)}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:0 20px}
.pair figure{margin-bottom:8px;display:grid;grid-template-rows:subgrid;grid-row:span 2}
.narrow{display:none}
footer{margin-top:44px;font-size:13px;border-top:1px solid var(--grid);padding-top:10px}
@media (max-width:700px){main{padding:18px 14px 36px}h1{font-size:22px}
.pair{grid-template-columns:1fr}.wide{display:none}.narrow{display:block}
.tiles{grid-template-columns:1fr 1fr}.replies .chart{min-width:56px}}
@media print{main{max-width:none;padding:0}body{font-size:12px}h2{break-after:avoid}
.wide{display:block}.narrow{display:none}.pair{grid-template-columns:1fr 1fr}
.tiles{grid-template-columns:repeat(5,1fr)}.tiles dt,.tiles dd small{font-size:11px}
.tiles dd{font-size:16px}.scroll{overflow:visible;break-inside:avoid}table{font-size:11.5px}
th,td{padding:3px 5px}details:not([open]){display:none}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"#;

/// Returns the whole page.
pub fn page(run: &ReportData, title: Option<&str>, parts: &[ReportSection]) -> String {
    let title = xml_escaped(title.unwrap_or("A run against sinkd"));
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"sinkctl {}\">\n<title>{title}</title>\n\
         <style>{CSS}{PAGE_CSS}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n",
        sinkd::VERSION
    );
    html.push_str(&span(run));
    html.push_str(&sources(run));
    if let Some(verdict) = verdict(run) {
        html.push_str(&headline(&verdict));
    }
    html.push_str(&notices(run));
    html.push_str(&tiles(run));
    html.push_str(&tables::percentiles(run));
    for part in parts {
        html.push_str(&section(part));
    }
    html.push_str(&format!(
        "<footer>Made by sinkctl {} from the statistics in the data folder: a record a second, \
         nothing sampled. Percentiles are true within 1%. Times are UTC.</footer>\n\
         </main>\n</body>\n</html>\n",
        sinkd::version_with_revision()
    ));
    html
}

/// Formats the span of the run.
fn span(run: &ReportData) -> String {
    let Some(span) = run.summary.span else {
        return String::new();
    };
    let time = |unix_ns: UnixNs| rfc3339(unix_ns)[..21].replace('T', " ");
    let (from, until) = (time(span.begin_ns()), time(span.end_ns()));
    // If the span lies within one day, the date is shown once.
    let until = if from[..10] == until[..10] { &until[11..] } else { &until[..] };
    let length = seconds(run.summary.seconds());
    format!("<p>{from} to {until} UTC: {length} from the first message to the last.</p>\n")
}

fn sources(run: &ReportData) -> String {
    let item = |source: &sinkd::analysis::report::SourceFolder| {
        let path = xml_escaped(&source.path.display().to_string());
        format!("<li>{path}: {}</li>\n", counted(source.messages, "message", "messages"))
    };
    let items: String = run.sources.iter().map(item).collect();
    format!("<ul class=\"sources\">\n{items}</ul>\n")
}

fn headline(verdict: &VerdictSection) -> String {
    let class = if verdict.is_saturated { "verdict saturated" } else { "verdict" };
    let mark = if verdict.is_saturated { "⚠ " } else { "" };
    let figure = |(name, value): &(String, String)| {
        format!("<div><dt>{}</dt><dd>{}</dd></div>\n", xml_escaped(name), xml_escaped(value))
    };
    let figures: String = verdict.figures.iter().map(figure).collect();
    let headline = xml_escaped(&verdict.headline);
    let figures = if figures.is_empty() { figures } else { format!("<dl>\n{figures}</dl>\n") };
    format!("<div class=\"{class}\"><strong>{mark}{headline}</strong>\n{figures}</div>\n")
}

/// Returns the notices that a reader must see before the numbers.
fn notices(run: &ReportData) -> String {
    let mut notices = Vec::new();
    if run.summary.totals.messages == 0 {
        notices.push(String::from(
            "No message was recorded: none was accepted in this span, or sinkd ran with --stats \
             off.",
        ));
    }
    if let Some(n) = run.not_recorded.filter(|n| *n > 0) {
        let (are, they) = if n == 1 { ("is", "it is") } else { ("are", "they are") };
        notices.push(format!(
            "{} more {are} in the log and not in these statistics: {they} of the second in which \
             sinkd was killed, or came with --stats off.",
            counted(n, "message", "messages")
        ));
    }
    if let Some(first) = run.damage.first() {
        let lines = counted(run.damage.len() as u64, "line", "lines");
        let first = xml_escaped(&first.to_string());
        notices
            .push(format!("{lines} of the statistics could not be read, and are missing: {first}"));
    }
    if let Some(first) = run.log_damage.first() {
        let first = xml_escaped(&first.to_string());
        notices.push(format!("recipient domains lack messages that could not be read: {first}"));
    }
    let notice = |text: String| format!("<p class=\"notice\">{text}</p>\n");
    notices.into_iter().map(notice).collect()
}

/// A number at the top of the page: label, value, and further details.
struct Tile(&'static str, String, String);

fn tiles(run: &ReportData) -> String {
    if run.span().is_none() {
        return String::new();
    }
    let mut html = String::from("<dl class=\"tiles\">\n");
    for Tile(name, value, more) in totals(run).into_iter().chain(rates(run)) {
        let more = if more.is_empty() { more } else { format!("<small>{more}</small>") };
        writeln!(html, "<div><dt>{name}</dt><dd>{value}{more}</dd></div>").expect("a String");
    }
    html + "</dl>\n"
}

fn totals(run: &ReportData) -> Vec<Tile> {
    let totals = run.summary.totals;
    let number = |n: u64| PlotUnit::Number.text(n as f64);
    let tile = |name, n: u64| Tile(name, number(n), String::new());
    let mut tiles = vec![
        tile("messages", totals.messages),
        tile("recipients", totals.recipients),
        Tile("bytes", PlotUnit::Bytes.text(totals.bytes as f64), String::new()),
        tile("connections", totals.connections),
        tile("refused messages", totals.refused),
    ];
    tiles[3].2 = connections(run);
    if totals.messages > 0 {
        let each = PlotUnit::Number.text(totals.recipients as f64 / totals.messages as f64);
        tiles[0].2 = format!("in {}", seconds(run.summary.seconds()));
        tiles[1].2 = format!("{each} a message");
        tiles[2].2 = number(totals.bytes);
    }
    tiles
}

/// Returns further counts about connections. Some of them, such as those turned away, are not part
/// of the total.
fn connections(run: &ReportData) -> String {
    let totals = run.summary.totals;
    let all = [
        (totals.turned_away, "turned away (421)"),
        (totals.dismissed, "dismissed (421)"),
        (totals.denied, "denied"),
        (totals.health_checks, "health checks"),
        (totals.proxy_refused, "refused as PROXY"),
        (totals.proxy_unexpected, "with an unexpected PROXY header"),
        (totals.xclient_refused, "XCLIENT commands refused"),
        (totals.tls_handshakes, "TLS handshakes"),
        (run.open_sessions.sessions, "still open"),
    ];
    let text = |(n, what): (u64, &str)| format!("{} {what}", PlotUnit::Number.text(n as f64));
    let mut parts: Vec<_> = all.into_iter().filter(|(n, _)| *n > 0).map(text).collect();
    parts.extend(tls_failed(run));
    parts.join(", ")
}

/// Returns TLS failures by kind, the most frequent first; `None` if there were none.
fn tls_failed(run: &ReportData) -> Option<String> {
    let total = |counter: &Counter| run.history.total(*counter);
    let kinds = Counter::TLS_FAILED.iter().map(|(kind, counter)| (kind.name(), total(counter)));
    let mut kinds: Vec<_> = kinds.filter(|(_, count)| *count > 0).collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let number = |n: u64| PlotUnit::Number.text(n as f64);
    let all = number(kinds.iter().map(|(_, count)| count).sum());
    let words = kinds.iter().map(|(kind, n)| format!("{kind} \u{d7}{}", number(*n)));
    let words = words.collect::<Vec<_>>().join(", ");
    (!kinds.is_empty()).then(|| format!("{all} failures of TLS ({words})"))
}

/// Returns the rates; none without messages, or if all of them arrived within a single tenth of a
/// second, which is too short.
fn rates(run: &ReportData) -> Vec<Tile> {
    if run.summary.span.is_none_or(|span| span.count() == 1) {
        return Vec::new();
    }
    let rate = run.summary.rate;
    let tile = |name, value: f64, more: &str| {
        Tile(name, PlotUnit::Number.text(value.round()), String::from(more))
    };
    let tenths = run.summary.throughput(MessageWindow::Tenth);
    let silent = PlotUnit::Share.text(tenths.count_at(0) as f64 / tenths.len().max(1) as f64);
    let bytes = run.summary.totals.bytes as f64 / run.summary.seconds();
    vec![
        tile("messages/s, mean", rate.mean, "first message to last"),
        tile("messages/s, median", rate.median, "of the clock's seconds"),
        tile("messages/s, peak", rate.max, "most in one of them"),
        Tile("silent time", silent, String::from("in spans of 100 ms")),
        Tile("payload, mean", PlotUnit::BytesPerSecond.text(bytes), String::new()),
    ]
}

fn section(part: &ReportSection) -> String {
    let mut html = format!("<section>\n<h2>{}</h2>\n", part.heading);
    // Plots of half width share a line; one alone fills half of it.
    let are_halves = part.figures.iter().all(|figure| figure.width == Width::Half);
    if are_halves && !part.figures.is_empty() {
        html.push_str("<div class=\"pair\">\n");
    }
    for figure in &part.figures {
        html.push_str(&self::figure(figure));
    }
    if are_halves && !part.figures.is_empty() {
        html.push_str("</div>\n");
    }
    html + &part.html + "</section>\n"
}

fn figure(figure: &Figure) -> String {
    let (title, note) = (xml_escaped(&figure.title), xml_escaped(&figure.note));
    let (picture, narrow) = figure.pictures();
    let picture = match narrow {
        None => picture,
        Some(narrow) => {
            format!("<div class=\"wide\">{picture}</div>\n<div class=\"narrow\">{narrow}</div>\n")
        }
    };
    format!("<figure>\n<figcaption><h3>{title}</h3>{note}</figcaption>\n{picture}</figure>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_prominent_and_an_alarm_when_the_sink_was_saturated() {
        let figures = vec![(String::from("busy <loops>"), String::from("97%"))];
        let headline_of = |is_saturated| {
            let text = String::from("The sink & its loops were the limit");
            headline(&VerdictSection { headline: text, figures: figures.clone(), is_saturated })
        };
        assert!(headline_of(true).contains("class=\"verdict saturated\""));
        assert!(!headline_of(false).contains("saturated"));
        let text = headline_of(false);
        assert!(text.contains("sink &amp; its") && text.contains("busy &lt;loops&gt;"), "{text}");
    }
}
