//! Which clients are served, and how many.
use std::net::Ipv6Addr;

use ipnet::IpNet;

use crate::config::client_list::{Denied, Networks};

/// Which clients are served, which are trusted, and how many connections they may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSettings {
    /// Networks whose clients are served, unless a smaller network in `deny` contains them. If not
    /// empty, no other clients are served.
    pub allow: Vec<Networks>,
    /// Networks whose clients are not served, unless a smaller network in `allow` contains them.
    pub deny: Vec<Networks>,
    /// How clients that are not served are answered.
    pub denied: Denied,
    /// Networks whose PROXY headers are trusted.
    pub proxy_trusted: Vec<IpNet>,
    /// Networks whose clients can send XCLIENT.
    pub xclient_trusted: Vec<IpNet>,
    /// Maximum number of connections; `None`: as many as the descriptor limit allows.
    pub connections_max: Option<u32>,
    /// Maximum number of connections from one address; `None`: no limit.
    pub connections_per_client_max: Option<u32>,
}

impl Default for ClientSettings {
    fn default() -> ClientSettings {
        ClientSettings {
            allow: Vec::new(),
            deny: Vec::new(),
            denied: Denied::Reply,
            proxy_trusted: vec![
                IpNet::new_assert([127, 0, 0, 0].into(), 8),
                IpNet::new_assert(Ipv6Addr::LOCALHOST.into(), 128),
            ],
            xclient_trusted: Vec::new(),
            connections_max: None,
            connections_per_client_max: None,
        }
    }
}
