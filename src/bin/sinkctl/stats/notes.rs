//! Runs and marks below a sparkline over time.
use std::path::PathBuf;

use anyhow::Context;
use sinkd::log::Runs;
use sinkd::time::UnixNs;

/// The beginning of a run, or a mark.
#[derive(Debug, Clone)]
pub struct TimelineNote {
    /// Unix time in tenths of a second.
    tenth: u64,
    /// `[` for the beginning of a run, `^` for a mark.
    sign: char,
    text: String,
}

/// Returns the runs and marks of all folders, by time.
pub fn read(folders: &[PathBuf]) -> anyhow::Result<Vec<TimelineNote>> {
    let mut notes = Vec::new();
    for folder in folders {
        let all = Runs::read(folder)
            .with_context(|| format!("{}: cannot read its runs", folder.display()))?;
        let note = |at_ns: UnixNs, sign, text| TimelineNote { tenth: at_ns.tenth(), sign, text };
        notes.extend(all.runs.into_iter().map(|run| note(run.from_ns, '[', run.name)));
        notes.extend(all.marks.into_iter().map(|mark| note(mark.at_ns, '^', mark.text)));
    }
    notes.sort_by_key(|note| note.tenth);
    Ok(notes)
}

/// Returns a row with `columns` columns of `step` tenths each, starting with the tenth `first`.
/// Each note is at its place, with as much of its text as fits before the next one. `None` if there
/// are no notes.
pub fn row(notes: &[TimelineNote], first: u64, step: u64, columns: usize) -> Option<String> {
    let column = |note: &TimelineNote| (note.tenth / step).checked_sub(first / step);
    let is_seen = |column: &u64| *column < columns as u64;
    let place = |note| column(note).filter(is_seen).map(|column| (column as usize, note));
    let seen: Vec<(usize, &TimelineNote)> = notes.iter().filter_map(place).collect();
    let mut row = vec![' '; columns];
    for (i, (column, note)) in seen.iter().enumerate() {
        let end = seen.get(i + 1).map_or(columns, |next| next.0.max(*column));
        let letters = std::iter::once(note.sign).chain(note.text.chars());
        row[*column..end].iter_mut().zip(letters).for_each(|(cell, letter)| *cell = letter);
    }
    (!seen.is_empty()).then(|| row.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_note_has_its_place_and_what_fits_of_its_text() {
        let note = |tenth, sign, text: &str| TimelineNote { tenth, sign, text: text.to_owned() };
        let notes = [
            note(900, '[', "before"),
            note(1000, '[', "first"),
            note(1043, '^', "covered"),
            note(1045, '^', "half way"),
            note(1100, '[', "second"),
            note(1200, '[', "after"),
        ];
        let found = row(&notes, 1003, 10, 15).unwrap();
        assert_eq!(found, "[fir^half [seco");
        assert_eq!(row(&notes, 1300, 10, 15), None);
    }
}
