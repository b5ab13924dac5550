//! A setting: a row of the table.
use super::Config;
use super::value::quoted;

/// A value that a setting refuses. The caller adds where the value stood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct ValueError {
    /// With its bounds.
    pub expected: &'static str,
    /// In quotes, as it was written.
    pub found: String,
}

/// What the environment variables of settings begin with.
pub(super) const VARIABLE_PREFIX: &str = "SINKD_";

/// One setting: `[table] name = value` in the file, `--name VALUE` (dashes for underscores) as a
/// flag, `SINKD_NAME` in the environment.
pub struct Setting {
    /// Its table in the file, and its heading in the help.
    pub table: &'static str,
    /// Underscores between words.
    pub name: &'static str,
    /// What stands for the value in the help.
    pub value: &'static str,
    /// The value of the flag alone; `None`: the flag has a value.
    pub alone: Option<&'static str>,
    /// A sentence.
    pub help: &'static str,
    /// What a value must be, with its bounds.
    pub expected: &'static str,
    /// How it is set from text.
    pub(super) set: Setter,
    /// As TOML.
    pub show: fn(&Config) -> String,
}

/// How a setting takes its value.
pub(super) enum Setter {
    /// It has one value. Returns `None` if the text is not a value.
    One(fn(&mut Config, &str) -> Option<()>),
    /// It may be given more than once, and is a list in the file.
    Many {
        clear: fn(&mut Config),
        /// Adds a value. The error: what is expected instead.
        add: fn(&mut Config, &str) -> Result<(), &'static str>,
    },
}

impl Setting {
    /// Sets it from text; of a setting with many values, adds one.
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

    /// The flag, without its dashes in front.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name.to_ascii_uppercase())
    }

    /// Returns whether it may be given more than once.
    pub fn is_repeatable(&self) -> bool {
        matches!(self.set, Setter::Many { .. })
    }

    /// Forgets the values of a setting that may be given more than once; another one keeps its
    /// value, as the next one replaces it.
    pub fn clear(&self, config: &mut Config) {
        if let Setter::Many { clear, .. } = &self.set {
            clear(config);
        }
    }
}

/// Shows a setting that is on or off, as TOML.
pub(super) fn show_switch(config: &Config, is_on: fn(&Config) -> bool) -> String {
    quoted(if is_on(config) { "on" } else { "off" })
}
