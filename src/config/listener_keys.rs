//! The keys of `[[listener]]` other than its address.
use std::path::PathBuf;

use super::auth::{self, Auth};
use super::bounds::{COUNT, COUNT_OR_NONE, MESSAGE_BYTES, count, message_bytes};
use super::client_list::{self, Denied, Networks};
use super::listen::Listener;
use super::listener_options::{ListenerOptions, SessionMax};
use super::names;
use super::tls::{self, ClientCerts, Tls};
use super::value::{SWITCH, parse_option, parse_switch, quoted, show_bytes, show_option};
use crate::smtp::limits::Protocol;
use crate::wording::nearest;

/// A key of `[[listener]]`: its name, what it accepts, and how to set and print it.
pub(super) struct ListenerKey {
    pub name: &'static str,
    pub expected: &'static str,
    /// Sets the option from text; array elements are joined by commas. Returns `None` if the text
    /// is not a valid value.
    pub set: fn(&mut Listener, &str) -> Option<()>,
    /// Returns the value as TOML, or `None` if the listener does not set it.
    pub show: fn(&Listener) -> Option<String>,
}

/// Every key except `address`.
pub(super) const LISTENER_KEYS: &[ListenerKey] = &[
    ListenerKey {
        name: "protocol",
        expected: "'smtp', 'smtps', 'submission', 'submissions' or 'lmtp'",
        set: |listener, text| {
            let found = PROTOCOLS.iter().find(|(name, ..)| *name == text);
            found.map(|(_, protocol, is_tls)| {
                (listener.protocol, listener.is_tls) = (*protocol, *is_tls);
            })
        },
        show: |listener| {
            let spoken = (listener.protocol, listener.is_tls);
            let found = PROTOCOLS.iter().find(|(_, protocol, tls)| (*protocol, *tls) == spoken);
            found.map(|(name, ..)| *name).filter(|name| *name != "smtp").map(quoted)
        },
    },
    ListenerKey {
        name: "proxy",
        expected: SWITCH,
        set: |listener, text| parse_switch(text).map(|is_proxied| listener.is_proxied = is_proxied),
        show: |listener| listener.is_proxied.then(|| "true".into()),
    },
    ListenerKey {
        name: "name",
        expected: names::NAME,
        set: |listener, text| names::name(text).map(|name| listener.options.name = Some(name)),
        show: |listener| listener.options.name.as_deref().map(quoted),
    },
    ListenerKey {
        name: "hostname",
        expected: names::HOSTNAME,
        set: |listener, text| {
            names::hostname(text).map(|name| listener.options.hostname = Some(name))
        },
        show: |listener| listener.options.hostname.as_deref().map(quoted),
    },
    ListenerKey {
        name: "greeting",
        expected: names::GREETING,
        set: |listener, text| {
            names::greeting(text).map(|text| listener.options.greeting = Some(text))
        },
        show: |listener| listener.options.greeting.as_deref().map(quoted),
    },
    ListenerKey {
        name: "extensions",
        expected: names::EXTENSIONS,
        set: |listener, text| {
            names::extensions(text).map(|list| listener.options.extensions = Some(list))
        },
        show: |listener| listener.options.extensions.as_deref().map(names::show_extensions),
    },
    ListenerKey {
        name: "without",
        expected: names::EXTENSIONS,
        set: |listener, text| names::extensions(text).map(|list| listener.options.without = list),
        show: |listener| {
            let without = &listener.options.without;
            (!without.is_empty()).then(|| names::show_extensions(without))
        },
    },
    ListenerKey {
        name: "allow",
        expected: client_list::EXPECTED,
        set: |listener, text| networks(text).map(|list| listener.options.allow = list),
        show: |listener| show_networks(&listener.options.allow),
    },
    ListenerKey {
        name: "deny",
        expected: client_list::EXPECTED,
        set: |listener, text| networks(text).map(|list| listener.options.deny = list),
        show: |listener| show_networks(&listener.options.deny),
    },
    ListenerKey {
        name: "denied",
        expected: client_list::DENIED,
        set: |listener, text| {
            Denied::from_name(text).map(|denied| listener.options.denied = Some(denied))
        },
        show: |listener| listener.options.denied.map(|denied| quoted(denied.name())),
    },
    ListenerKey {
        name: "xclient",
        expected: SWITCH,
        set: |listener, text| parse_switch(text).map(|may| listener.options.xclient = Some(may)),
        show: |listener| listener.options.xclient.map(|may| may.to_string()),
    },
    ListenerKey {
        name: "auth",
        expected: auth::AUTH,
        set: |listener, text| Auth::from_name(text).map(|auth| listener.options.auth = Some(auth)),
        show: |listener| listener.options.auth.map(|auth| quoted(auth.name())),
    },
    ListenerKey {
        name: "auth_users",
        expected: "a path",
        set: |listener, text| path(text).map(|path| listener.options.auth_users = Some(path)),
        show: |listener| show_path(&listener.options.auth_users),
    },
    ListenerKey {
        name: "auth_required",
        expected: SWITCH,
        set: |listener, text| {
            parse_switch(text).map(|is_required| listener.options.auth_required = Some(is_required))
        },
        show: |listener| listener.options.auth_required.map(|it| it.to_string()),
    },
    ListenerKey {
        name: "auth_tls_only",
        expected: SWITCH,
        set: |listener, text| {
            parse_switch(text).map(|is_only| listener.options.auth_tls_only = Some(is_only))
        },
        show: |listener| listener.options.auth_tls_only.map(|it| it.to_string()),
    },
    ListenerKey {
        name: "tls",
        expected: tls::TLS,
        set: |listener, text| Tls::from_name(text).map(|tls| listener.options.tls = Some(tls)),
        show: |listener| listener.options.tls.map(|tls| quoted(tls.name())),
    },
    ListenerKey {
        name: "tls_cert",
        expected: "a path",
        set: |listener, text| {
            path(text).map(|path| listener.options.certificates.cert = Some(path))
        },
        show: |listener| show_path(&listener.options.certificates.cert),
    },
    ListenerKey {
        name: "tls_key",
        expected: "a path",
        set: |listener, text| path(text).map(|path| listener.options.certificates.key = Some(path)),
        show: |listener| show_path(&listener.options.certificates.key),
    },
    ListenerKey {
        name: "tls_client_ca",
        expected: "a path",
        set: |listener, text| {
            path(text).map(|path| listener.options.certificates.client_ca = Some(path))
        },
        show: |listener| show_path(&listener.options.certificates.client_ca),
    },
    ListenerKey {
        name: "tls_client_certs",
        expected: tls::CLIENT_CERTS,
        set: |listener, text| {
            ClientCerts::from_name(text)
                .map(|certs| listener.options.certificates.client_certs = Some(certs))
        },
        show: |listener| {
            listener.options.certificates.client_certs.map(|certs| quoted(certs.name()))
        },
    },
    ListenerKey {
        name: "message_bytes_max",
        expected: MESSAGE_BYTES,
        set: |listener, text| {
            message_bytes(text).map(|bytes| listener.options.message_bytes_max = Some(bytes))
        },
        show: |listener| listener.options.message_bytes_max.map(show_bytes),
    },
    ListenerKey {
        name: "recipients_max",
        expected: COUNT,
        set: |listener, text| count(text).map(|n| listener.options.recipients_max = Some(n)),
        show: |listener| listener.options.recipients_max.map(|n| n.to_string()),
    },
    ListenerKey {
        name: "errors_max",
        expected: COUNT_OR_NONE,
        set: |listener, text| session_max(text).map(|max| listener.options.errors_max = Some(max)),
        show: |listener| listener.options.errors_max.map(show_session_max),
    },
    ListenerKey {
        name: "messages_max",
        expected: COUNT_OR_NONE,
        set: |listener, text| {
            session_max(text).map(|max| listener.options.messages_max = Some(max))
        },
        show: |listener| listener.options.messages_max.map(show_session_max),
    },
];

