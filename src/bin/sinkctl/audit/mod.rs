//! `sinkctl audit`: checks whether each recipient got exactly one message, and the right one.
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use sinkd::analysis::audit::{
    Audit as Answer, AuditConclusion, AuditDoubt, AuditQuestion, AuditStage, ExpectedList,
    FolderNames, LogsRead, NumberRange, SelectedMessages, audit, number,
};
use sinkd::analysis::rows::{MatchQuery, Matches};
use sinkd::time::Span;
use sinkd::wording::counted;

use crate::base::data::open_all;
use crate::base::outcome::{Finding, Out};
use crate::base::progress::{Interruptible, bar};
use crate::base::span::selection;
use crate::base::table_form::TableForm;
use crate::search::{parse, report_incomplete};

mod checks;
mod csv;
mod doubts;
mod input;
mod json;
mod junit;
mod listed;
mod options;
mod screen;

use doubts::joined;
use input::ListInput;
use listed::Listed;
pub use options::Audit;

/// Why the audit has no conclusion.
#[derive(Debug, thiserror::Error)]
#[error("the audit is inconclusive: {0}")]
struct Inconclusive(String);

pub fn run(folders: &[PathBuf], options: &Audit, out: &mut Out) -> anyhow::Result<Finding> {
    anyhow::ensure!(
        options.expect.is_some() || options.sequence || !options.sender_logs.is_empty(),
        "expected something to compare with: --expect FILE (a CSV list of recipients), --sequence \
         or --sender-log FILE"
    );
    if let Some(path) = &options.junit {
        write(path, &junit::unfinished().xml())?;
    }
    let spans = options.during.spans(folders)?;
    let stop = Arc::new(AtomicBool::new(false));
    let interruptible = Interruptible::new(&stop)?;
    let (selected, mut doubts) = selected((folders, &spans), options, &stop)?;
    doubts.extend((spans.finding != Finding::Done).then_some(AuditDoubt::Span));
    let list = options.expect.as_deref().map(|path| {
        let input = Box::new(ListInput::open(path, &stop)?);
        Ok::<_, anyhow::Error>(ExpectedList { input, rule: options.list_rule() })
    });
    let question = AuditQuestion {
        messages: options.message_rule()?,
        list: list.transpose()?,
        numbers: options.numbers.unwrap_or(NumberRange { first: None, last: None }),
        logs: options.sender_logs.clone(),
        clocks_within: options.clocks_within,
        order: options.order_rule(),
        rows: options.row_rule(),
        selected,
        doubts,
        names: FolderNames(folder_names(folders)),
        memory_bytes: usize::try_from(options.memory).unwrap_or(usize::MAX),
    };
    let mut logs = bar("bytes of logs");
    let (mut envelopes, mut bodies) = (bar("messages"), bar("messages that need reading"));
    let mut watch = move |stage, done, all| match stage {
        AuditStage::Logs => logs(done, all),
        AuditStage::Envelopes => envelopes(done, all),
        AuditStage::Bodies => bodies(done, all),
    };
    let answer = audit(selection(folders, &spans), question, &stop, &mut watch);
    // Progress bars must be gone before anything is printed.
    drop((watch, interruptible));
    let answer = answer.map_err(|error| match &options.expect {
        Some(path) if error.is_about_list() => {
            anyhow::Error::new(error).context(path.display().to_string())
        }
        _ => error.into(),
    })?;
    print(answer, options, out)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()))
}

fn print(answer: Answer, options: &Audit, out: &mut Out) -> anyhow::Result<Finding> {
    let Answer { figures, mut offenders, list, logs, damage } = answer;
    damage.iter().for_each(|damage| eprintln!("sinkctl: {damage}"));
    if let (Some(list), Some(path)) = (&list, &options.expect) {
        report_bad_rows(list, path);
    }
    if let Some(logs) = &logs {
        report_logs(logs, &options.sender_logs);
    }
    let mut listed = Listed::new(options.listed_max());
    let printed = match options.form() {
        TableForm::Csv => csv::print(&mut offenders, &mut listed, out),
        TableForm::Json => json::print(&figures, &mut offenders, &mut listed, out),
        TableForm::Text => {
            listed.take_all(&mut offenders)?;
            screen::print(&figures, &listed, options, out)
        }
    };
    match printed {
        // A reader that closed its end (`| head`) does not change the conclusion.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        printed => printed?,
    }
    if let Some(path) = &options.junit {
        write(path, &junit::finished(&figures, &listed).xml())?;
    }
    match figures.conclusion {
        AuditConclusion::ExactlyOnce | AuditConclusion::AsLogged => Ok(Finding::Done),
        AuditConclusion::NotExactlyOnce | AuditConclusion::NotAsLogged => Ok(Finding::DoesNotHold),
        AuditConclusion::Inconclusive => Err(Inconclusive(joined(&figures.doubts)).into()),
    }
}

/// Returns the messages that match the query, and why they may be incomplete; without a query, all
/// messages.
fn selected(
    (folders, spans): (&[PathBuf], &[Span]),
    options: &Audit,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<(Option<SelectedMessages>, Vec<AuditDoubt>)> {
    let text = options.query.text();
    if text.is_empty() {
        return Ok((None, Vec::new()));
    }
    let folders = open_all(folders)?;
    let queries = parse(&folders, &text)?;
    let query = MatchQuery { queries: &queries, spans, limit: None, indexed_only: false, stop };
    let found = Matches::find(&folders, query, &mut bar("messages"));
    let mut selected: SelectedMessages = folders.iter().map(|_| Vec::new()).collect();
    found.hits.iter().for_each(|(n, hit)| selected[*n].push(number(hit.id)));
    selected.iter_mut().for_each(|ids| ids.sort_unstable());
    let doubts = match report_incomplete(&found.left_out) {
        Finding::Done => Vec::new(),
        _ => vec![AuditDoubt::Selection],
    };
    Ok((Some(selected), doubts))
}

fn folder_names(folders: &[PathBuf]) -> Vec<Option<String>> {
    let is_one = folders.len() == 1;
    folders.iter().map(|path| (!is_one).then(|| path.display().to_string())).collect()
}

fn report_bad_rows(list: &sinkd::analysis::audit::ListTotals, path: &Path) {
    for (line, fault) in &list.faults {
        eprintln!("sinkctl: {}:{line}: {fault}", path.display());
    }
    let more = list.bad_rows - list.faults.len() as u64;
    if more > 0 {
        let more = counted(more, "more row", "more rows");
        eprintln!("sinkctl: {}: {more} cannot be used", path.display());
    }
}

fn report_logs(logs: &LogsRead, paths: &[PathBuf]) {
    for (log, bad) in &logs.faults {
        eprintln!("sinkctl: {}:{}: {}", paths[*log].display(), bad.line, bad.reason);
    }
    let more = logs.bad_lines - logs.faults.len() as u64;
    if more > 0 {
        let more = counted(more, "more line", "more lines");
        eprintln!("sinkctl: {more} of the sender's logs cannot be used");
    }
    for log in &logs.cut {
        let path = paths[*log].display();
        eprintln!("sinkctl: {path}: its end is missing: it was cut, or is still being written");
    }
}
