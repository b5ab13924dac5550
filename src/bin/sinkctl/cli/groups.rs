//! The groups in which `sinkctl --help` lists the commands.
use clap::Command;

/// Every command, below the title of its group.
pub const GROUPS: [(&str, &[&str]); 8] = [
    ("Mail", &["ls", "show", "cat", "tail", "search", "count", "wait"]),
    ("Runs", &["run", "runs", "mark"]),
    ("Figures", &["stats", "limits", "top", "report", "compare", "calibrate"]),
    ("Checks", &["assert", "audit", "verify"]),
    ("Sending", &["blast", "replay"]),
    ("Storage", &["segments", "rm", "prune", "reindex"]),
    ("A running sinkd", &["reload", "cert"]),
    ("This program", &["completions", "man", "help"]),
];

/// What clap says of its own command `help`.
pub const ABOUT_HELP_OF_CLAP: &str = "Print this message or the help of the given subcommand(s)";
/// What the list says of it.
pub const ABOUT_HELP: &str = "Print this list, or the help of a command";

/// Returns the command with a help that lists its subcommands by group.
pub fn grouped(command: Command) -> Command {
    let (list, options) = (listed(&command), heading(&command, "Options"));
    let start = "{about-with-newline}\n{usage-heading} {usage}\n\n";
    command.help_template(format!("{start}{list}{options}{{options}}{{after-help}}"))
}

/// Returns the line of a title, in the style of clap's own.
fn heading(command: &Command, title: &str) -> String {
    let style = command.get_styles().get_header();
    format!("{style}{title}:{style:#}\n")
}

/// Returns the list of all groups. Its lines are those that clap makes, wrapped for this terminal.
fn listed(command: &Command) -> String {
    let rendered = command.clone().help_template("{subcommands}").render_help();
    // Only the lines without escape sequences show where an entry begins.
    let (plain, styled) = (rendered.to_string(), rendered.ansi().to_string());
    let lines: Vec<(&str, &str)> = plain.lines().zip(styled.lines()).collect();
    let mut list = String::new();
    for (title, names) in GROUPS {
        list += &heading(command, title);
        for name in names {
            let entry = lines.iter().skip_while(|(plain, _)| begins(plain) != Some(name));
            let end = |at: usize, plain: &str| at > 0 && begins(plain).is_some();
            let entry = entry.enumerate().take_while(|(at, (plain, _))| !end(*at, plain));
            entry.for_each(|(_, (_, styled))| {
                list += &styled.replace(ABOUT_HELP_OF_CLAP, ABOUT_HELP);
                list.push('\n');
            });
        }
        list.push('\n');
    }
    list
}

/// Returns the name of the command whose entry begins with this line.
fn begins(line: &str) -> Option<&str> {
    let entry = line.strip_prefix("  ")?;
    entry.split(' ').next().filter(|name| !name.is_empty())
}
