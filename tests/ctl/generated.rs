//! Output generated from the definition of the flags, or required to agree with it: completion
//! scripts, man pages, and the table of commands in README.md.
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{program, sinkctl};
use crate::golden_help::{help, help_of_all};

/// Returns the output of `sinkd --generate`.
fn printed_by_sinkd(what: &str) -> String {
    let output = program(env!("CARGO_BIN_EXE_sinkd")).args(["--generate", what]).output().unwrap();
    assert!(output.status.success(), "{what}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Any folder will do: these commands do not read it.
fn printed(args: &[&str]) -> String {
    let (out, errors, code) = sinkctl(Path::new("nowhere"), args);
    assert_eq!(code, 0, "{args:?}: {errors}");
    String::from_utf8(out).unwrap()
}

/// Returns the long flags in a text, without their dashes.
fn flags(text: &str) -> Vec<&str> {
    let is_name_char = |c: char| c.is_ascii_lowercase() || c == '-';
    let parts = text.split("--").skip(1);
    parts
        .map(|rest| &rest[..rest.find(|c| !is_name_char(c)).unwrap_or(rest.len())])
        .filter(|flag| !flag.is_empty())
        .collect()
}

#[test]
fn the_script_of_each_shell_completes_every_command_and_flag() {
    let all = help_of_all();
    for shell in SHELLS {
        let script = printed(&["completions", shell]);
        for (words, help) in &all {
            let last = words.rsplit(' ').next().unwrap();
            assert!(script.contains(last), "{shell}: {words}");
            for flag in flags(help) {
                assert!(script.contains(flag), "{shell}: {words} --{flag}");
            }
        }
    }
    // If there is a bash, it parses its script.
    let bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn();
    if let Ok(mut bash) = bash {
        let script = printed(&["completions", "bash"]);
        bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(bash.wait().unwrap().success());
    }
}

#[test]
fn every_command_has_a_man_page_with_all_its_flags() {
    for (words, help) in help_of_all() {
        let path: Vec<&str> = words.split(' ').skip(1).collect();
        let page = printed(&[&["man"], &path[..]].concat()).replace("\\-", "-");
        let title = format!(".TH {} 1", words.replace(' ', "-"));
        assert!(page.contains(&title), "{words}: {title}");
        for flag in flags(&help) {
            assert!(page.contains(&format!("--{flag}")), "{words} --{flag}");
        }
    }
    let (_, errors, code) = sinkctl(Path::new("nowhere"), &["man", "run", "begin"]);
    assert!(code == 2 && errors.contains("found 'run begin'"), "{errors}");
}

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "elvish", "powershell"];

#[test]
fn the_man_page_and_the_scripts_of_sinkd_have_every_flag_and_no_wrong_one() {
    let help = help(env!("CARGO_BIN_EXE_sinkd"), &[]);
    assert!(flags(&help).contains(&"generate"), "{help}");
    let page = printed_by_sinkd("man").replace("\\-", "-");
    assert!(page.contains(".TH sinkd 1 "), "{page}");
    for section in ["ENVIRONMENT", "FILES", "SIGNALS", "EXIT STATUS", "SEE ALSO"] {
        assert!(page.lines().any(|line| line.replace('"', "") == format!(".SH {section}")));
    }
    for (what, text) in SHELLS.map(|shell| (shell, printed_by_sinkd(shell))).iter() {
        for flag in flags(&help) {
            assert!(text.contains(flag), "{what}: --{flag}");
            assert!(page.contains(&format!("--{flag}")), "man: --{flag}");
        }
        for wrong in ["max-message-size", "http-port", "data-dir"] {
            assert!(!text.contains(wrong) && !page.contains(wrong), "{what}: --{wrong}");
        }
    }
}

#[test]
fn completions_omit_what_help_omits() {
    for shell in SHELLS {
        let script = printed(&["completions", shell]);
        assert!(!script.contains("query1"), "{shell} completes the words of a query one by one");
        assert!(script.contains("sent-field"), "{shell}");
    }
}

/// With an empty field before others, a page shows its source in place of its date.
#[test]
fn titles_of_man_pages_have_date_source_and_manual() {
    for (program, page) in [("sinkctl", printed(&["man"])), ("sinkd", printed_by_sinkd("man"))] {
        let day = sinkd::VERSION_DAY;
        let version = env!("CARGO_PKG_VERSION");
        let title = format!(".TH {program} 1 {day} \"{program} {version}\" \"User Commands\"");
        let found = page.lines().find(|line| line.starts_with(".TH "));
        assert_eq!(found.map(|line| line.replace("\\-", "-")), Some(title));
    }
}

/// Returns the command lines in the first column of a row: `sinkctl run start NAME`, `run stop`.
fn commands_of(row: &str) -> Vec<String> {
    let cell = row.split('|').nth(1).unwrap_or_default();
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.map(|text| text.trim_start_matches("sinkctl ").to_owned()).collect()
}

#[test]
fn the_table_of_commands_in_the_readme_matches_sinkctl() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `sinkctl ")).collect();
    let all = help_of_all();
    let mut named = Vec::new();
    for row in rows {
        let mut helps = String::new();
        for line in commands_of(row) {
            let two = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
            let one = line.split(' ').next().unwrap();
            let is_named = |words: &str, name: &str| words == format!("sinkctl {name}");
            let found = all.iter().find(|(words, _)| is_named(words, &two));
            let found = found.or_else(|| all.iter().find(|(words, _)| is_named(words, one)));
            let (words, help) = found.unwrap_or_else(|| panic!("no command '{line}': {row}"));
            named.push(words.clone());
            helps.push_str(help);
        }
        for flag in flags(row) {
            assert!(flags(&helps).contains(&flag), "no flag --{flag}: {row}");
        }
    }
    // `run` alone is only the parent of its two commands.
    let is_listed = |words: &&String| !["sinkctl", "sinkctl run"].contains(&words.as_str());
    let missing: Vec<_> = all
        .iter()
        .map(|(words, _)| words)
        .filter(is_listed)
        .filter(|w| !named.contains(w))
        .collect();
    assert!(missing.is_empty(), "README.md has no row for {missing:?}");
}

#[test]
fn lists_of_commands_that_accept_several_folders_match_the_help() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_repeated = |help: &str| help.contains("[env: SINKD_DATA]. May be repeated");
    let all = help_of_all();
    let repeated = all.iter().filter(|(_, help)| is_repeated(help));
    let mut expected: Vec<&str> =
        repeated.map(|(words, _)| words.trim_start_matches("sinkctl ")).collect();
    expected.sort_unstable();
    assert!(expected.len() > 1, "{expected:?}");
    for file in ["README.md", "docs/results.md"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap().replace('\n', " ");
        let (before, _) = text.split_once(" accept several `--data`").expect(file);
        let sentence = before.rsplit_once(". ").map_or(before, |(_, sentence)| sentence);
        let mut named: Vec<&str> = sentence.split('`').skip(1).step_by(2).collect();
        named.sort_unstable();
        assert_eq!(named, expected, "{file}");
    }
}
