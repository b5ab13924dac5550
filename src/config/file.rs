//! The TOML settings file. An error in its content names the file and the line.
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};
use toml::{Spanned, de};

use super::listener_keys::{LISTENER_KEYS, closest_name};
use super::setting::Setting;
use super::table::all_settings;
use super::value::SWITCH;
use super::{Config, ListenAddress, Listener, guess};
use crate::machine::read_text_at_most;

/// Maximum size of a settings file, in bytes: thousands of listeners, and nothing that fills the
/// memory.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Why a settings file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file can't be read, is larger than 16 MiB, or is not UTF-8.
    #[error("{path}: cannot be read", path = path.display())]
    Read {
        /// The path of the settings file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not valid TOML.
    #[error("{path}:{line}: {message}", path = path.display())]
    Syntax {
        /// The path of the settings file.
        path: PathBuf,
        /// The line with the error, from 1.
        line: usize,
        /// What was expected, and the text of the line.
        message: String,
    },
    /// The key is not the name of a setting.
    #[error("{path}:{line}: unknown setting '{key}'{hint} (all settings: sinkd --print-config)",
        path = path.display())]
    Unknown {
        /// The path of the settings file.
        path: PathBuf,
        /// The line with the error, from 1.
        line: usize,
        /// The key with its table, such as `limits.errors_max`.
        key: String,
        /// A suggestion that begins with `; `; empty if no name is similar.
        hint: String,
    },
    /// The value is not one that the setting accepts.
    #[error("{path}:{line}: {key}: expected {expected}, found {found}", path = path.display())]
    Value {
        /// The path of the settings file.
        path: PathBuf,
        /// The line with the error, from 1.
        line: usize,
        /// The key with its table, such as `limits.errors_max`.
        key: String,
        /// What the setting expects, with its bounds.
        expected: &'static str,
        /// The value as it is written in the file.
        found: String,
    },
}

/// Returns the defaults, overridden by `file` if there is one.
pub fn from_file(file: Option<&Path>) -> Result<Config, FileError> {
    let mut config = Config::default();
    if let Some(path) = file {
        load(path, &mut config)?;
    }
    Ok(config)
}

/// Overrides `config` with the settings in the TOML file `path`. A list in the file replaces the
/// whole list.
///
/// Errors: the file can't be read, or something in it is wrong; then `config` may be changed in
/// part.
pub fn load(path: &Path, config: &mut Config) -> Result<(), FileError> {
    let text = read_text_at_most(path, FILE_BYTES_MAX)
        .map_err(|source| FileError::Read { path: path.into(), source })?;
    apply(path, &text, config)
}

/// Overrides `config` with the settings in `text`; `path` is only for errors.
pub(super) fn apply(path: &Path, text: &str, config: &mut Config) -> Result<(), FileError> {
    let file = File { path, text };
    let document = DeTable::parse(text).map_err(|error| file.syntax(&error))?;
    for (table_name, value) in document.get_ref() {
        let name = table_name.get_ref();
        if name == "listener" {
            continue;
        }
        let DeValue::Table(table) = value.get_ref() else {
            return Err(file.unknown(table_name.span().start, name, None));
        };
        for (key_name, value) in table {
            let full = format!("{name}.{}", key_name.get_ref());
            let key = all_settings()
                .find(|k| k.table == &**name && k.name == &**key_name.get_ref())
                .ok_or_else(|| {
                    file.unknown(key_name.span().start, &full, Some(key_name.get_ref()))
                })?;
            file.set(key, &full, value, config)?;
        }
    }
    match document.get_ref().get("listener") {
        Some(listeners) => {
            let server = document.get_ref().get("server").map(Spanned::get_ref);
            let is_listed = matches!(server, Some(DeValue::Table(t)) if t.contains_key("listen"));
            if !is_listed {
                config.listen.clear();
            }
            file.listeners(listeners, config)
        }
        None => Ok(()),
    }
}