fn session_max(text: &str) -> Option<SessionMax> {
    parse_option(text, count).map(|max| max.map_or(SessionMax::Unlimited, SessionMax::At))
}

fn show_session_max(max: SessionMax) -> String {
    show_option(max.limit(), |max| max.to_string())
}

/// Name, protocol, and whether TLS begins with the first octet.
const PROTOCOLS: [(&str, Protocol, bool); 5] = [
    ("smtp", Protocol::Smtp, false),
    ("smtps", Protocol::Smtp, true),
    ("submission", Protocol::Submission, false),
    ("submissions", Protocol::Submission, true),
    ("lmtp", Protocol::Lmtp, false),
];

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

fn show_path(path: &Option<PathBuf>) -> Option<String> {
    path.as_ref().map(|path| quoted(&path.to_string_lossy()))
}

/// Parses comma-separated networks.
fn networks(text: &str) -> Option<Vec<Networks>> {
    text.split(',').map(|word| word.trim().parse().ok()).collect()
}

fn show_networks(networks: &[Networks]) -> Option<String> {
    (!networks.is_empty()).then(|| client_list::show(networks))
}

/// Returns the key that `name` probably means; `None` if none is similar enough.
pub(super) fn closest_name(name: &str) -> Option<&'static str> {
    let names = LISTENER_KEYS.iter().map(|key| key.name).chain(["address"]);
    nearest(name, names)
}

/// Returns a `[[listener]]` table for each listener that has options, as TOML; empty if none has.
pub(super) fn show_tables(listeners: &[Listener]) -> String {
    let tables = listeners.iter().filter(|listener| !is_plain(listener)).map(|listener| {
        let address = format!("address = {}\n", quoted(&listener.address.to_string()));
        let keys = LISTENER_KEYS.iter().filter_map(|key| {
            (key.show)(listener).map(|value| format!("{} = {value}\n", key.name))
        });
        format!("\n[[listener]]\n{address}{}", keys.collect::<String>())
    });
    tables.collect()
}

/// Returns whether a listener has no options, so that its address describes it fully.
pub(super) fn is_plain(listener: &Listener) -> bool {
    listener.options == ListenerOptions::default()
}
