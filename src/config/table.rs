//! The table of settings.
use std::path::PathBuf;
use std::time::Duration;

use super::auth::{self, Auth};
use super::bounds::{
    COUNT, COUNT_LARGE_OR_NONE, COUNT_OR_NONE, COUNT_SMALL, DISK_BYTES_MAX, MEMORY, NAME_OR_NONE,
    NETWORK, TIME, TIME_OR_NONE, TIMEOUT, between, count, count_large, parse_timeout, time_between,
};
use super::client_list::{self, Denied, parse_network};
use super::listener_keys::is_plain;
use super::setting::{Setter, Setting};
use super::tls::{self, ClientCerts, Tls};
use super::value::{
    self, parse_bytes, parse_option, parse_switch, quoted, show_bytes, show_option, show_time,
};
use super::{Config, LogFormat, LogLevel, http, listen, names, storage, transcript};
use crate::index::When;
use crate::index::format::SEQUENCE_FIELD_BYTES_MAX;
use crate::log::Durability;
use crate::smtp::extension::Extension;
use crate::smtp::limits::Syntax;

fn show_switch(config: &Config, is_on: fn(&Config) -> bool) -> String {
    quoted(if is_on(config) { "on" } else { "off" })
}

fn parse_durability(text: &str) -> Option<Durability> {
    match text {
        "process" => Some(Durability::Process),
        "message" => Some(Durability::Message),
        time => Some(Durability::Interval(parse_timeout(time)?)),
    }
}

/// A path, or `none`.
fn parse_path(text: &str) -> Option<Option<PathBuf>> {
    parse_option(text, |path| (!path.is_empty()).then(|| path.into()))
}

fn show_path(path: &Option<PathBuf>) -> String {
    show_option(path.as_deref(), |path| quoted(&path.to_string_lossy()))
}

fn number<T: ToString>(n: T) -> String {
    n.to_string()
}

/// Adds extensions that are not there yet.
fn add_extensions(list: &mut Vec<Extension>, text: &str) -> Result<(), &'static str> {
    for extension in names::extensions(text).ok_or(names::EXTENSIONS)? {
        if list.contains(&extension) {
            return Err("each extension once");
        }
        list.push(extension);
    }
    Ok(())
}

/// A row: table, name, value, help, expected, how it is set, how it is shown.
macro_rules! key {
    ($table:literal, $name:literal, $value:literal, $help:literal, $expected:expr, $set:expr, $show:expr) => {
        Setting {
            table: $table,
            name: $name,
            value: $value,
            alone: None,
            help: $help,
            expected: $expected,
            set: Setter::One($set),
            show: $show,
        }
    };
}

