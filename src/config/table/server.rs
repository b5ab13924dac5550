//! `[server]`: listening addresses, names, extensions, access lists, AUTH and worker threads.
use crate::config::auth::{self, Auth};
use crate::config::bounds::{COUNT_SMALL, NAME_OR_NONE, NETWORK, count};
use crate::config::client_list::{self, Denied, parse_network};
use crate::config::listen;
use crate::config::listener_keys::is_plain;
use crate::config::names;
use crate::config::setting::{Setter, Setting, show_switch};
use crate::config::value::{
    SWITCH, parse_option, parse_path, parse_switch, quoted, show_number, show_option, show_path,
};
use crate::smtp::extension::Extension;
use crate::smtp::limits::Syntax;

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        table: "server",
        name: "listen",
        value: "ADDR",
        alone: None,
        help: "Address for SMTP, or unix:PATH for a Unix socket. Prefixes: lmtp: for LMTP, submission: for message submission, smtps: and submissions: for TLS from the first byte, proxy: for connections with a PROXY header. Port 0 selects a free port. May be repeated.",
        expected: listen::EXPECTED,
        set: Setter::Many {
            clear: |c| c.listen.clear(),
            add: |c, v| v.parse().map(|l| c.listen.push(l)).map_err(|_| listen::EXPECTED),
        },
        show: |c| {
            let plain = c.listen.iter().filter(|l| is_plain(l));
            let listen: Vec<String> = plain.map(|l| quoted(&l.to_string())).collect();
            format!("[{}]", listen.join(", "))
        },
    },
    key!(
        "server",
        "data",
        "DIR",
        "Data folder; created if it does not exist.",
        "a path",
        |c, v| (!v.is_empty()).then(|| c.data = v.into()),
        |c| quoted(&c.data.to_string_lossy())
    ),
    key!(
        "server",
        "hostname",
        "NAME",
        "Name in the greeting and in replies.",
        names::HOSTNAME,
        |c, v| names::hostname(v).map(|name| c.hostname = name),
        |c| quoted(&c.hostname)
    ),
    key!(
        "server",
        "name",
        "NAME",
        "Name of this sink in envelopes and in the reply to each message, to distinguish the sinks of a fleet.",
        NAME_OR_NONE,
        |c, v| parse_option(v, names::name).map(|name| c.name = name),
        |c| show_option(c.name.as_deref(), quoted)
    ),
    key!(
        "server",
        "greeting",
        "TEXT",
        "Text after 220 in the greeting, instead of host name and protocol; \\n starts a new line.",
        names::GREETING,
        |c, v| {
            c.greeting = parse_option(v, |v| names::greeting(&v.replace("\\n", "\n")))?;
            Some(())
        },
        |c| show_option(c.greeting.as_deref(), quoted)
    ),
    Setting {
        table: "server",
        name: "extensions",
        value: "KEYWORDS",
        alone: None,
        help: "Extensions to offer, in the order of the EHLO reply; commands and parameters of other extensions are refused. May be repeated.",
        expected: names::EXTENSIONS,
        set: Setter::Many {
            clear: |c| c.extensions.clear(),
            add: |c, v| add_extensions(&mut c.extensions, v),
        },
        show: |c| names::show_extensions(&c.extensions),
    },
    Setting {
        table: "server",
        name: "without",
        value: "KEYWORDS",
        alone: None,
        help: "Extensions not to offer, such as PIPELINING,CHUNKING. May be repeated.",
        expected: names::EXTENSIONS,
        set: Setter::Many {
            clear: |c| c.without.clear(),
            add: |c, v| add_extensions(&mut c.without, v),
        },
        show: |c| names::show_extensions(&c.without),
    },
    Setting {
        table: "server",
        name: "allow",
        value: "NETWORK",
        alone: None,
        help: "Serve only clients in this network, or in the networks listed in @FILE (one per line); a more specific network in --deny takes precedence. May be repeated.",
        expected: client_list::EXPECTED,
        set: Setter::Many {
            clear: |c| c.clients.allow.clear(),
            add: |c, v| {
                v.parse().map(|it| c.clients.allow.push(it)).map_err(|_| client_list::EXPECTED)
            },
        },
        show: |c| client_list::show(&c.clients.allow),
    },
    Setting {
        table: "server",
        name: "deny",
        value: "NETWORK",
        alone: None,
        help: "Refuse clients in this network, or in the networks listed in @FILE (one per line); a more specific network in --allow takes precedence. May be repeated.",
        expected: client_list::EXPECTED,
        set: Setter::Many {
            clear: |c| c.clients.deny.clear(),
            add: |c, v| {
                v.parse().map(|it| c.clients.deny.push(it)).map_err(|_| client_list::EXPECTED)
            },
        },
        show: |c| client_list::show(&c.clients.deny),
    },
    key!(
        "server",
        "denied",
        "HOW",
        "Treatment of clients that are not served: 'reply' answers 554 in place of the greeting, 'close' sends nothing.",
        client_list::DENIED,
        |c, v| Denied::from_name(v).map(|denied| c.clients.denied = denied),
        |c| quoted(c.clients.denied.name())
    ),
    Setting {
        table: "server",
        name: "proxy_trusted",
        value: "NETWORK",
        alone: None,
        help: "Network whose PROXY headers are trusted, on listeners with the prefix proxy:; Unix sockets are always trusted. May be repeated.",
        expected: NETWORK,
        set: Setter::Many {
            clear: |c| c.clients.proxy_trusted.clear(),
            add: |c, v| parse_network(v).map(|it| c.clients.proxy_trusted.push(it)).ok_or(NETWORK),
        },
        show: |c| {
            let shown = c.clients.proxy_trusted.iter().map(|network| quoted(&network.to_string()));
            format!("[{}]", shown.collect::<Vec<_>>().join(", "))
        },
    },
    Setting {
        table: "server",
        name: "xclient_trusted",
        value: "NETWORK",
        alone: None,
        help: "Network whose clients may name the original client via XCLIENT; if any network is listed, clients on Unix sockets may do so too. May be repeated.",
        expected: NETWORK,
        set: Setter::Many {
            clear: |c| c.clients.xclient_trusted.clear(),
            add: |c, v| {
                parse_network(v).map(|it| c.clients.xclient_trusted.push(it)).ok_or(NETWORK)
            },
        },
        show: |c| {
            let shown =
                c.clients.xclient_trusted.iter().map(|network| quoted(&network.to_string()));
            format!("[{}]", shown.collect::<Vec<_>>().join(", "))
        },
    },
    key!(
        "server",
        "auth",
        "MODE",
        "Reply to AUTH (PLAIN, LOGIN, CRAM-MD5, XOAUTH2): 'any' accepts every user, 'reject' answers 535, 'defer' answers 454, and 'off' does not offer AUTH.",
        auth::AUTH,
        |c, v| Auth::from_name(v).map(|auth| c.auth.mode = auth),
        |c| quoted(c.auth.mode.name())
    ),
    key!(
        "server",
        "auth_users",
        "FILE",
        "Offer AUTH and accept only the users in this file: NAME:PASSWORD, one per line, readable only by its owner.",
        "a path, or 'none'",
        |c, v| parse_path(v).map(|path| c.auth.users = path),
        |c| show_path(&c.auth.users)
    ),
    key!(
        "server",
        "auth_required",
        "on|off",
        "Reject MAIL with 530 until the client has authenticated.",
        SWITCH,
        |c, v| parse_switch(v).map(|is_on| c.auth.is_required = is_on),
        |c| show_switch(c, |c| c.auth.is_required)
    ),
    key!(
        "server",
        "auth_tls_only",
        "on|off",
        "Offer AUTH only under TLS.",
        SWITCH,
        |c, v| parse_switch(v).map(|is_on| c.auth.is_tls_only = is_on),
        |c| show_switch(c, |c| c.auth.is_tls_only)
    ),
    key!(
        "server",
        "workers",
        "N",
        "Number of event loops; 'auto' is one per core that sinkd may use, at most 8.",
        "a whole number from 1 to 256, or 'auto'",
        |c, v| {
            let workers =
                if v == "auto" { None } else { Some(count::<usize>(v).filter(|n| *n <= 256)?) };
            c.workers = workers;
            Some(())
        },
        |c| c.workers.map_or("\"auto\"".into(), show_number)
    ),
    key!(
        "server",
        "backlog",
        "N",
        "Maximum number of connections that the kernel queues, per listener and worker.",
        COUNT_SMALL,
        |c, v| count::<u16>(v).map(|n| c.backlog = i32::from(n)),
        |c| show_number(c.backlog)
    ),
    key!(
        "server",
        "syntax",
        "HOW",
        "Treatment of commands that break the grammar but are unambiguous: 'lenient' accepts and counts them, 'strict' rejects them (RFC 5321).",
        "'lenient' or 'strict'",
        |c, v| {
            c.syntax = match v {
                "lenient" => Syntax::Lenient,
                "strict" => Syntax::Strict,
                _ => return None,
            };
            Some(())
        },
        |c| match c.syntax {
            Syntax::Lenient => quoted("lenient"),
            Syntax::Strict => quoted("strict"),
        }
    ),
];

/// Adds the extensions in `text`. Errors: an unknown keyword, or one that is already in the list.
fn add_extensions(list: &mut Vec<Extension>, text: &str) -> Result<(), &'static str> {
    for extension in names::extensions(text).ok_or(names::EXTENSIONS)? {
        if list.contains(&extension) {
            return Err("each extension once");
        }
        list.push(extension);
    }
    Ok(())
}
