//! Settings from environment variables: `SINKD_` followed by the setting's name in upper case.
//!
//! A setting that can be repeated takes a comma-separated list. An empty variable counts as unset,
//! because scripts and container files pass on variables that they don't set.
use std::ffi::OsString;
use std::path::PathBuf;

use super::setting::{Setting, VARIABLE_PREFIX, ValueError};
use super::table::all_settings;
use super::{Config, guess};
use crate::wording::escaped;

/// A variable that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The value is not one that the setting accepts.
    #[error("environment variable {name}: {bad}")]
    Value {
        /// The whole name of the variable, with `SINKD_`.
        name: String,
        /// What was expected, and what was found.
        bad: ValueError,
    },
    /// The value is not valid UTF-8.
    #[error("environment variable {name}: expected text in UTF-8, found '{value}'",
        value = escaped(value.as_encoded_bytes()))]
    NotText {
        /// The whole name of the variable, with `SINKD_`.
        name: String,
        /// The unchanged value.
        value: OsString,
    },
}

/// The variables that begin with `SINKD_` and are not empty.
#[derive(Debug)]
pub struct Environment {
    /// Name without `SINKD_`, and value; sorted by name.
    variables: Vec<(String, OsString)>,
}

/// `SINKD_CONFIG` names the settings file. It is not a setting itself.
const CONFIG: &str = "CONFIG";
const DATA: &str = "DATA";

impl Environment {
    /// Returns the variables of this process.
    pub fn of_process() -> Environment {
        Environment::new(std::env::vars_os())
    }

    /// Returns the whole names of the variables of this process that begin with `SINKD_`, empty
    /// ones included. A program that starts sinkd can remove them, so that they do not change its
    /// settings.
    pub fn names_of_process() -> impl Iterator<Item = OsString> {
        let is_ours =
            |name: &OsString| name.as_encoded_bytes().starts_with(VARIABLE_PREFIX.as_bytes());
        std::env::vars_os().map(|(name, _)| name).filter(is_ours)
    }

    /// Keeps those of `variables` that begin with `SINKD_` and are not empty.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
        let ours = |(name, value): (OsString, OsString)| {
            let name = name.to_str()?.strip_prefix(VARIABLE_PREFIX)?.to_owned();
            (!value.is_empty()).then_some((name, value))
        };
        let mut variables: Vec<_> = variables.into_iter().filter_map(ours).collect();
        variables.sort();
        Environment { variables }
    }

    /// Returns `SINKD_CONFIG`, the path of the settings file; `None` if it is unset or empty.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.value(CONFIG).map(PathBuf::from)
    }

    /// Returns `SINKD_DATA`, for programs that need no other setting; `None` if it is unset or
    /// empty.
    pub fn data_folder(&self) -> Option<PathBuf> {
        self.value(DATA).map(PathBuf::from)
    }

    /// Overrides the settings in `config` with environment variables.
    pub fn apply(&self, config: &mut Config) -> Result<(), EnvironmentError> {
        for key in all_settings() {
            let name = key.variable();
            let Some(value) = self.value(&name[VARIABLE_PREFIX.len()..]) else { continue };
            let text = value.to_str().ok_or_else(|| EnvironmentError::NotText {
                name: name.clone(),
                value: value.clone(),
            })?;
            set(key, text, config).map_err(|bad| EnvironmentError::Value { name, bad })?;
        }
        Ok(())
    }

    /// Returns one sentence for each variable that matches no setting and does not describe a
    /// service.
    pub fn warnings(&self) -> Vec<String> {
        let is_known =
            |name: &str| name == CONFIG || all_settings().any(|key| is_variable(key, name));
        let unknown = self.variables.iter().filter(|(name, value)| {
            !is_known(name) && !is_service_link(name, &value.to_string_lossy())
        });
        unknown.map(|(name, _)| warning(name)).collect()
    }

    fn value(&self, name: &str) -> Option<&OsString> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }
}

