//! Which clients a listener serves: networks that are allowed, and networks that are denied.
//!
//! The smallest network that contains an address decides. An address in no network is served unless
//! networks to allow are configured. An empty file of allowed networks still counts as configured:
//! it allows no client.
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ipnet::IpNet;

use super::value::quoted;
use crate::machine::read_text_at_most;

/// The values that `allow` and `deny` expect, for errors.
pub(super) const EXPECTED: &str =
    "a network such as 10.0.0.0/8 or fd00::/8, an address, or @FILE with one per line";

/// How sinkd answers a client that is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// 554 instead of the greeting (RFC 5321 section 3.1).
    Reply,
    /// Closes the connection without a reply.
    Close,
}

impl Denied {
    const NAMES: [(&'static str, Denied); 2] = [("reply", Denied::Reply), ("close", Denied::Close)];

    pub(super) fn from_name(name: &str) -> Option<Denied> {
        Denied::NAMES.iter().find(|(known, _)| *known == name).map(|(_, denied)| *denied)
    }

    pub(super) fn name(self) -> &'static str {
        let found = Denied::NAMES.iter().find(|(_, denied)| *denied == self);
        found.map_or("reply", |(name, _)| name)
    }
}

/// The values that `denied` expects, for errors.
pub(super) const DENIED: &str = "'reply' or 'close'";

/// A network, or a file that lists networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Networks {
    /// A network such as `10.0.0.0/8`, or a single address.
    One(IpNet),
    /// A file with one network or address per line; `#` begins a comment.
    File(PathBuf),
}

/// The text is neither a network nor `@FILE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotNetworks;

/// Why the lists of networks can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientListError {
    /// A file can't be read.
    #[error("{path}: cannot be read", path = path.display())]
    Read {
        /// The path of the list of networks.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A line is not a network.
    #[error("{path}:{line}: expected a network or an address, found '{found}'",
        path = path.display(), found = found.escape_debug())]
    Line {
        /// The path of the list of networks.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The line's text, truncated to 100 characters.
        found: String,
    },
    /// The same network is in both lists, so that neither is more specific.
    #[error("{0} is both allowed and denied: expected each network in one list")]
    Both(IpNet),
}

impl FromStr for Networks {
    type Err = NotNetworks;

    fn from_str(text: &str) -> Result<Networks, NotNetworks> {
        match text.strip_prefix('@') {
            Some("") => Err(NotNetworks),
            Some(path) => Ok(Networks::File(path.into())),
            None => parse_network(text).map(Networks::One).ok_or(NotNetworks),
        }
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Networks::One(network) => network.fmt(f),
            Networks::File(path) => write!(f, "@{}", path.display()),
        }
    }
}

/// Parses a network or a single address.
pub(super) fn parse_network(text: &str) -> Option<IpNet> {
    let network: Option<IpNet> = text.parse().ok();
    network.or_else(|| text.parse().ok().map(|address: IpAddr| address.into()))
}

/// Returns the networks as a TOML array, with files as `@FILE`.
pub(super) fn show(networks: &[Networks]) -> String {
    let shown: Vec<String> = networks.iter().map(|it| quoted(&it.to_string())).collect();
    format!("[{}]", shown.join(", "))
}

impl Networks {
    fn add_to(&self, list: &mut Vec<IpNet>) -> Result<(), ClientListError> {
        match self {
            Networks::One(network) => list.push(network.trunc()),
            Networks::File(path) => read(path, list)?,
        }
        Ok(())
    }
}

fn read(path: &Path, list: &mut Vec<IpNet>) -> Result<(), ClientListError> {
    /// Maximum length of a wrong line in an error, in characters.
    const SHOWN_MAX: usize = 100;
    /// Maximum size of a list, in bytes: ten million networks.
    const FILE_BYTES_MAX: u64 = 256 << 20;
    let text = read_text_at_most(path, FILE_BYTES_MAX)
        .map_err(|source| ClientListError::Read { path: path.into(), source })?;
    for (number, line) in text.lines().enumerate() {
        let words = line.split('#').next().unwrap_or_default().trim();
        if words.is_empty() {
            continue;
        }
        let network = parse_network(words).ok_or_else(|| ClientListError::Line {
            path: path.into(),
            line: number + 1,
            found: words.chars().take(SHOWN_MAX).collect(),
        })?;
        list.push(network.trunc());
    }
    Ok(())
}

/// What the two lists say about a range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AddressRule {
    Unnamed,
    Allow,
    Deny,
}

/// Both lists, merged for lookups. Costs 8 bytes for each end of an IPv4 network, 32 for IPv6.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientList {
    /// Ascending; each entry is the first address of a range, and its rule. Neighbors have
    /// different rules.
    v4: Vec<(u32, AddressRule)>,
    v6: Vec<(u128, AddressRule)>,
    /// Whether addresses in no network are served.
    allows_others: bool,
}

