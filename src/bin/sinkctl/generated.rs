//! `sinkctl completions` and `sinkctl man`: what a package installs beside the program, made of the
//! one definition of its flags.
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
    /// Command to document, such as blast or run start [default: an overview of all commands].
    command: Vec<String>,
}

/// Prints a completion script. `cli`: the whole command line.
pub fn completions(cli: Command, wanted: &Completions, out: &mut Out) -> anyhow::Result<Finding> {
    let mut cli = cli;
    // Into memory first: the generator panics where the output is closed.
    let mut script = Vec::new();
    clap_complete::generate(wanted.shell, &mut cli, "sinkctl", &mut script);
    out.write_all(&script)?;
    Ok(Finding::Holds)
}

/// Prints a man page. `cli`: the whole command line.
///
/// Errors: there is no such command.
pub fn man(cli: Command, wanted: &Man, out: &mut Out) -> anyhow::Result<Finding> {
    let mut cli = cli;
    cli.build();
    let mut command = &cli;
    for name in &wanted.command {
        let found = command.find_subcommand(name);
        command = found.with_context(|| {
            let path = wanted.command.join(" ");
            format!("expected a command of sinkctl, found '{path}' (sinkctl --help lists them)")
        })?;
    }
    let source = concat!("sinkctl ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command.clone()).source(source).render(out)?;
    Ok(Finding::Holds)
}
