//! Which settings can change while sinkd runs.
use super::table::all_settings;
use super::{Config, Listener, ListenerOptions, StopSettings};

/// The settings in which another configuration differs, by name: `limits.errors_max`, or `listener
/// 127.0.0.1:25 'mx-a'` for the listener's own options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Settings that take effect at the reload.
    pub changed: Vec<String>,
    /// Settings that keep their old values until sinkd is restarted.
    pub needs_restart: Vec<String>,
}

impl Config {
    /// Returns the configuration after a reload with `requested`, and the settings that differ. It
    /// has the values of `requested` for settings that can change, and the values of `self` for all
    /// others.
    ///
    /// Listeners keep their addresses, protocols, names and order; their other options can change.
    pub fn followed_by(&self, requested: &Config) -> (Config, Changes) {
        let mut next = Config {
            hostname: requested.hostname.clone(),
            name: requested.name.clone(),
            greeting: requested.greeting.clone(),
            extensions: requested.extensions.clone(),
            without: requested.without.clone(),
            clients: requested.clients.clone(),
            auth: requested.auth.clone(),
            tls: requested.tls.clone(),
            syntax: requested.syntax,
            limits: requested.limits.clone(),
            timeouts: requested.timeouts.clone(),
            stop: StopSettings { grace: requested.stop.grace, ..self.stop.clone() },
            ..self.clone()
        };
        let mut changes = Changes::default();
        for key in all_settings().filter(|key| key.name != "listen") {
            let shown = (key.show)(requested);
            if shown == (key.show)(self) {
                continue;
            }
            let name = format!("{}.{}", key.table, key.name);
            if shown == (key.show)(&next) {
                changes.changed.push(name)
            } else {
                changes.needs_restart.push(name)
            }
        }
        follow_listeners(&mut next.listen, &requested.listen, &mut changes);
        (next, changes)
    }
}

/// Copies to each of `listeners` the options of the matching listener in `requested`, except its
/// name, and adds the differences to `changes`.
fn follow_listeners(listeners: &mut [Listener], requested: &[Listener], changes: &mut Changes) {
    let mut requested: Vec<Option<&Listener>> = requested.iter().map(Some).collect();
    // Several listeners can have port 0; then the name decides which is which.
    let mut take = |listener: &Listener, is_namesake: fn(&Listener, &Listener) -> bool| {
        let is_same = |other: &&mut Option<&Listener>| {
            other.is_some_and(|it| it.is_bound_as(listener) && is_namesake(it, listener))
        };
        requested.iter_mut().find(is_same).and_then(Option::take)
    };
    let has_its_name = |one: &Listener, other: &Listener| one.options.name == other.options.name;
    let namesakes: Vec<_> = listeners.iter().map(|it| take(it, has_its_name)).collect();
    let same: Vec<_> = listeners
        .iter()
        .zip(namesakes)
        .map(|(listener, namesake)| namesake.or_else(|| take(listener, |_, _| true)))
        .collect();
    for (listener, same) in listeners.iter_mut().zip(same) {
        let label = label(listener);
        let Some(same) = same else {
            changes.needs_restart.push(format!("listener {label} (to close it)"));
            continue;
        };
        // Statistics identify a listener by its name, so the name can't change.
        if same.options.name != listener.options.name {
            changes.needs_restart.push(format!("listener {label} (its name)"));
        }
        let name = listener.options.name.clone();
        let options = ListenerOptions { name, ..same.options.clone() };
        if options != listener.options {
            changes.changed.push(format!("listener {label}"));
            listener.options = options;
        }
    }
    let new = requested.into_iter().flatten();
    let to_open = new.map(|listener| format!("listener {} (to open it)", label(listener)));
    changes.needs_restart.extend(to_open);
}

