//! Transit times in the report: for all messages, and per recipient domain.
use sinkd::plot::PlotUnit;

use sinkd::analysis::TransitFigures;
use sinkd::analysis::report::ReportData;
use sinkd::wording::xml_escaped;

/// Returns the table; empty without --sent-field. If the log can't be read, the section about
/// recipient domains says why.
pub fn table(run: &ReportData) -> String {
    let Ok(domains) = &run.domains else { return String::new() };
    let Some(overall) = &domains.transit else { return String::new() };
    let sentences = overall.sentences();
    let sentences =
        sentences.iter().map(|text| format!("<p>Transit: {}.</p>\n", xml_escaped(text)));
    let mut html: String = sentences.collect();
    let of_group = |name: &str, transit: &Option<TransitFigures>| {
        transit.as_ref().map_or(String::new(), |transit| row(name, transit))
    };
    let mut rows = row("all messages", &overall.all);
    rows.extend(
        domains.groups.iter().map(|group| {
            of_group(group.name.as_deref().unwrap_or("(none)"), &group.figures.transit)
        }),
    );
    rows.extend(domains.others.iter().map(|others| of_group("others", &others.figures.transit)));
    let heads = ["messages", "p50", "p90", "p99", "p99.9", "max", "before sent", "left out"];
    let heads = heads.map(|name| format!("<th class=\"n\">{name}</th>")).concat();
    html += &format!(
        "<div class=\"scroll\"><table>\n<thead><tr><th>recipient domain</th>{heads}</tr></thead>\n\
         <tbody>\n{rows}</tbody></table></div>\n"
    );
    html
}

fn row(name: &str, transit: &TransitFigures) -> String {
    let p = &transit.transit_us;
    let number = |n: u64| PlotUnit::Number.text(n as f64);
    let time = |us: u64| match p.count {
        0 => String::from("-"),
        _ => PlotUnit::Microseconds.text(us as f64),
    };
    let times = [p.p50, p.p90, p.p99, p.p99_9, p.max].map(time);
    let counts = [number(transit.negative), number(transit.left_out())];
    let cells = [number(p.count)].into_iter().chain(times).chain(counts);
    let cells: String = cells.map(|cell| format!("<td class=\"n\">{cell}</td>")).collect();
    format!("<tr><th>{}</th>{cells}</tr>\n", xml_escaped(name))
}