const ADDRESS: &str = "an address such as 127.0.0.1:24 or unix:/run/sinkd.sock, without a prefix \
                       (protocol and proxy are keys)";

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn line(&self, offset: usize) -> usize {
        1 + self.text[..offset.min(self.text.len())].matches('\n').count()
    }

    fn syntax(&self, error: &de::Error) -> FileError {
        FileError::Syntax {
            path: self.path.into(),
            line: self.line(error.span().map_or(0, |s| s.start)),
            message: self.syntax_message(error),
        }
    }

    /// Describes a syntax error: what was expected, and the line's text.
    fn syntax_message(&self, error: &de::Error) -> String {
        let line = self.line(error.span().map_or(0, |s| s.start));
        let found = self.text.lines().nth(line - 1).unwrap_or_default().trim();
        let expected = if error.message().starts_with("duplicate key") {
            "each key once, found a second one in"
        } else {
            "a line such as [server] or workers = 4, found"
        };
        format!("not valid TOML: expected {expected} '{}'", found.escape_debug())
    }

    #[cold]
    fn unknown(&self, offset: usize, key: &str, name: Option<&str>) -> FileError {
        let known = all_settings().find(|k| Some(k.name) == name || k.name == key);
        let hint = match known {
            Some(known) => format!("; it belongs to [{}]", known.table),
            None => guess::closest_name(name.unwrap_or(key))
                .and_then(guess::key)
                .map_or_else(String::new, |nearest| {
                    format!("; did you mean '{}.{}'?", nearest.table, nearest.name)
                }),
        };
        let (path, line) = (self.path.into(), self.line(offset));
        FileError::Unknown { path, line, key: key.into(), hint }
    }

    /// Adds the `[[listener]]` tables to the addresses of `server.listen`.
    fn listeners(
        &self,
        value: &Spanned<DeValue<'_>>,
        config: &mut Config,
    ) -> Result<(), FileError> {
        let DeValue::Array(list) = value.get_ref() else {
            return Err(self.value(value, "listener", "tables headed [[listener]]"));
        };
        for listener in list {
            let DeValue::Table(table) = listener.get_ref() else {
                return Err(self.value(listener, "listener", "tables headed [[listener]]"));
            };
            let listener = self.listener(listener, table)?;
            config.listen.push(listener);
        }
        Ok(())
    }

    /// Returns the listener that one `[[listener]]` describes; `value` is the TOML value that holds
    /// `table`.
    fn listener(
        &self,
        value: &Spanned<DeValue<'_>>,
        table: &DeTable<'_>,
    ) -> Result<Listener, FileError> {
        let mut keys = Vec::new();
        for (name, value) in table.iter().filter(|(name, _)| name.get_ref() != "address") {
            let key = LISTENER_KEYS.iter().find(|key| key.name == name.get_ref());
            let full = format!("listener.{}", name.get_ref());
            let key = key.ok_or_else(|| self.unknown_of_listener(name))?;
            keys.push((key, full, value));
        }
        let mut listener = Listener::plain(self.address(value, table)?);
        for (key, full, value) in keys {
            let set = list_of(value.get_ref()).and_then(|text| (key.set)(&mut listener, &text));
            set.ok_or_else(|| self.value(value, &full, key.expected))?;
        }
        Ok(listener)
    }

    #[cold]
    fn unknown_of_listener(&self, name: &Spanned<std::borrow::Cow<'_, str>>) -> FileError {
        let hint = match closest_name(name.get_ref()) {
            Some(nearest) => format!("; did you mean 'listener.{nearest}'?"),
            None => {
                let names: Vec<&str> = LISTENER_KEYS.iter().map(|key| key.name).collect();
                format!("; a listener may have address, {}", names.join(", "))
            }
        };
        let (path, line) = (self.path.into(), self.line(name.span().start));
        FileError::Unknown { path, line, key: format!("listener.{}", name.get_ref()), hint }
    }

    /// Parses the key `address` of a `[[listener]]`, which is required and has no prefix.
    fn address(
        &self,
        listener: &Spanned<DeValue<'_>>,
        table: &DeTable<'_>,
    ) -> Result<ListenAddress, FileError> {
        let address = table.get("address").ok_or_else(|| {
            self.value(listener, "listener.address", "address = \"HOST:PORT\" or \"unix:PATH\"")
        })?;
        let parsed = text_of(address.get_ref()).and_then(|text| text.parse().ok());
        parsed.ok_or_else(|| self.value(address, "listener.address", ADDRESS))
    }

    fn value(&self, value: &Spanned<DeValue<'_>>, key: &str, expected: &'static str) -> FileError {
        FileError::Value {
            path: self.path.into(),
            line: self.line(value.span().start),
            key: key.into(),
            expected,
            found: found(&self.text[value.span()]),
        }
    }

    fn set(
        &self,
        key: &Setting,
        full: &str,
        value: &Spanned<DeValue<'_>>,
        config: &mut Config,
    ) -> Result<(), FileError> {
        let values: Vec<&Spanned<DeValue<'_>>> = match value.get_ref() {
            DeValue::Array(list) if key.is_repeatable() => list.iter().collect(),
            _ => vec![value],
        };
        key.clear(config);
        for value in values {
            let text = match value.get_ref() {
                other if key.expected == SWITCH => word_of(other),
                other => text_of(other),
            };
            let applied = match &text {
                Some(text) => key.apply(config, text).map_err(|bad| bad.expected),
                None => Err(key.expected),
            };
            applied.map_err(|expected| FileError::Value {
                path: self.path.into(),
                line: self.line(value.span().start),
                key: full.into(),
                expected,
                found: found(&self.text[value.span()]),
            })?;
        }
        Ok(())
    }
}

/// Returns a string or an integer as text; `None` for other types.
fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns a string or an integer as text, and a boolean as `on` or `off`; `None` for other types.
fn word_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Boolean(true) => Some("on".into()),
        DeValue::Boolean(false) => Some("off".into()),
        other => text_of(other),
    }
}

