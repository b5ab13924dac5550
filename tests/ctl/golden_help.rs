//! The long help of sinkd, of sinkctl and of each of its commands, as golden files.
use std::collections::BTreeSet;
use std::process::Stdio;

use crate::common::program;
use crate::golden;

/// Returns the help at its full width: no terminal, and no width in the environment.
pub fn help(program_path: &str, words: &[&str]) -> String {
    let mut command = program(program_path);
    command.args(words).arg("--help").env_remove("COLUMNS").stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{words:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}

/// Returns the commands that a help text lists, in groups or not: words at the beginning of the
/// lines before the flags.
fn commands(help: &str) -> Vec<String> {
    let (lists, _) = help.split_once("\nOptions:\n").unwrap();
    let is_command = |name: &str| {
        !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_lowercase()) && name != "help"
    };
    let name = |line: &str| line.strip_prefix("  ")?.split(' ').next().map(str::to_owned);
    lists.lines().filter_map(name).filter(|name| is_command(name)).collect()
}

/// Collects the help of a command and of its subcommands, by command path.
fn collect(words: &[&str], found: &mut Vec<(String, String)>) {
    let text = help(env!("CARGO_BIN_EXE_sinkctl"), words);
    for command in commands(&text) {
        collect(&[words, &[&command]].concat(), found);
    }
    let title = std::iter::once("sinkctl").chain(words.iter().copied());
    found.push((title.collect::<Vec<_>>().join(" "), text));
}

/// Returns the long help of sinkctl and of each of its commands, by command path.
pub fn help_of_all() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    collect(&[], &mut texts);
    texts
}

#[test]
fn the_help_names_every_variable_that_takes_several_values() {
    let text = help(env!("CARGO_BIN_EXE_sinkd"), &[]);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, rest) = text.split_once("several values, separated by commas:").unwrap();
    let list = rest.split('.').next().unwrap();
    let named: BTreeSet<_> = list.split(',').map(|name| name.trim().to_owned()).collect();
    let keys = sinkd::config::all_settings().filter(|key| key.is_repeatable());
    let known: BTreeSet<_> = keys.map(|key| key.variable()).collect();
    assert!(known.contains("SINKD_ALLOW") && known.contains("SINKD_DENY"), "{known:?}");
    assert_eq!(named, known);
}

#[test]
fn help_texts_match_their_golden_files() {
    let mut texts = vec![("sinkd".to_owned(), help(env!("CARGO_BIN_EXE_sinkd"), &[]))];
    texts.extend(help_of_all());
    assert!(texts.len() > 24, "sinkd, sinkctl and 23 commands: {}", texts.len());
    let mut wrong = String::new();
    let mut names = BTreeSet::new();
    for (title, text) in &texts {
        let name = title.strip_prefix("sinkctl ").unwrap_or(title).replace(' ', "-");
        let page = format!("# {title}\n\n```text\n{text}\n```\n");
        let file = golden::path(&format!("help/{name}.md"));
        wrong.extend(golden::check(&file, &page));
        names.insert(format!("{name}.md"));
    }
    let entries = std::fs::read_dir(golden::path("help")).unwrap();
    let files = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = files.filter(|name| !names.contains(name)).collect();
    assert!(left.is_empty(), "these commands no longer exist, delete their files: {left:?}");
    assert!(wrong.is_empty(), "\n{wrong}(UPDATE_GOLDEN=1 writes the files anew)");
}