impl ClientList {
    /// Reads the lists and their files. Returns `None` if both are empty, so that all clients are
    /// served.
    ///
    /// Costs n log n for n networks.
    pub fn load(
        allow: &[Networks],
        deny: &[Networks],
    ) -> Result<Option<ClientList>, ClientListError> {
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        allow.iter().try_for_each(|networks| networks.add_to(&mut allowed))?;
        deny.iter().try_for_each(|networks| networks.add_to(&mut denied))?;
        if allow.is_empty() && deny.is_empty() {
            return Ok(None);
        }
        let list = ClientList::from_networks(&allowed, &denied)?;
        Ok(Some(ClientList { allows_others: allow.is_empty(), ..list }))
    }

    fn from_networks(allowed: &[IpNet], denied: &[IpNet]) -> Result<ClientList, ClientListError> {
        let allows_others = allowed.is_empty();
        let allowed = allowed.iter().map(|network| (*network, AddressRule::Allow));
        let denied = denied.iter().map(|network| (*network, AddressRule::Deny));
        let mut all: Vec<(IpNet, AddressRule)> = allowed.chain(denied).collect();
        all.sort_unstable_by_key(|(network, rule)| {
            (network.network(), network.prefix_len(), *rule == AddressRule::Deny)
        });
        all.dedup();
        if let Some([(network, _), _]) =
            all.array_windows().find(|[(one, _), (other, _)]| one == other)
        {
            return Err(ClientListError::Both(*network));
        }
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, rule) in all {
            match network {
                IpNet::V4(network) => {
                    let (first, last) = (network.network(), network.broadcast());
                    v4.push((u128::from(u32::from(first)), u128::from(u32::from(last)), rule));
                }
                IpNet::V6(network) => {
                    v6.push((network.network().into(), network.broadcast().into(), rule));
                }
            }
        }
        let v4 = flattened(&v4, u32::MAX.into()).into_iter();
        Ok(ClientList {
            v4: v4.map(|(from, rule)| (from as u32, rule)).collect(),
            v6: flattened(&v6, u128::MAX),
            allows_others,
        })
    }

    /// Returns whether a client at `address` is served. Costs a binary search.
    pub fn allows(&self, address: IpAddr) -> bool {
        let rule = match address.to_canonical() {
            IpAddr::V4(address) => rule_of(&self.v4, u32::from(address)),
            IpAddr::V6(address) => rule_of(&self.v6, u128::from(address)),
        };
        match rule {
            AddressRule::Allow => true,
            AddressRule::Deny => false,
            AddressRule::Unnamed => self.allows_others,
        }
    }
}

fn rule_of<A: Ord + Copy>(rules: &[(A, AddressRule)], address: A) -> AddressRule {
    let after = rules.partition_point(|(from, _)| *from <= address);
    after.checked_sub(1).map_or(AddressRule::Unnamed, |at| rules[at].1)
}

/// Converts nested networks to ranges that don't overlap: the first address of each, and its rule.
///
/// `networks`: first address, last address and rule, ascending by first address, the larger network
/// first. Two networks are either nested or disjoint.
fn flattened(networks: &[(u128, u128, AddressRule)], max: u128) -> Vec<(u128, AddressRule)> {
    let mut stretches = Vec::new();
    // The networks that contain the current address, the smallest last.
    let mut around: Vec<(u128, AddressRule)> = Vec::new();
    for (first, last, rule) in networks {
        leave(&mut around, Some(*first), max, &mut stretches);
        begin(&mut stretches, *first, *rule);
        around.push((*last, *rule));
    }
    leave(&mut around, None, max, &mut stretches);
    stretches
}

/// Pops the networks of `around` that end before `until` (`None`: all), and begins the range after
/// each of them.
fn leave(
    around: &mut Vec<(u128, AddressRule)>,
    until: Option<u128>,
    max: u128,
    stretches: &mut Vec<(u128, AddressRule)>,
) {
    while let Some((last, _)) = around.last().copied() {
        if until.is_some_and(|until| last >= until) {
            return;
        }
        around.pop();
        if last < max {
            begin(
                stretches,
                last + 1,
                around.last().map_or(AddressRule::Unnamed, |(_, rule)| *rule),
            );
        }
    }
}