/// Returns a value as errors quote it: text in single quotes, anything else as written.
fn found(value: &str) -> String {
    let text = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    text.map_or(value.to_owned(), |text| format!("'{text}'"))
}

/// Returns a value as [`word_of`] does, and an array of strings and integers as its elements joined
/// by commas; `None` for other types.
fn list_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Array(list) => {
            let texts: Option<Vec<String>> = list.iter().map(|it| text_of(it.get_ref())).collect();
            texts.map(|texts| texts.join(","))
        }
        other => word_of(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, error: &str) {
        let mut config = Config::default();
        let found = apply(Path::new("sink.toml"), text, &mut config).unwrap_err().to_string();
        assert!(found.starts_with(error), "{found}");
    }

    #[test]
    fn errors_name_file_line_and_what_was_expected() {
        check(
            "[limits]\nerrors_max = -1",
            "sink.toml:2: limits.errors_max: expected a whole number",
        );
        check(
            "\n[limits]\nrecipients = 1",
            "sink.toml:3: unknown setting 'limits.recipients'; did you mean 'limits.recip",
        );
        check(
            "[server]\nport = 1",
            "sink.toml:2: unknown setting 'server.port'; did you mean 'server.listen'",
        );
        check("port = 1", "sink.toml:1: unknown setting 'port'; did you mean 'server.listen'");
        check(
            "[server]\nerrors_max = 1",
            "sink.toml:2: unknown setting 'server.errors_max'; it belongs",
        );
        check(
            "errors_max = 1",
            "sink.toml:1: unknown setting 'errors_max'; it belongs to [limits]",
        );
        check(
            "[server]\nlisten = [\"127.0.0.1:0\", \"x\"]",
            "sink.toml:2: server.listen: expected",
        );
        check("[server]\ndata = true", "sink.toml:2: server.data: expected a path, found true");
        check("[server\n", "sink.toml:1: ");
        let rule = "[storage]\nstore_rule = [\"*=none\",\n\"none/2\"]";
        check(rule, "sink.toml:3: storage.store_rule: expected a domain and its mode");
        let rule = "[storage]\nstore_rule = [\"*=none\", \"*=full\"]";
        check(rule, "sink.toml:2: storage.store_rule: expected at most one rule per domain");
        check(
            "[[listener]]\nprotocol = \"lmtp\"",
            "sink.toml:1: listener.address: expected address",
        );
        let wrong = "[[listener]]\naddress = \"127.0.0.1:1\"\nprotocol = \"esmtp\"";
        check(
            wrong,
            "sink.toml:3: listener.protocol: expected 'smtp', 'smtps', 'submission', \
             'submissions' or 'lmtp', found",
        );
        check(
            "[[listener]]\naddress = \"lmtp:[::1]:1\"",
            "sink.toml:2: listener.address: expected",
        );
        check("[[listener]]\nport = 1", "sink.toml:2: unknown setting 'listener.port'");
        check("[listener]\naddress = \"127.0.0.1:1\"", "sink.toml:1: listener: expected tables");
        check("[server]\ndata = \"a\"\ndata = \"b\"", "sink.toml:3: ");
    }

    #[test]
    fn a_switch_is_a_word_or_a_boolean_in_every_table() {
        for value in ["\"on\"", "true"] {
            let text = format!(
                "[server]\nauth_required = {value}\n[[listener]]\naddress = \"127.0.0.1:1\"\n\
                 auth_required = {value}\nproxy = {value}\n"
            );
            let mut config = Config::default();
            apply(Path::new("sink.toml"), &text, &mut config).unwrap();
            assert!(config.auth.is_required && config.listen[0].is_proxied);
            assert_eq!(config.listen[0].options.auth_required, Some(true));
        }
        let wrong = "[[listener]]\naddress = \"127.0.0.1:1\"\nproxy = \"yes\"";
        check(wrong, "sink.toml:3: listener.proxy: expected 'on' or 'off', found 'yes'");
        let wrong = "[server]\nauth_required = 1";
        check(wrong, "sink.toml:2: server.auth_required: expected 'on' or 'off', found 1");
    }

    #[test]
    fn a_list_replaces_the_default_address() {
        let mut config = Config::default();
        let text = "[server]\nlisten = [\"127.0.0.1:7\", \"[::1]:7\"]\n";
        apply(Path::new("sink.toml"), text, &mut config).unwrap();
        let shown: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["127.0.0.1:7", "[::1]:7"]);
        let more = "[[listener]]\naddress = \"unix:/run/s\"\nprotocol = \"lmtp\"\n";
        for (text, expected) in [
            (more.to_owned(), vec!["lmtp:unix:/run/s"]),
            (format!("{text}{more}"), vec!["127.0.0.1:7", "[::1]:7", "lmtp:unix:/run/s"]),
        ] {
            let mut config = Config::default();
            apply(Path::new("sink.toml"), &text, &mut config).unwrap();
            let shown: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
            assert_eq!(shown, expected);
        }
    }
}
