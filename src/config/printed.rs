//! Prints the effective settings as a TOML file that reads back unchanged.
use super::listener_keys::show_tables;
use super::settings::Config;
use super::table::all_settings;

impl Config {
    /// Returns the file: each table with its settings, each under a comment with its help.
    pub fn to_toml(&self) -> String {
        let mut text = String::from(
            "# sinkd's settings. Each is also a flag (`sinkd --help`) and an environment\n\
             # variable (store_rule is --store-rule and SINKD_STORE_RULE).\n",
        );
        let mut table = "";
        for key in all_settings() {
            if key.table != table {
                table = key.table;
                text.push_str(&format!("\n[{table}]\n"));
            }
            text.push_str(&format!("# {}\n", key.help));
            text.push_str(&format!("{} = {}\n", key.name, (key.show)(self)));
        }
        text.push_str(&show_tables(&self.listen));
        text
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::config::transcript::TranscriptSessions;
    use crate::config::{
        Auth, CertificateFiles, ClientCerts, Denied, Listener, ListenerOptions, SessionMax, Tls,
        file, storage,
    };
    use crate::smtp::extension::Extension;

    #[test]
    fn printed_settings_read_back_as_the_same() {
        let mut config = Config::default();
        config.limits.errors_max = Some(7);
        config.transcripts.folder = Some("tran scripts".into());
        config.transcripts.sessions = TranscriptSessions::OneIn(7);
        config.stop.after_idle = Some(Duration::from_millis(1500));
        config.listen.push("[::1]:2525".parse().unwrap());
        config.listen.push("lmtp:unix:/run/a b.sock".parse().unwrap());
        config.listen.push("proxy:127.0.0.1:26".parse().unwrap());
        config.listen.push("proxy:submissions:127.0.0.1:465".parse().unwrap());
        let mut implicit: Listener = "smtps:[::1]:465".parse().unwrap();
        implicit.options.name = Some("mx-tls".into());
        config.listen.push(implicit);
        (config.name, config.greeting) = (Some("sink-a".into()), Some("a\nb \"c\"".into()));
        config.without = vec![Extension::Chunking];
        config.clients.proxy_trusted = vec!["10.0.0.0/8".parse().unwrap()];
        config.clients.xclient_trusted = vec!["fd00::/8".parse().unwrap()];
        let mut own: Listener = "proxy:lmtp:127.0.0.1:27".parse().unwrap();
        own.options = ListenerOptions {
            name: Some("mx-1".into()),
            hostname: Some("mx.example".into()),
            greeting: Some("x\n***".into()),
            extensions: Some(vec![Extension::Dsn, Extension::Size]),
            without: vec![Extension::Size],
            allow: vec!["10.0.0.0/8".parse().unwrap(), "@/etc/a b".parse().unwrap()],
            deny: vec!["::1/128".parse().unwrap()],
            denied: Some(Denied::Close),
            xclient: Some(false),
            auth: Some(Auth::Any),
            auth_users: Some("/etc/a b".into()),
            auth_required: Some(true),
            auth_tls_only: Some(true),
            tls: Some(Tls::Required),
            certificates: CertificateFiles {
                cert: Some("/etc/a b.pem".into()),
                key: Some("/etc/a b.key".into()),
                client_ca: Some("/etc/ca.pem".into()),
                client_certs: Some(ClientCerts::Optional),
            },
            message_bytes_max: Some(10 << 20),
            recipients_max: Some(3),
            errors_max: Some(SessionMax::At(4)),
            messages_max: Some(SessionMax::Unlimited),
        };
        config.listen.push(own);
        (config.auth.users, config.auth.is_required) = (Some("/etc/users".into()), true);
        storage::add_rule(&mut config.storage.rules, "*.test=envelope/10").unwrap();
        storage::add_rule(&mut config.storage.rules, "*=none").unwrap();
        let text = config.to_toml();
        let mut read = Config::default();
        file::apply(Path::new("printed.toml"), &text, &mut read).unwrap();
        assert_eq!(read.to_toml(), text);
        assert_eq!(read.limits.errors_max, Some(7));
        assert_eq!(read.listen, config.listen);
        assert_eq!(read.clients.xclient_trusted, config.clients.xclient_trusted);
        assert_eq!((read.auth.users, read.auth.is_required), (config.auth.users, true));
        assert_eq!(read.storage.rules, config.storage.rules);
    }

    #[test]
    fn flags_and_keys_have_one_name() {
        let mut names = std::collections::HashSet::new();
        for key in all_settings() {
            assert!(names.insert(key.name), "{} twice", key.name);
            assert!(key.help.ends_with('.'), "{}: {}", key.name, key.help);
        }
    }
}