/// Returns the label of a listener in a list of changes: its address as in `--listen`, and its name
/// if it has one.
fn label(listener: &Listener) -> String {
    match &listener.options.name {
        Some(name) => format!("{listener} '{name}'"),
        None => listener.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::environment::tests::{another, applied};

    /// Settings that can change at a reload. docs/operations.md has the same list.
    const CAN_CHANGE: &[&str] = &[
        "server.hostname",
        "server.name",
        "server.greeting",
        "server.extensions",
        "server.without",
        "server.allow",
        "server.deny",
        "server.denied",
        "server.proxy_trusted",
        "server.xclient_trusted",
        "server.auth",
        "server.auth_users",
        "server.auth_required",
        "server.auth_tls_only",
        "server.syntax",
        "tls.tls",
        "tls.tls_cert",
        "tls.tls_key",
        "tls.tls_client_ca",
        "tls.tls_client_certs",
        "limits.message_bytes_max",
        "limits.recipients_max",
        "limits.envelope_bytes_max",
        "limits.command_line_bytes_max",
        "limits.errors_max",
        "limits.messages_max",
        "limits.connections_max",
        "limits.connections_per_client_max",
        "timeouts.command_timeout",
        "timeouts.data_timeout",
        "timeouts.storage_wait",
        "stop.stop_grace",
    ];

    #[test]
    fn the_documentation_lists_the_settings_that_can_change() {
        let page = include_str!("../../docs/operations.md");
        let (_, table) = page.split_once("These settings can change:\n").expect("the table");
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `[")?.split_once("]` | "));
        let names = |(table, row): (&str, &'static str)| {
            let table = table.to_owned();
            row.split('`').skip(1).step_by(2).map(move |name| format!("{table}.{name}"))
        };
        let listed: Vec<String> =
            rows.filter(|(table, _)| *table != "[listener]").flat_map(names).collect();
        assert_eq!(listed, CAN_CHANGE);
    }

    /// Changes one setting at a time.
    #[test]
    fn each_setting_changes_or_says_that_it_needs_a_restart() {
        for key in all_settings().filter(|key| key.name != "listen") {
            let running = Config::default();
            let requested = applied(&[(&key.variable(), another(key))]).unwrap();
            let name = format!("{}.{}", key.table, key.name);
            let can_change = CAN_CHANGE.contains(&&*name);
            let (next, changes) = running.followed_by(&requested);
            let (changed, kept) = if can_change {
                (vec![name.clone()], vec![])
            } else {
                (vec![], vec![name.clone()])
            };
            assert_eq!(changes, Changes { changed, needs_restart: kept }, "{name}");
            let expected = if can_change { &requested } else { &running };
            assert_eq!((key.show)(&next), (key.show)(expected), "{name}");
        }
    }

    /// Returns a configuration with listeners, each an address and a host name.
    fn with(listen: &[(&str, &str)]) -> Config {
        let listener = |(address, hostname): &(&str, &str)| {
            let mut listener: Listener = address.parse().unwrap();
            listener.options.hostname = (!hostname.is_empty()).then(|| (*hostname).into());
            listener
        };
        Config { listen: listen.iter().map(listener).collect(), ..Config::default() }
    }

    #[test]
    fn a_listener_keeps_its_socket_and_gets_new_options() {
        let running = with(&[("127.0.0.1:1", "a"), ("lmtp:[::1]:2", ""), ("127.0.0.1:0", "c")]);
        for (requested, names, changed, needs_restart) in [
            (
                vec![("127.0.0.1:0", "x"), ("127.0.0.1:1", "a"), ("lmtp:[::1]:2", "y")],
                [Some("a"), Some("y"), Some("x")],
                vec!["listener lmtp:[::1]:2", "listener 127.0.0.1:0"],
                vec![],
            ),
            (
                vec![("proxy:127.0.0.1:1", "q"), ("lmtp:[::1]:2", ""), ("127.0.0.1:0", "c")],
                [Some("a"), None, Some("c")],
                vec![],
                vec![
                    "listener 127.0.0.1:1 (to close it)",
                    "listener proxy:127.0.0.1:1 (to open it)",
                ],
            ),
        ] {
            let (next, changes) = running.followed_by(&with(&requested));
            let found: Vec<_> =
                next.listen.iter().map(|it| it.options.hostname.as_deref()).collect();
            assert_eq!(found, names);
            assert_eq!(changes.changed, changed);
            assert_eq!(changes.needs_restart, needs_restart);
            let addresses = |config: &Config| -> Vec<String> {
                config.listen.iter().map(ToString::to_string).collect()
            };
            assert_eq!(addresses(&next), addresses(&running));
        }
    }

    /// Port 0 does not identify a listener.
    #[test]
    fn listeners_of_one_address_are_told_apart_by_name() {
        let mut running = with(&[("127.0.0.1:0", "a"), ("127.0.0.1:0", "b")]);
        let mut requested = with(&[("127.0.0.1:0", "y"), ("127.0.0.1:0", "x")]);
        for (config, names) in [(&mut running, ["one", "two"]), (&mut requested, ["two", "one"])] {
            for (listener, name) in config.listen.iter_mut().zip(names) {
                listener.options.name = Some(name.into());
            }
        }
        let (next, changes) = running.followed_by(&requested);
        let hosts: Vec<_> = next.listen.iter().map(|it| it.options.hostname.as_deref()).collect();
        assert_eq!(hosts, [Some("x"), Some("y")]);
        assert_eq!(changes.changed, ["listener 127.0.0.1:0 'one'", "listener 127.0.0.1:0 'two'"]);
        assert!(changes.needs_restart.is_empty());
    }

    #[test]
    fn a_listener_keeps_its_name() {
        let mut running = with(&[("127.0.0.1:1", "a")]);
        let mut requested = with(&[("127.0.0.1:1", "b")]);
        running.listen[0].options.name = Some("old".into());
        requested.listen[0].options.name = Some("new".into());
        let (next, changes) = running.followed_by(&requested);
        let options = &next.listen[0].options;
        assert_eq!(options.name.as_deref(), Some("old"));
        assert_eq!(options.hostname.as_deref(), Some("b"));
        assert_eq!(changes.changed, ["listener 127.0.0.1:1 'old'"]);
        assert_eq!(changes.needs_restart, ["listener 127.0.0.1:1 'old' (its name)"]);
    }
}
