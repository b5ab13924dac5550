//! The fuzz targets: what each calls, and which seeds it has. Included by the targets and by
//! `tests/sink/seeds.rs`, which replays the seeds.

/// A function that accepts any octets, and panics if a property does not hold.
pub type Check = fn(&[u8]);

pub struct Target {
    pub name: &'static str,
    pub check: Check,
    /// Folders with its seeds, in `fuzz/corpus`.
    #[allow(dead_code, reason = "the targets themselves get them on their command line")]
    pub seeds: &'static [&'static str],
}

/// All targets; each check is next to the code that it checks.
pub const TARGETS: &[Target] = &[
    Target { name: "session", check: sinkd::server::testkit::check_session, seeds: &["session"] },
    Target {
        name: "replies",
        check: sinkd::smtp::client::testkit::check_replies,
        seeds: &["replies"],
    },
    Target { name: "proxy", check: sinkd::smtp::proxy::check_header, seeds: &["proxy"] },
    Target { name: "xclient", check: sinkd::smtp::xclient::check_xclient, seeds: &["xclient"] },
    Target { name: "sasl", check: sinkd::smtp::sasl::check_sasl, seeds: &["sasl"] },
    Target { name: "tls", check: sinkd::tls::testkit::check_tls, seeds: &["tls"] },
    Target { name: "segment", check: sinkd::log::reader::check_segment, seeds: &["segment"] },
    Target { name: "events", check: sinkd::log::check_events, seeds: &["events"] },
    Target { name: "query", check: sinkd::index::query::testkit::check_query, seeds: &["query"] },
    Target { name: "mail", check: sinkd::mime::testkit::check_mail, seeds: &["mail"] },
    Target { name: "facts", check: sinkd::index::testkit::check_facts, seeds: &["mail"] },
    Target { name: "connections", check: sinkd::stats::check_batches, seeds: &["connections"] },
    Target { name: "statistics", check: sinkd::stats::check_statistics, seeds: &["statistics"] },
    Target {
        name: "recipient_list",
        check: sinkd::analysis::audit::testkit::check_list,
        seeds: &["recipient_list"],
    },
    Target {
        name: "sender_log",
        check: sinkd::analysis::sender_log::testkit::check_sender_log,
        seeds: &["sender_log"],
    },
    Target { name: "sidecar", check: sinkd::index::testkit::check_sidecar, seeds: &["sidecar"] },
];

/// Returns the check of a target.
#[allow(dead_code, reason = "the replay goes through all of them")]
pub fn check(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of the table");
    (target.check)(bytes);
}