/// Every setting, in the order in which it is printed.
pub const KEYS: &[Setting] = &[
    Setting {
        table: "server",
        name: "listen",
        value: "ADDR",
        alone: None,
        help: "Address for SMTP, or unix:PATH for a Unix socket; the prefix lmtp: selects LMTP, submission: message submission, smtps: or submissions: the same with TLS from the first byte, proxy: expects a PROXY header, and port 0 is a free port. May be repeated.",
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
        "Name of this sink in envelopes and in the reply to each message, to tell the sinks of a fleet apart.",
        NAME_OR_NONE,
        |c, v| parse_option(v, names::name).map(|name| c.name = name),
        |c| show_option(c.name.as_deref(), quoted)
    ),
    key!(
        "server",
        "greeting",
        "TEXT",
        "Text after 220 in the greeting, instead of the name and the protocol; \\n begins another line.",
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
        help: "Extensions to offer, in the order of the EHLO reply; a server without them refuses what belongs to them. May be repeated.",
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
        help: "Serve only clients in this network, or in the networks listed in @FILE (one per line); a smaller network in --deny is an exception. May be repeated.",
        expected: client_list::EXPECTED,
        set: Setter::Many {
            clear: |c| c.allow.clear(),
            add: |c, v| v.parse().map(|it| c.allow.push(it)).map_err(|_| client_list::EXPECTED),
        },
        show: |c| client_list::show(&c.allow),
    },
    Setting {
        table: "server",
        name: "deny",
        value: "NETWORK",
        alone: None,
        help: "Refuse clients in this network, or in the networks listed in @FILE (one per line); a smaller network in --allow is an exception. May be repeated.",
        expected: client_list::EXPECTED,
        set: Setter::Many {
            clear: |c| c.deny.clear(),
            add: |c, v| v.parse().map(|it| c.deny.push(it)).map_err(|_| client_list::EXPECTED),
        },
        show: |c| client_list::show(&c.deny),
    },
    key!(
        "server",
        "denied",
        "HOW",
        "Treatment of clients that are not served: 'reply' answers 554 in place of the greeting, 'close' sends nothing.",
        client_list::DENIED,
        |c, v| Denied::of(v).map(|denied| c.denied = denied),
        |c| quoted(c.denied.name())
    ),
    Setting {
        table: "server",
        name: "proxy_trusted",
        value: "NETWORK",
        alone: None,
        help: "Network whose PROXY headers are believed, on listeners with the prefix proxy:; Unix sockets always are. May be repeated.",
        expected: NETWORK,
        set: Setter::Many {
            clear: |c| c.proxy_trusted.clear(),
            add: |c, v| parse_network(v).map(|it| c.proxy_trusted.push(it)).ok_or(NETWORK),
        },
        show: |c| {
            let shown = c.proxy_trusted.iter().map(|network| quoted(&network.to_string()));
            format!("[{}]", shown.collect::<Vec<_>>().join(", "))
        },
    },
    Setting {
        table: "server",
        name: "xclient_trusted",
        value: "NETWORK",
        alone: None,
        help: "Network whose clients may name the original client via XCLIENT; if any network is listed, clients of Unix sockets may, too. May be repeated.",
        expected: NETWORK,
        set: Setter::Many {
            clear: |c| c.xclient_trusted.clear(),
            add: |c, v| parse_network(v).map(|it| c.xclient_trusted.push(it)).ok_or(NETWORK),
        },
        show: |c| {
            let shown = c.xclient_trusted.iter().map(|network| quoted(&network.to_string()));
            format!("[{}]", shown.collect::<Vec<_>>().join(", "))
        },
    },
    key!(
        "server",
        "auth",
        "MODE",
        "Reply to AUTH (PLAIN, LOGIN, CRAM-MD5, XOAUTH2): 'any' accepts every user, 'reject' answers 535, 'defer' answers 454, and 'off' does not offer AUTH.",
        auth::AUTH,
        |c, v| Auth::of(v).map(|auth| c.auth = auth),
        |c| quoted(c.auth.name())
    ),
    key!(
        "server",
        "auth_users",
        "FILE",
        "Offer AUTH and accept only the users in this file: NAME:PASSWORD, one per line, readable only by its owner.",
        "a path, or 'none'",
        |c, v| parse_path(v).map(|path| c.auth_users = path),
        |c| show_path(&c.auth_users)
    ),
    key!(
        "server",
        "auth_required",
        "SWITCH",
        "Reject MAIL with 530 until the client has authenticated: 'on' or 'off'.",
        value::SWITCH,
        |c, v| parse_switch(v).map(|is_on| c.auth_required = is_on),
        |c| show_switch(c, |c| c.auth_required)
    ),
    key!(
        "server",
        "auth_tls_only",
        "SWITCH",
        "Offer AUTH only under TLS: 'on' or 'off'.",
        value::SWITCH,
        |c, v| parse_switch(v).map(|is_on| c.auth_tls_only = is_on),
        |c| show_switch(c, |c| c.auth_tls_only)
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
        |c| c.workers.map_or("\"auto\"".into(), number)
    ),
    key!(
        "server",
        "backlog",
        "N",
        "Connections that the kernel queues, per listener and worker.",
        COUNT_SMALL,
        |c, v| count::<u16>(v).map(|n| c.backlog = i32::from(n)),
        |c| number(c.backlog)
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
    Setting {
        table: "tls",
        name: "tls",
        value: "MODE",
        alone: Some("offered"),
        help: "TLS by STARTTLS on every listener: 'offered', 'required' before mail, or 'off'; --tls alone offers it.",
        expected: tls::TLS,
        set: Setter::One(|c, v| Tls::of(v).map(|tls| c.tls = tls)),
        show: |c| quoted(c.tls.name()),
    },
    key!(
        "tls",
        "tls_cert",
        "FILE",
        "Certificate to show, in PEM, followed by its chain; 'none' makes one, signed by a CA in the data folder (sinkctl cert).",
        "a path, or 'none'",
        |c, v| parse_path(v).map(|path| c.tls_cert = path),
        |c| show_path(&c.tls_cert)
    ),
    key!(
        "tls",
        "tls_key",
        "FILE",
        "Private key of the certificate, in PEM.",
        "a path, or 'none'",
        |c, v| parse_path(v).map(|path| c.tls_key = path),
        |c| show_path(&c.tls_key)
    ),
    key!(
        "tls",
        "tls_client_ca",
        "FILE",
        "Certificates of the CAs that sign certificates of clients, in PEM.",
        "a path, or 'none'",
        |c, v| parse_path(v).map(|path| c.tls_client_ca = path),
        |c| show_path(&c.tls_client_ca)
    ),
    key!(
        "tls",
        "tls_client_certs",
        "MODE",
        "Certificates of clients: 'off' does not ask, 'optional' asks and refuses those of other CAs, 'required' refuses clients without; 'auto' is 'optional' if tls_client_ca is set.",
        "'off', 'optional', 'required' or 'auto'",
        |c, v| {
            c.tls_client_certs = if v == "auto" { None } else { Some(ClientCerts::of(v)?) };
            Some(())
        },
        |c| quoted(c.tls_client_certs.map_or("auto", ClientCerts::name))
    ),
    key!(
        "limits",
        "message_bytes_max",
        "SIZE",
        "Maximum size of a message, announced as SIZE (RFC 1870).",
        "a size from 1 byte to 4095M (units: K, M, G, T)",
        |c, v| between(parse_bytes(v), 1, 4095 << 20).map(|n| c.limits.message_bytes_max = n),
        |c| show_bytes(c.limits.message_bytes_max)
    ),
    key!(
        "limits",
        "recipients_max",
        "N",
        "Maximum number of recipients per message, announced as LIMITS RCPTMAX (RFC 9422); a value below 100 causes a warning.",
        COUNT,
        |c, v| count::<u32>(v).map(|n| c.limits.recipients_max = n),
        |c| number(c.limits.recipients_max)
    ),
    key!(
        "limits",
        "envelope_bytes_max",
        "SIZE",
        "Maximum size of an envelope with all its addresses.",
        "a size from 64K to 3M (units: K, M)",
        |c, v| between(parse_bytes(v), 64 << 10, 3 << 20)
            .map(|n| c.limits.envelope_bytes_max = n as usize),
        |c| show_bytes(c.limits.envelope_bytes_max as u64)
    ),
    key!(
        "limits",
        "command_line_bytes_max",
        "SIZE",
        "Maximum length of a command line, including CRLF.",
        "a size from 512 bytes (RFC 5321 section 4.5.3.1.4) to 64K (unit: K)",
        |c, v| between(parse_bytes(v), 512, 64 << 10)
            .map(|n| c.limits.command_line_bytes_max = n as usize),
        |c| show_bytes(c.limits.command_line_bytes_max as u64)
    ),
    key!(
        "limits",
        "errors_max",
        "N",
        "Number of errors after which a session is closed with 421.",
        COUNT_OR_NONE,
        |c, v| parse_option(v, count).map(|n| c.limits.errors_max = n),
        |c| show_option(c.limits.errors_max, number)
    ),
    key!(
        "limits",
        "messages_max",
        "N",
        "Maximum number of messages per connection, announced as LIMITS MAILMAX (RFC 9422).",
        COUNT_OR_NONE,
        |c, v| parse_option(v, count).map(|n| c.limits.messages_max = n),
        |c| show_option(c.limits.messages_max, number)
    ),
    key!(
        "limits",
        "connections_max",
        "N",
        "Maximum number of open connections; 'none' is as many as the descriptor limit allows.",
        COUNT_OR_NONE,
        |c, v| parse_option(v, count).map(|n| c.connections_max = n),
        |c| show_option(c.connections_max, number)
    ),
    key!(
        "limits",
        "connections_per_client_max",
        "N",
        "Maximum number of open connections per client address.",
        COUNT_OR_NONE,
        |c, v| parse_option(v, count).map(|n| c.connections_per_client_max = n),
        |c| show_option(c.connections_per_client_max, number)
    ),
    key!(
        "memory",
        "envelope_memory_bytes",
        "SIZE",
        "Memory for envelopes in progress, per worker; if it is exceeded, RCPT is answered with 452.",
        MEMORY,
        |c, v| between(parse_bytes(v), 1 << 20, 1 << 40)
            .map(|n| c.envelope_memory_bytes = n as usize),
        |c| show_bytes(c.envelope_memory_bytes as u64)
    ),
    key!(
        "memory",
        "buffer_memory_bytes",
        "SIZE",
        "Memory for payloads that arrive in pieces, per worker; if it is exceeded, the transfer that stalled longest is closed.",
        MEMORY,
        |c, v| between(parse_bytes(v), 1 << 20, 1 << 40)
            .map(|n| c.buffer_memory_bytes = n as usize),
        |c| show_bytes(c.buffer_memory_bytes as u64)
    ),
    key!(
        "timeouts",
        "command_timeout",
        "TIME",
        "Maximum silence between commands (RFC 5321 section 4.5.3.2.7: 5 minutes).",
        TIMEOUT,
        |c, v| parse_timeout(v).map(|t| c.command_timeout = t),
        |c| show_time(c.command_timeout)
    ),
    key!(
        "timeouts",
        "data_timeout",
        "TIME",
        "Maximum silence within mail data.",
        TIMEOUT,
        |c, v| parse_timeout(v).map(|t| c.data_timeout = t),
        |c| show_time(c.data_timeout)
    ),
    key!(
        "timeouts",
        "storage_wait",
        "TIME",
        "Time for which a transfer waits for room in the log before it is answered with 452.",
        TIME,
        |c, v| time_between(v, Duration::ZERO).map(|t| c.storage_wait = t),
        |c| show_time(c.storage_wait)
    ),
    key!(
        "storage",
        "store",
        "MODE",
        "Part of each message to store unless a rule says otherwise: 'full', 'headers', 'envelope' or 'none' (only counted).",
        "'full', 'headers', 'envelope' or 'none'",
        |c, v| v.parse().ok().map(|mode| c.store = mode),
        |c| quoted(&c.store.to_string())
    ),
    Setting {
        table: "storage",
        name: "store_rule",
        value: "DOMAIN=MODE[/N]",
        alone: None,
        help: "Part to store of mail for a recipient domain (example.org, *.example.org for its subdomains, * for all others); /N keeps one message in N in full. May be repeated.",
        expected: "rules such as example.org=headers, *.test=none or *=envelope/10",
        set: Setter::Many {
            clear: |c| c.store_rules.clear(),
            add: |c, v| {
                storage::add_rule(&mut c.store_rules, v).map_err(storage::BadRule::expected)
            },
        },
        show: |c| {
            let rules: Vec<String> = c.store_rules.iter().map(|r| quoted(&r.to_string())).collect();
            format!("[{}]", rules.join(", "))
        },
    },
    key!(
        "log",
        "durability",
        "WHAT",
        "What an acknowledged message survives. 'process': a crash or kill of sinkd; 'message': also a power loss; a time such as 1s: also a power loss, once the message is that old.",
        "'process', 'message', or a duration from 1ms to 87600h, such as 1s",
        |c, v| parse_durability(v).map(|d| c.durability = d),
        |c| match c.durability {
            Durability::Process => quoted("process"),
            Durability::Message => quoted("message"),
            Durability::Interval(time) => show_time(time),
        }
    ),
    key!(
        "log",
        "retain_bytes",
        "SIZE",
        "Maximum disk space for segments; beyond it, the oldest mail is dropped and its files are reused.",
        "a size from 64M to 1024T (units: K, M, G, T), or 'none'",
        |c, v| {
            let least = |text: &str| between(parse_bytes(text), 64 << 20, DISK_BYTES_MAX);
            parse_option(v, least).map(|n| c.retention.bytes = n)
        },
        |c| show_option(c.retention.bytes, show_bytes)
    ),
    key!(
        "log",
        "retain_age",
        "TIME",
        "Drop a segment once its newest message is older than this.",
        "a duration from 1s to 87600h, such as 24h, or 'none'",
        |c, v| {
            let least = |text: &str| time_between(text, Duration::from_secs(1));
            parse_option(v, least).map(|t| c.retention.age = t)
        },
        |c| show_option(c.retention.age, show_time)
    ),
    key!(
        "log",
        "retain_segments",
        "N",
        "Maximum number of segments, including those in use.",
        "a whole number from 4 to 1000000000000, or 'none'",
        |c, v| {
            let least = |text: &str| count_large(text).filter(|n| *n >= 4);
            parse_option(v, least).map(|n| c.retention.segments = n)
        },
        |c| show_option(c.retention.segments, number)
    ),
    key!(
        "log",
        "segment_bytes",
        "SIZE",
        "Size to which segments grow; the first segment of each worker is 4 MiB.",
        "a size from 1M to 4095M (units: K, M, G, T), a multiple of 4096",
        |c, v| {
            let bytes = between(parse_bytes(v), 1 << 20, 4095 << 20).filter(|n| n % 4096 == 0)?;
            c.segment_bytes = bytes;
            Some(())
        },
        |c| show_bytes(c.segment_bytes)
    ),
    key!(
        "log",
        "region_memory_bytes",
        "SIZE",
        "Space in the log for transfers in progress, per worker.",
        "a size from 8M to 1T, such as 64M (units: K, M, G, T)",
        |c, v| between(parse_bytes(v), 8 << 20, 1 << 40).map(|n| c.region_memory_bytes = n),
        |c| show_bytes(c.region_memory_bytes)
    ),
    key!(
        "log",
        "own_segments_max",
        "N",
        "Maximum number of messages above 4 MiB in progress at once, per worker; further ones are answered with 452.",
        COUNT_SMALL,
        |c, v| count::<u16>(v).map(|n| c.own_segments_max = usize::from(n)),
        |c| number(c.own_segments_max)
    ),
    key!(
        "stats",
        "stats",
        "on|off",
        "Record statistics in the data folder, for sinkctl stats.",
        value::SWITCH,
        |c, v| parse_switch(v).map(|on| c.stats = on),
        |c| show_switch(c, |c| c.stats)
    ),
    key!(
        "stats",
        "stats_retain_age",
        "TIME",
        "Delete each hour's statistics after this time.",
        "a duration from 1h to 87600h, such as 720h, or 'none'",
        |c, v| {
            let least = |text: &str| time_between(text, Duration::from_secs(3600));
            parse_option(v, least).map(|t| c.stats_retain_age = t)
        },
        |c| show_option(c.stats_retain_age, show_time)
    ),
    key!(
        "stats",
        "run_after_idle",
        "TIME",
        "Idle time after which the next message starts a new run; requires statistics.",
        "a duration from 1s to 87600h, such as 30s, or 'none'",
        |c, v| {
            let least = |text: &str| time_between(text, Duration::from_secs(1));
            parse_option(v, least).map(|t| c.run_after_idle = t)
        },
        |c| show_option(c.run_after_idle, show_time)
    ),
    key!(
        "stats",
        "noop_marks",
        "on|off",
        "Let clients set marks and runs: NOOP sinkd mark TEXT, run start NAME, run stop.",
        value::SWITCH,
        |c, v| parse_switch(v).map(|on| c.noop_marks = on),
        |c| show_switch(c, |c| c.noop_marks)
    ),
    key!(
        "index",
        "index",
        "WHEN",
        "When to index mail for sinkctl search: 'lazy' (while the machine is idle), 'eager' (as it arrives) or 'off' (never).",
        "'eager', 'lazy' or 'off'",
        |c, v| {
            c.index.when = match v {
                "eager" => When::Eager,
                "lazy" => When::Lazy,
                "off" => When::Off,
                _ => return None,
            };
            Some(())
        },
        |c| {
            let when = match c.index.when {
                When::Eager => "eager",
                When::Lazy => "lazy",
                When::Off => "off",
            };
            quoted(when)
        }
    ),
    key!(
        "index",
        "index_threads",
        "N",
        "Number of threads that index mail; several catch up faster.",
        "a whole number from 1 to 64",
        |c, v| count::<usize>(v).filter(|n| *n <= 64).map(|n| c.index.threads = n),
        |c| number(c.index.threads)
    ),
    key!(
        "index",
        "sequence_field",
        "NAME",
        "Header field that numbers the messages, kept in the index, or 'none'.",
        "the name of a header field of at most 64 bytes, or 'none'",
        |c, v| {
            let is_name = |name: &str| {
                let is_ftext = |octet: u8| octet.is_ascii_graphic() && octet != b':';
                (1..=SEQUENCE_FIELD_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_ftext)
            };
            let name = if v == "none" { "" } else { Some(v).filter(|v| is_name(v))? };
            c.index.sequence_field = name.into();
            Some(())
        },
        |c| match c.index.sequence_field.as_str() {
            "" => quoted("none"),
            name => quoted(name),
        }
    ),
    key!(
        "http",
        "http",
        "ADDR",
        "Address for HTTP (/metrics, /healthz, /readyz), or 'off'; 'auto' is 127.0.0.1:8025, or 'off' if that address is in use. An explicitly given address must be free.",
        http::EXPECTED,
        |c, v| v.parse().ok().map(|http| c.http = http),
        |c| quoted(&c.http.to_string())
    ),
    key!(
        "stop",
        "stop_grace",
        "TIME",
        "Time for which transactions in progress may continue when sinkd stops.",
        TIME,
        |c, v| time_between(v, Duration::ZERO).map(|t| c.stop_grace = t),
        |c| show_time(c.stop_grace)
    ),
    key!(
        "stop",
        "stop_after_messages",
        "N",
        "Stop once exactly N messages are stored.",
        COUNT_LARGE_OR_NONE,
        |c, v| parse_option(v, count_large).map(|n| c.stop_after_messages = n),
        |c| show_option(c.stop_after_messages, number)
    ),
    key!(
        "stop",
        "stop_after_sessions",
        "N",
        "Stop once N sessions have ended.",
        COUNT_LARGE_OR_NONE,
        |c, v| parse_option(v, count_large).map(|n| c.stop_after_sessions = n),
        |c| show_option(c.stop_after_sessions, number)
    ),
    key!(
        "stop",
        "stop_after_idle",
        "TIME",
        "Stop when no client has sent anything for this time.",
        TIME_OR_NONE,
        |c, v| parse_option(v, parse_timeout).map(|t| c.stop_after_idle = t),
        |c| show_option(c.stop_after_idle, show_time)
    ),
    key!(
        "transcripts",
        "transcript",
        "DIR",
        "Folder for transcripts of sessions as text, without mail data or secrets; created if it does not exist.",
        "a path, or 'none'",
        |c, v| {
            let folder = parse_option(v, |v| (!v.is_empty()).then(|| v.into()))?;
            c.transcript = folder;
            Some(())
        },
        |c| show_option(c.transcript.as_ref(), |t| quoted(&t.to_string_lossy()))
    ),
    key!(
        "transcripts",
        "transcript_sessions",
        "WHICH",
        "Sessions to transcribe: 'all', 'errors' (those with a 4xx or 5xx reply) or 1/N (one in N).",
        transcript::EXPECTED,
        |c, v| v.parse().ok().map(|s| c.transcript_sessions = s),
        |c| quoted(&c.transcript_sessions.to_string())
    ),
    key!(
        "logging",
        "log_level",
        "LEVEL",
        "Least severe level to log on stderr: 'error', 'warn', 'info', 'debug' or 'trace'.",
        "'error', 'warn', 'info', 'debug' or 'trace'",
        |c, v| {
            c.log_level = LogLevel::ALL.into_iter().find(|level| level.name() == v)?;
            Some(())
        },
        |c| quoted(c.log_level.name())
    ),
    key!(
        "logging",
        "log_format",
        "FORMAT",
        "Format of the log: 'text' or 'json'.",
        "'text' or 'json'",
        |c, v| {
            c.log_format = match v {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return None,
            };
            Some(())
        },
        |c| quoted(match c.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    ),
];

#[cfg(test)]
mod tests {
    use super::super::value::parse_time;
    use super::*;

    #[test]
    fn values_at_their_bounds() {
        let rows = [
            ("recipients_max", "0", false),
            ("recipients_max", "1", true),
            ("command_line_bytes_max", "511", false),
            ("command_line_bytes_max", "512", true),
            ("command_line_bytes_max", "64K", true),
            ("command_line_bytes_max", "65537", false),
            ("message_bytes_max", "4095MiB", true),
            ("message_bytes_max", "4G", false),
            ("workers", "0", false),
            ("workers", "auto", true),
            ("workers", "256", true),
            ("workers", "257", false),
            ("errors_max", "none", true),
            ("errors_max", "0", false),
            ("listen", "127.0.0.1", false),
            ("listen", "[::1]:0", true),
            ("listen", "lmtp:unix:/run/sinkd.sock", true),
            ("listen", "smtps:127.0.0.1:465", true),
            ("listen", "lmtps:127.0.0.1:465", false),
            ("tls", "required", true),
            ("tls", "implicit", false),
            ("tls", "on", false),
            ("tls_cert", "none", true),
            ("tls_client_certs", "auto", true),
            ("tls_client_certs", "on", false),
            ("auth_tls_only", "on", true),
            ("auth_tls_only", "true", false),
            ("http", "off", true),
            ("http", "[::1]:0", true),
            ("http", "8025", false),
            ("http", "unix:/run/sinkd.sock", false),
            ("store", "headers", true),
            ("store", "headers/10", false),
            ("store_rule", "*=none/10", true),
            ("store_rule", "none", false),
            ("stop_after_idle", "0s", false),
            ("transcript_sessions", "1/10", true),
            ("transcript_sessions", "1/1", false),
            ("transcript_sessions", "2/10", false),
            ("transcript", "", false),
            ("log_format", "xml", false),
            ("syntax", "lenient", true),
            ("syntax", "strict", true),
            ("syntax", "loose", false),
            ("noop_marks", "on", true),
            ("noop_marks", "true", false),
            ("hostname", "two words", false),
            ("command_timeout", "0s", false),
            ("command_timeout", "1ms", true),
            ("storage_wait", "0s", true),
            ("retain_bytes", "1024TiB", true),
            ("retain_bytes", "1025TiB", false),
            ("retain_bytes", "1048576GiB", true),
            ("retain_bytes", "1048577GiB", false),
        ];
        for (name, value, good) in rows {
            let key = KEYS.iter().find(|k| k.name == name).unwrap();
            let mut config = Config::default();
            assert_eq!(key.apply(&mut config, value).is_ok(), good, "{name} = {value}");
        }
    }

    /// What stands between `from` and `to`, and after it.
    fn bounds(expected: &str) -> Option<(&str, &str)> {
        let (_, rest) = expected.split_once(" from ")?;
        let (least, rest) = rest.split_once(' ')?;
        let (_, rest) = rest.split_once("to ")?;
        Some((least, rest.split([' ', ',']).next()?))
    }

    /// One less and one more, in the unit of the text; `None` below 0.
    fn beyond(least: &str, most: &str) -> (Option<String>, String) {
        if let (Some(least), Some(most)) = (parse_bytes(least), parse_bytes(most)) {
            return (least.checked_sub(1).map(|n| n.to_string()), (most + 1).to_string());
        }
        let (least, most) = (parse_time(least).unwrap(), parse_time(most).unwrap());
        let below = least.checked_sub(Duration::from_millis(1));
        let below = below.map(|time| format!("{}ms", time.as_millis()));
        (below, format!("{}ms", most.as_millis() + 1))
    }

    #[test]
    fn every_range_states_its_bounds_and_they_are_right() {
        let mut ranges = 0;
        for key in KEYS {
            let takes = |text: &str| key.apply(&mut Config::default(), text).is_ok();
            let is_number = ["7", "16", "4K", "128K", "64MiB", "1h"].iter().any(|text| takes(text));
            if !is_number || takes("neither a number nor a size") || takes("no-number") {
                continue;
            }
            let (least, most) = bounds(key.expected).unwrap_or_else(|| panic!("{}", key.name));
            ranges += 1;
            let (below, above) = beyond(least, most);
            assert!(takes(least) && takes(most), "{}: {}", key.name, key.expected);
            assert!(!takes(&above), "{}: takes {above}, expects {}", key.name, key.expected);
            let is_below_taken = below.is_some_and(|below| takes(&below));
            assert!(!is_below_taken, "{}: takes less than {}", key.name, key.expected);
        }
        assert_eq!(ranges, 29);
    }

    #[test]
    fn a_refused_value_is_reported_with_what_was_expected_and_found() {
        for key in KEYS {
            let bad = key.apply(&mut Config::default(), "").unwrap_err().to_string();
            assert_eq!(bad, format!("expected {}, found nothing", rule_or(key)), "{}", key.name);
        }
        let hostname = KEYS.iter().find(|key| key.name == "hostname").unwrap();
        let long = hostname.apply(&mut Config::default(), &"x".repeat(256)).unwrap_err();
        assert!(
            long.to_string().starts_with("expected a name of 1 to 255 ASCII characters"),
            "{long}"
        );
        assert!(hostname.apply(&mut Config::default(), &"x".repeat(255)).is_ok());
    }

    fn rule_or(key: &Setting) -> &'static str {
        match key.name {
            "store_rule" => "a domain and its mode, as in example.org=headers or *=none",
            _ => key.expected,
        }
    }

    #[test]
    fn every_duration_has_an_upper_bound() {
        let mut durations = 0;
        for key in KEYS {
            let mut config = Config::default();
            if key.apply(&mut config, "87600h").is_err() {
                continue;
            }
            // Text takes anything.
            let texts = [
                "data",
                "hostname",
                "name",
                "greeting",
                "auth_users",
                "tls_cert",
                "tls_key",
                "tls_client_ca",
                "transcript",
                "sequence_field",
            ];
            if texts.contains(&key.name) {
                continue;
            }
            durations += 1;
            assert!(key.expected.contains("87600h"), "{} says its bound", key.name);
            for above in ["87600h1s", "315360001", "18446744073709551615"] {
                assert!(key.apply(&mut config, above).is_err(), "{} = {above}", key.name);
            }
        }
        assert_eq!(durations, 9);
    }
}