fn is_variable(key: &Setting, name: &str) -> bool {
    key.variable()[VARIABLE_PREFIX.len()..] == *name
}

fn set(key: &Setting, text: &str, config: &mut Config) -> Result<(), ValueError> {
    if !key.is_repeatable() {
        return key.apply(config, text);
    }
    key.clear(config);
    text.split(',').try_for_each(|value| key.apply(config, value.trim()))
}

/// Returns whether Kubernetes or Docker set the variable to describe a service named `sinkd`. No
/// user set it, so it causes no warning.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_address = value.starts_with("tcp://") || value.starts_with("udp://");
    name.ends_with("SERVICE_HOST")
        || name.contains("SERVICE_PORT")
        || name.contains("PORT_") && (name.contains("_TCP") || name.contains("_UDP"))
        || name.ends_with("PORT") && is_address
}

fn warning(name: &str) -> String {
    let hint = guess::closest_name(name).map_or_else(String::new, |meant| {
        format!("; did you mean {VARIABLE_PREFIX}{}?", meant.to_ascii_uppercase())
    });
    format!(
        "environment variable {VARIABLE_PREFIX}{name} is ignored: no setting has this name{hint} \
         (all settings: sinkd --print-config)"
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    pub(in crate::config) fn applied(variables: &[(&str, &str)]) -> Result<Config, String> {
        let mut config = Config::default();
        environment(variables).apply(&mut config).map_err(|error| error.to_string())?;
        Ok(config)
    }

    /// Returns a value of the setting other than its default. A new setting may need a row.
    pub(in crate::config) fn another(key: &Setting) -> &'static str {
        match key.name {
            "listen" => "127.0.0.1:7,lmtp:unix:/run/s",
            "data" | "hostname" | "transcript" | "sequence_field" => "other",
            "syntax" => "strict",
            "store" => "headers",
            "store_rule" => "*.test=none, *=envelope/10",
            "extensions" | "without" => "SIZE,DSN",
            "allow" | "deny" => "10.0.0.0/8, @/etc/networks",
            "denied" => "close",
            "auth" => "any",
            "auth_users" => "/etc/users",
            "auth_required" | "auth_tls_only" => "on",
            "tls" => "offered",
            "tls_cert" | "tls_key" | "tls_client_ca" => "/etc/file.pem",
            "tls_client_certs" => "optional",
            "proxy_trusted" | "xclient_trusted" => "10.0.0.0/8, fd00::7",
            "durability" => "message",
            "stats" => "off",
            "noop_marks" => "on",
            "index" => "off",
            "http" => "127.0.0.1:9",
            "transcript_sessions" => "1/7",
            "log_level" => "debug",
            "log_format" => "json",
            "message_bytes_max" | "envelope_bytes_max" => "128K",
            "command_line_bytes_max" => "1K",
            name if name.contains("bytes") => "128MiB",
            name if name.ends_with("timeout") || name.ends_with("age") => "7h",
            "storage_wait" | "run_after_idle" | "stop_grace" | "stop_after_idle" => "7s",
            _ => "7",
        }
    }

    #[test]
    fn every_setting_can_be_set_by_its_variable() {
        for key in all_settings() {
            let value = another(key);
            let set = applied(&[(&key.variable(), value)]).unwrap();
            let shown = (key.show)(&set);
            assert_ne!(shown, (key.show)(&Config::default()), "{}", key.variable());
            // The variable changes no other setting.
            let differing =
                all_settings().filter(|k| (k.show)(&set) != (k.show)(&Config::default()));
            assert_eq!(differing.map(|k| k.name).collect::<Vec<_>>(), [key.name]);
        }
    }

    #[test]
    fn a_list_has_commas_and_replaces_what_was_there() {
        let set = applied(&[("SINKD_LISTEN", "127.0.0.1:7, [::1]:7")]).unwrap();
        assert_eq!(
            set.listen.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["127.0.0.1:7", "[::1]:7"]
        );
        let bad = applied(&[("SINKD_LISTEN", "127.0.0.1:7,")]).unwrap_err();
        assert!(bad.starts_with("environment variable SINKD_LISTEN: expected an address"), "{bad}");
        assert!(bad.ends_with(", found nothing"), "{bad}");
    }

    #[test]
    fn an_empty_variable_is_one_that_is_not_set() {
        let variables: Vec<String> = all_settings().map(Setting::variable).collect();
        let empty: Vec<(&str, &str)> = variables.iter().map(|name| (&**name, "")).collect();
        assert_eq!(applied(&empty).unwrap().to_toml(), Config::default().to_toml());
        assert_eq!(environment(&[("SINKD_CONFIG", "")]).config_file(), None);
        assert!(environment(&[("SINKD_PORT", "")]).warnings().is_empty());
    }

    #[test]
    fn a_bad_value_is_named_with_its_variable() {
        let error = applied(&[("SINKD_RECIPIENTS_MAX", "0")]).unwrap_err();
        let expected = "environment variable SINKD_RECIPIENTS_MAX: expected a whole number from 1 \
                        to 4294967295, found '0'";
        assert_eq!(error, expected);
    }

    #[test]
    fn an_unknown_variable_causes_a_warning_that_suggests_a_setting() {
        for (name, value, hint) in [
            ("SINKD_RECIPIENTS", "7", Some("SINKD_RECIPIENTS_MAX")),
            ("SINKD_PORT", "1025", Some("SINKD_LISTEN")),
            ("SINKD_CONFIG_FILE", "x", Some("SINKD_CONFIG")),
            ("SINKD_listen", "127.0.0.1:7", Some("SINKD_LISTEN")),
            ("SINKD_TLS_CERTIFICATE", "x", Some("SINKD_TLS_CERT")),
            ("SINKD_SSL", "x", Some("SINKD_TLS")),
            ("SINKD_COLOR", "x", None),
        ] {
            let warnings = environment(&[(name, value)]).warnings();
            let [warning] = &warnings[..] else { panic!("{name}: {warnings:?}") };
            assert!(warning.contains(&format!("variable {name} is ignored")), "{warning}");
            match hint {
                Some(hint) => {
                    assert!(warning.contains(&format!("did you mean {hint}? ")), "{warning}")
                }
                None => assert!(!warning.contains("did you mean"), "{warning}"),
            }
        }
        let known: Vec<String> = all_settings().map(Setting::variable).collect();
        let known: Vec<_> = known.iter().map(|name| (&**name, "x")).collect();
        assert!(environment(&known).warnings().is_empty());
        assert!(environment(&[("SINKD_CONFIG", "x"), ("OTHER", "x")]).warnings().is_empty());
    }

    #[test]
    fn kubernetes_service_variables_cause_no_warning() {
        let variables = [
            ("SINKD_SERVICE_HOST", "10.0.0.11"),
            ("SINKD_SERVICE_PORT", "1025"),
            ("SINKD_SERVICE_PORT_SMTP", "1025"),
            ("SINKD_PORT", "tcp://10.0.0.11:1025"),
            ("SINKD_PORT_1025_TCP", "tcp://10.0.0.11:1025"),
            ("SINKD_PORT_1025_TCP_ADDR", "10.0.0.11"),
            ("SINKD_SMTP_SERVICE_HOST", "10.0.0.11"),
        ];
        assert_eq!(environment(&variables).warnings(), [""; 0]);
    }

    #[test]
    fn a_value_that_is_not_text_is_named() {
        use std::os::unix::ffi::OsStringExt;
        let value = OsString::from_vec(b"\xFF".into());
        let found = Environment::new([("SINKD_HOSTNAME".into(), value)]);
        let error = found.apply(&mut Config::default()).unwrap_err().to_string();
        let expected = r"environment variable SINKD_HOSTNAME: expected text in UTF-8, found '\xff'";
        assert_eq!(error, expected);
    }
}
