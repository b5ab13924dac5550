//! `sinkd --generate`: files that packages install, generated from the definition of the flags.
use anyhow::Context;
use clap::builder::{PossibleValue, StyledStr};
use clap::{Command, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// The files that can be generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generated {
    /// The man page in roff.
    Man,
    /// A completion script.
    Completions(Shell),
}

impl ValueEnum for Generated {
    fn value_variants<'a>() -> &'a [Generated] {
        const ALL: &[Generated] = &[
            Generated::Man,
            Generated::Completions(Shell::Bash),
            Generated::Completions(Shell::Elvish),
            Generated::Completions(Shell::Fish),
            Generated::Completions(Shell::PowerShell),
            Generated::Completions(Shell::Zsh),
        ];
        ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Generated::Man => Some(PossibleValue::new("man")),
            Generated::Completions(shell) => shell.to_possible_value(),
        }
    }
}

impl Generated {
    /// Returns the text. `command` has sinkd's own flags only.
    pub fn text(self, mut command: Command) -> anyhow::Result<String> {
        let mut text = Vec::new();
        match self {
            Generated::Man => man(command, &mut text).context("man page")?,
            Generated::Completions(shell) => {
                clap_complete::generate(shell, &mut command, "sinkd", &mut text);
            }
        }
        String::from_utf8(text).context("expected generated text in UTF-8")
    }
}

/// Sections of the man page after the flags: each a title, and pairs of a term and its explanation.
/// A pair with an empty term is a plain paragraph.
const SECTIONS: &[(&str, &[(&str, &str)])] = &[
    (
        "ENVIRONMENT",
        &[(
            "NOTIFY_SOCKET",
            "Socket of the service manager (systemd). sinkd reports there when it accepts \
                 mail and when it stops.",
        )],
    ),
    (
        "FILES",
        &[
            (
                "./sink-data",
                "Data folder, unless --data names another. sinkctl(1) reads it, whether sinkd \
                 runs or not.",
            ),
            (
                "/etc/sinkd/sinkd.toml",
                "Settings of the systemd service that the package installs. sinkd itself reads \
                 only the file that --config or SINKD_CONFIG names.",
            ),
        ],
    ),
    (
        "SIGNALS",
        &[
            (
                "SIGTERM, SIGINT",
                "Stop: idle sessions get 421, and transactions in progress may continue for the \
                 time of --stop-grace. A second signal stops at once. Acknowledged mail is kept \
                 in either case.",
            ),
            (
                "SIGHUP",
                "If standard input is a terminal: the same, unless sinkd was started with nohup. \
                 Otherwise, read the settings again, as sinkctl reload does.",
            ),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "sinkd ran, and stopped on request."),
            ("1", "--is-ready: no sinkd answers, or it is stopping."),
            (
                "2",
                "sinkd could not start: a setting is wrong, an address is in use, or the data \
                 folder is locked or not writable. The message on stderr says what to do.",
            ),
        ],
    ),
    (
        "EXAMPLES",
        &[
            ("sinkd", "Listens on 127.0.0.1:1025 and stores mail in ./sink-data."),
            (
                "sinkd --listen 127.0.0.1:0 --stop-after-messages 1000 --stop-after-idle 10s",
                "Listens on a free port, prints it, and stops after 1,000 messages, or when no \
                 client has sent anything for ten seconds.",
            ),
            (
                "sinkd --retain-bytes 8G --durability message",
                "Keeps the newest 8 GiB of mail, each message safe from a power loss before it \
                 is acknowledged.",
            ),
        ],
    ),
    ("SEE ALSO", &[("", "sinkctl(1), systemd.service(5)")]),
];

/// Writes the man page. The first sentence of the description is in the NAME section.
fn man(command: Command, out: &mut Vec<u8>) -> std::io::Result<()> {
    let about = command.get_about().map(StyledStr::to_string).unwrap_or_default();
    let name = about.split('.').next().unwrap_or_default().to_owned();
    let variables = command.get_after_help().map(StyledStr::to_string).unwrap_or_default();
    let page = Man::new(command.about(name).long_about(about))
        .date(sinkd::VERSION_DAY)
        .source(format!("sinkd {}", sinkd::VERSION))
        .manual("User Commands");
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    for (title, entries) in SECTIONS {
        let first = if *title == "ENVIRONMENT" { variables.as_str() } else { "" };
        section(title, first, entries).to_writer(out)?;
    }
    Ok(())
}

fn section(title: &str, first: &str, entries: &[(&str, &str)]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    if !first.is_empty() {
        roff.text([roman(first.replace('\n', " "))]);
    }
    for (term, text) in entries {
        if !term.is_empty() {
            roff.control("TP", []).text([bold(*term)]);
        }
        roff.text([roman(text.replace('\n', " "))]);
    }
    roff
}