/// Begins a range with `rule` at `first`. Replaces a range that begins at the same address.
fn begin(stretches: &mut Vec<(u128, AddressRule)>, first: u128, rule: AddressRule) {
    if stretches.last().is_some_and(|(from, _)| *from == first) {
        stretches.pop();
    }
    if stretches.last().map_or(AddressRule::Unnamed, |(_, rule)| *rule) != rule {
        stretches.push((first, rule));
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| parse_network(text).unwrap().trunc()).collect()
    }

    fn list(allow: &[&str], deny: &[&str]) -> ClientList {
        ClientList::from_networks(&nets(allow), &nets(deny)).unwrap()
    }

    fn allows(list: &ClientList, address: &str) -> bool {
        list.allows(address.parse().unwrap())
    }

    #[test]
    fn the_smallest_network_decides_and_others_are_served_if_none_is_allowed() {
        let denying = list(&[], &["10.0.0.0/8", "fd00::/8"]);
        for (address, expected) in [
            ("10.1.2.3", false),
            ("::ffff:10.1.2.3", false),
            ("11.0.0.0", true),
            ("9.255.255.255", true),
            ("fd12::1", false),
            ("::1", true),
        ] {
            assert_eq!(allows(&denying, address), expected, "{address}");
        }
        let mixed = list(&["10.0.0.0/8", "10.1.2.3"], &["10.1.0.0/16", "0.0.0.0/0"]);
        for (address, expected) in [
            ("10.2.0.1", true),
            ("10.1.2.2", false),
            ("10.1.2.3", true),
            ("10.1.2.4", false),
            ("192.0.2.1", false),
            ("255.255.255.255", false),
            ("::1", false),
        ] {
            assert_eq!(allows(&mixed, address), expected, "{address}");
        }
    }

    #[test]
    fn a_network_in_both_lists_is_an_error_however_it_is_written() {
        for (allow, deny) in [("10.0.0.0/8", "10.9.9.9/8"), ("::1", "::1/128")] {
            let error =
                ClientList::from_networks(&nets(&[allow]), &nets(&[deny])).unwrap_err().to_string();
            assert!(error.contains("is both allowed and denied: expected"), "{error}");
        }
        assert!(
            ClientList::from_networks(&nets(&["10.0.0.0/8", "10.1.1.1/8"]), &[]).is_ok(),
            "repeated"
        );
    }

    #[test]
    fn files_have_one_network_per_line_and_errors_name_the_line() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("deny");
        let deny = [Networks::File(path.clone())];
        std::fs::write(&path, "# comment\n\n10.0.0.0/8 # ours\r\n192.0.2.7\n").unwrap();
        let list = ClientList::load(&[], &deny).unwrap().unwrap();
        assert!(!allows(&list, "192.0.2.7") && allows(&list, "192.0.2.8"));
        std::fs::write(&path, "10.0.0.0/8\n10.0.0.0/33\n").unwrap();
        let error = ClientList::load(&[], &deny).unwrap_err().to_string();
        assert!(error.ends_with("deny:2: expected a network or an address, found '10.0.0.0/33'"));
        // An empty list of allowed networks allows no client.
        std::fs::write(&path, "# none yet\n").unwrap();
        let allowing = ClientList::load(&deny, &[]).unwrap().unwrap();
        assert!(!allows(&allowing, "192.0.2.7"));
        let denying = ClientList::load(&[], &deny).unwrap().unwrap();
        assert!(allows(&denying, "192.0.2.7"));
        std::fs::remove_file(&path).unwrap();
        assert!(ClientList::load(&[], &deny).unwrap_err().to_string().ends_with("cannot be read"));
    }

    #[test]
    fn a_million_networks_are_searched_by_bisection() {
        let network = |n: u32| IpNet::new_assert(std::net::Ipv4Addr::from(n << 9).into(), 24);
        let denied: Vec<IpNet> = (0..1_000_000).map(network).collect();
        let list = ClientList::from_networks(&[], &denied).unwrap();
        assert_eq!(list.v4.len(), 2_000_000, "8 bytes for each end");
        for n in [0, 1, 499_999, 999_999_u32] {
            let address = std::net::Ipv4Addr::from((n << 9) + 7);
            assert!(!list.allows(address.into()));
            assert!(list.allows(std::net::Ipv4Addr::from((n << 9) + 256).into()));
        }
    }

    proptest! {
        /// Compares with the definition: the smallest of all networks that contain the address
        /// decides.
        #[test]
        fn lookups_agree_with_checking_each_network(
            networks in vec((any::<u8>(), any::<u8>(), 0..=16_u8, any::<bool>()), 0..30),
            asked in vec((any::<u8>(), any::<u8>()), 1..20),
        ) {
            let address = |a, b| IpAddr::from([a, b, 0, 0]);
            let network = |a, b, bits| IpNet::new_assert(address(a, b), bits).trunc();
            let all: Vec<(IpNet, bool)> = networks.iter()
                .map(|(a, b, bits, allow)| (network(*a, *b, *bits), *allow))
                .collect();
            let of = |wanted| -> Vec<IpNet> {
                all.iter().filter(|(_, allow)| *allow == wanted).map(|(net, _)| *net).collect()
            };
            let (allowed, denied) = (of(true), of(false));
            let is_contradictory = allowed.iter().any(|net| denied.contains(net));
            let list = ClientList::from_networks(&allowed, &denied);
            prop_assert_eq!(list.is_err(), is_contradictory);
            let Ok(list) = list else { return Ok(()) };
            for (a, b) in asked {
                let address = address(a, b);
                let around = all.iter().filter(|(net, _)| net.contains(&address));
                let smallest = around.max_by_key(|(net, _)| net.prefix_len());
                let expected = smallest.map_or(allowed.is_empty(), |(_, allow)| *allow);
                prop_assert_eq!(list.allows(address), expected, "{}", address);
            }
        }
    }
}
