//! `sinkctl completions` and `sinkctl man`: files that packages install, generated from the
//! definition of the flags.
use std::io::Write;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::base::outcome::{Finding, Out};

#[derive(Debug, Args)]
pub struct Completions {
    /// Shell that the script is for.
    shell: Shell,
}

#[derive(Debug, Args)]
pub struct Man {
    /// Command to document, such as 'blast' or 'run start' [default: an overview of all commands].
    command: Vec<String>,
}

/// Prints a completion script. `cli` is the whole command line.
pub fn completions(cli: Command, options: &Completions, out: &mut Out) -> anyhow::Result<Finding> {
    let mut cli = shown(&cli);
    // Written to memory first, because the generator panics if the output is closed.
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut cli, "sinkctl", &mut script);
    out.write_all(&script)?;
    Ok(Finding::Done)
}

/// Returns the command line without hidden arguments: a completion script lists all arguments, and
/// a query has one per word.
fn shown(command: &Command) -> Command {
    let about = command.get_about().cloned().unwrap_or_default();
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    Command::new(command.get_name().to_owned())
        .version(command.get_version().unwrap_or_default().to_owned())
        .about(about)
        .args(arguments.cloned())
        .subcommands(command.get_subcommands().map(shown))
}

/// Prints a man page. `cli` is the whole command line.
///
/// Errors: the command does not exist.
pub fn man(cli: Command, options: &Man, out: &mut Out) -> anyhow::Result<Finding> {
    let mut cli = cli;
    cli.build();
    let mut command = &cli;
    for name in &options.command {
        let found = command.find_subcommand(name);
        command = found.with_context(|| {
            let path = options.command.join(" ");
            format!("expected a command of sinkctl, found '{path}' (sinkctl --help lists them)")
        })?;
    }
    let source = format!("sinkctl {}", sinkd::VERSION);
    let page = clap_mangen::Man::new(command.clone());
    let page = page.date(sinkd::VERSION_DAY).source(source).manual("User Commands");
    let mut octets = Vec::new();
    page.render(&mut octets)?;
    let text = String::from_utf8(octets).context("the man page is not UTF-8")?;
    // The generator has one title for whatever follows the options.
    out.write_all(
        text.replacen(".SH EXTRA\nExit codes:\n", ".SH \"EXIT STATUS\"\n", 1).as_bytes(),
    )?;
    Ok(Finding::Done)
}
