//! `sinkctl stats --by`: counts messages by listener, client, user or recipient domain, from the
//! log itself.
use std::path::PathBuf;

use sinkd::analysis::{
    Attempts, FolderSpans, GroupAnswer, GroupBy, GroupQuestion, OverallTransit, find,
};

use super::options::Stats;
use crate::base::left_out::{NoAnswer, finding_of, report_left_out};
use crate::base::outcome::{Finding, Out};
use crate::base::progress::bar;
use crate::base::span::selection;
use crate::base::table_form::TableForm;

mod print;

pub fn run(
    folders: &[PathBuf],
    stats: &Stats,
    by: GroupBy,
    form: TableForm,
    out: &mut Out,
) -> anyhow::Result<Finding> {
    let (spans, sent_field) = (stats.during.spans(folders)?, stats.sent.sent_field.as_deref());
    let shown = usize::try_from(stats.top)?;
    let question = GroupQuestion { by, shown, sent_field };
    let found = find(selection(folders, &spans), question, &mut bar("messages"))?;
    let is_whole = report_damage(&found);
    match form {
        TableForm::Json => print::json(&found.table, out)?,
        TableForm::Csv => print::csv(&found.table, out)?,
        TableForm::Text => print::text(&found.table, by, out)?,
    }
    let finding = is_whole.and(report_all_left_out(&found)).and(spans.finding);
    Ok(finding_of(attempts(&found), finding))
}

fn attempts(found: &GroupAnswer) -> Attempts {
    if found.is_outpaced { Attempts::Outpaced } else { Attempts::Answered }
}

fn report_all_left_out(found: &GroupAnswer) -> Finding {
    crate::base::data::most_severe(found.folders().map(report_left_out))
}

/// Reports on stderr which messages are missing because they are damaged.
fn report_damage(found: &GroupAnswer) -> Finding {
    if found.damaged == 0 {
        return Finding::Done;
    }
    found.damage.iter().for_each(|damage| eprintln!("sinkctl: {damage}"));
    let damaged = sinkd::wording::counted(found.damaged, "message is", "messages are");
    eprintln!("sinkctl: {damaged} damaged and not in the table (see sinkctl verify)");
    Finding::Incomplete
}

/// Returns the transit times of all messages of a span. Reports damage on stderr.
///
/// Errors: those of [`find`], or everything was pruned before it could be read.
pub fn transit(
    selected: FolderSpans<'_>,
    sent_field: &str,
) -> anyhow::Result<Option<OverallTransit>> {
    let question = GroupQuestion { by: GroupBy::Nothing, shown: 1, sent_field: Some(sent_field) };
    let found = find(selected, question, &mut bar("messages"))?;
    report_damage(&found);
    report_all_left_out(&found);
    match attempts(&found) {
        Attempts::Answered => Ok(found.table.transit),
        Attempts::Outpaced => Err(NoAnswer::Outpaced.into()),
    }
}
