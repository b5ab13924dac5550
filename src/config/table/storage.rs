//! `[storage]`: how much of each message is stored.
use crate::config::setting::{Setter, Setting};
use crate::config::storage;
use crate::config::value::quoted;

pub(super) const SETTINGS: &[Setting] = &[
    key!(
        "storage",
        "store",
        "MODE",
        "Part of each message to store unless a rule says otherwise: 'full', 'headers', 'envelope' or 'none' (only counted).",
        "'full', 'headers', 'envelope' or 'none'",
        |c, v| v.parse().ok().map(|mode| c.storage.mode = mode),
        |c| quoted(&c.storage.mode.to_string())
    ),
    Setting {
        table: "storage",
        name: "store_rule",
        value: "DOMAIN=MODE[/N]",
        alone: None,
        help: "How much of the mail for a recipient domain to store (example.org, *.example.org for its subdomains, * for all others); /N keeps one message in N in full. May be repeated.",
        expected: "rules such as example.org=headers, *.test=none or *=envelope/10",
        set: Setter::Many {
            clear: |c| c.storage.rules.clear(),
            add: |c, v| {
                storage::add_rule(&mut c.storage.rules, v).map_err(storage::BadRule::expected)
            },
        },
        show: |c| {
            let rules: Vec<String> =
                c.storage.rules.iter().map(|r| quoted(&r.to_string())).collect();
            format!("[{}]", rules.join(", "))
        },
    },
];
