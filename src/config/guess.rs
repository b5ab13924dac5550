//! Suggests a setting for an unknown name: one that other programs use, or one that is misspelled.
use super::setting::Setting;
use super::table::all_settings;
use crate::wording::nearest;

/// A name that other programs use, and the setting that corresponds to it.
pub struct Guess {
    /// Lower case, with underscores between words.
    pub name: &'static str,
    /// The short flag of the other program, without the dash.
    pub short: Option<char>,
    /// The name of a setting, or `config`.
    pub setting: &'static str,
}

/// Every guess. None of their names is a setting.
pub const GUESSES: &[Guess] = &[
    guess("port", Some('p'), "listen"),
    guess("bind", Some('b'), "listen"),
    guess("host", None, "listen"),
    guess("addr", Some('l'), "listen"),
    guess("address", None, "listen"),
    guess("interface", None, "listen"),
    guess("smtp", None, "listen"),
    guess("dir", Some('d'), "data"),
    guess("directory", None, "data"),
    guess("data_dir", None, "data"),
    guess("folder", None, "data"),
    guess("path", None, "data"),
    guess("output", Some('o'), "data"),
    guess("config_file", Some('c'), "config"),
    guess("conf", None, "config"),
    guess("settings", None, "config"),
    guess("threads", Some('t'), "workers"),
    guess("max_size", None, "message_bytes_max"),
    guess("max_message_size", None, "message_bytes_max"),
    guess("max_recipients", None, "recipients_max"),
    guess("max_connections", None, "connections_max"),
    guess("timeout", None, "command_timeout"),
    guess("metrics", None, "http"),
    guess("http_port", None, "http"),
    guess("ssl", None, "tls"),
    guess("starttls", None, "tls"),
    guess("cert", None, "tls_cert"),
    guess("certificate", None, "tls_cert"),
    guess("tls_certificate", None, "tls_cert"),
    guess("ssl_cert", None, "tls_cert"),
    guess("key", None, "tls_key"),
    guess("private_key", None, "tls_key"),
    guess("ssl_key", None, "tls_key"),
    guess("client_ca", None, "tls_client_ca"),
    guess("verbose", Some('v'), "log_level"),
    guess("debug", None, "log_level"),
    guess("quiet", Some('q'), "log_level"),
];

const fn guess(name: &'static str, short: Option<char>, setting: &'static str) -> Guess {
    Guess { name, short, setting }
}

/// Returns the setting (or `config`) that `name` probably means, or `None` if no name is similar
/// enough.
pub fn closest_name(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    if let Some(guess) = GUESSES.iter().find(|guess| guess.name == name) {
        return Some(guess.setting);
    }
    let names = all_settings().map(|key| key.name).chain(["config"]);
    nearest(&name, names)
}

/// Returns the setting with this name, spelled with underscores; `None` if there is none.
pub fn key(name: &str) -> Option<&'static Setting> {
    all_settings().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_are_not_settings_and_refer_to_one() {
        for guess in GUESSES {
            assert!(key(guess.name).is_none(), "{} is a setting", guess.name);
            let is_known = key(guess.setting).is_some() || guess.setting == "config";
            assert!(is_known, "{} means {}, which is none", guess.name, guess.setting);
        }
    }

    #[test]
    fn foreign_and_misspelled_names_suggest_a_setting() {
        for (name, setting) in [
            ("port", Some("listen")),
            ("config-file", Some("config")),
            ("PORT", Some("listen")),
            ("recipients", Some("recipients_max")),
            ("recipient_max", Some("recipients_max")),
            ("workes", Some("workers")),
            ("log_levle", Some("log_level")),
            ("tls_certificate", Some("tls_cert")),
            ("starttls", Some("tls")),
            ("color", None),
            ("version", None),
            ("", None),
        ] {
            assert_eq!(closest_name(name), setting, "{name}");
        }
    }
}
