//! `sinkctl report`: writes a run as one page that can be attached, printed, and read without a
//! network.
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use sinkd::analysis::report::ReportData;
use sinkd::stats::MessageWindow;

use crate::base::outcome::{Finding, Out};
use crate::base::progress::bar;
use crate::base::span::{SentField, TimeRange, selection};

mod figure;
mod heat;
mod over_time;
mod page;
mod part;
mod spread;
mod tables;
mod time_axis;
mod transit;
mod verdict;

use figure::Figure;
use part::ReportSection;

/// Returns the page about one folder.
pub fn page_of(folder: &Path, title: &str) -> anyhow::Result<String> {
    let folders = [folder.to_owned()];
    let spans = TimeRange::default().spans(&folders)?;
    let run = ReportData::gather(selection(&folders, &spans), None, &mut |_, _| {})?;
    Ok(page::page(&run, Some(title), &parts(&run)))
}

#[derive(Debug, Args)]
pub struct Report {
    /// File for the page; - is standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Folder in which to save each plot as an SVG file, in addition to the page.
    #[arg(long, value_name = "DIR")]
    pub svg: Option<PathBuf>,
    #[command(flatten)]
    pub sent: SentField,
    #[command(flatten)]
    pub during: TimeRange,
    /// Title of the page.
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
}

pub fn run(folders: &[PathBuf], report: &Report, out: &mut Out) -> anyhow::Result<Finding> {
    let spans = report.during.spans(folders)?;
    let sent_field = report.sent.sent_field.as_deref();
    let run = ReportData::gather(selection(folders, &spans), sent_field, &mut bar("messages"))?;
    for damage in &run.damage {
        eprintln!("sinkctl: {damage}");
    }
    for damage in &run.log_damage {
        eprintln!("sinkctl: {damage}");
    }
    let parts = parts(&run);
    let html = page::page(&run, report.title.as_deref(), &parts);
    if report.output == Path::new("-") {
        out.write_all(html.as_bytes())?;
    } else {
        write(&report.output, &html)?;
        writeln!(out, "{}", report.output.display())?;
    }
    if let Some(folder) = &report.svg {
        fs::create_dir_all(folder)
            .with_context(|| format!("{}: cannot be created", folder.display()))?;
        for figure in parts.iter().flat_map(|part| &part.figures) {
            write(&folder.join(format!("{}.svg", figure.name)), &figure.standalone())?;
        }
    }
    let is_good = run.damage.is_empty() && run.log_damage.is_empty();
    let finding = if is_good { Finding::Done } else { Finding::Incomplete };
    Ok(finding.and(spans.finding))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()))
}

/// Returns the parts of the page, in the order of a reader's questions.
fn parts(run: &ReportData) -> Vec<ReportSection> {
    let part = |heading, figures: Vec<Option<Figure>>, html: String| ReportSection {
        heading,
        figures: figures.into_iter().flatten().collect(),
        html,
    };
    let (sizes, one_size) = spread::sizes(run);
    let (recipients, one_number) = spread::recipients(run);
    let parts = [
        part("Rate", vec![over_time::rate(run)], tables::events(run)),
        part(
            "How even the rate was",
            vec![
                spread::throughput(run, MessageWindow::Second),
                spread::throughput(run, MessageWindow::Tenth),
            ],
            String::new(),
        ),
        part(
            "Percentiles",
            vec![spread::sink_curves(run), spread::sender_curves(run), spread::reply_curves(run)],
            String::new(),
        ),
        part("Transactions over time", vec![heat::heat(run)], String::new()),
        part("Connections", vec![over_time::open_connections(run)], tables::open_sessions(run)),
        part("Transit times", Vec::new(), transit::table(run)),
        part("Recipient domains", Vec::new(), tables::domains(run)),
        part("Messages", vec![sizes, recipients], one_size + &one_number),
        part("Replies", Vec::new(), tables::replies(run)),
        part("Event loops", vec![over_time::busy(run), over_time::rounds(run)], tables::loops(run)),
    ];
    let has_content = |part: &ReportSection| !part.figures.is_empty() || !part.html.is_empty();
    parts.into_iter().filter(has_content).collect()
}
