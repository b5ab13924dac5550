//! The type of a row in the table of settings.
use super::Config;
use super::value::quoted;

/// A value that a setting refuses. The caller adds where it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct ValueError {
    /// What the setting expects, with its bounds, as the object of "expected".
    pub expected: &'static str,
    /// The value, escaped and in quotes; `nothing` if it is empty.
    pub found: String,
}

/// Prefix of the environment variables of settings.
pub(super) const VARIABLE_PREFIX: &str = "SINKD_";

/// One setting: `[table] name = value` in the TOML file, `--name VALUE` (with dashes for
/// underscores) as a flag, `SINKD_NAME` in the environment.
pub struct Setting {
    /// The TOML table, which is also the heading in the help.
    pub table: &'static str,
    /// Name, with underscores between words.
    pub name: &'static str,
    /// Placeholder for the value in the help, such as `SIZE`.
    pub value: &'static str,
    /// The value that the flag has without an argument; `None`: it needs an argument.
    pub alone: Option<&'static str>,
    /// The text of the help, without the default, which sinkd appends.
    pub help: &'static str,
    /// What a value must be, with its bounds, as the object of "expected" in an error.
    pub expected: &'static str,
    /// How the value is parsed and stored.
    pub(super) set: Setter,
    /// Returns the value in `config` as TOML, which reads back as the same value.
    pub show: fn(&Config) -> String,
}

/// Whether a setting has one value or a list, and how it is set from text.
pub(super) enum Setter {
    /// One value. Returns `None` if the text is not valid.
    One(fn(&mut Config, &str) -> Option<()>),
    /// A list: the flag can be repeated, and the file has an array.
    Many {
        clear: fn(&mut Config),
        /// Adds a value. The error states what is expected instead.
        add: fn(&mut Config, &str) -> Result<(), &'static str>,
    },
}

impl Setting {
    /// Sets the value from text, or adds it if the setting is a list.
    pub fn apply(&self, config: &mut Config, text: &str) -> Result<(), ValueError> {
        let result = match &self.set {
            Setter::One(set) => set(config, text).ok_or(self.expected),
            Setter::Many { add, .. } => add(config, text),
        };
        result.map_err(|expected| ValueError {
            expected,
            found: if text.is_empty() {
                "nothing".into()
            } else {
                format!("'{}'", text.escape_debug())
            },
        })
    }

    /// Returns the name of the flag, without leading dashes.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Returns the whole name of the environment variable, such as `SINKD_LOG_LEVEL`.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name.to_ascii_uppercase())
    }

    /// Returns whether the setting can be given more than once.
    pub fn is_repeatable(&self) -> bool {
        matches!(self.set, Setter::Many { .. })
    }

    /// Empties a list. A setting with one value is left alone, because the next value replaces it.
    pub fn clear(&self, config: &mut Config) {
        if let Setter::Many { clear, .. } = &self.set {
            clear(config);
        }
    }
}

/// Returns `"on"` or `"off"` in quotes, for the settings file.
pub(super) fn show_switch(config: &Config, is_on: fn(&Config) -> bool) -> String {
    quoted(if is_on(config) { "on" } else { "off" })
}
