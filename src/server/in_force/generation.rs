//! All settings that can change while sinkd runs.
use ipnet::IpNet;

use crate::config::{ClientListError, Config, Listener};
use crate::smtp::policy::PoliciesInForce;

use super::listener_rules::{ListenerRules, policy};
use super::times::Times;

/// All settings that can change while sinkd runs, ready for use.
#[derive(Debug)]
pub struct Generation {
    /// 1 is what sinkd started with.
    pub number: u32,
    /// By listener.
    pub listeners: Vec<ListenerRules>,
    /// Networks whose PROXY headers are believed.
    pub trusted: Vec<IpNet>,
    /// Networks whose clients may send XCLIENT.
    pub xclient_trusted: Vec<IpNet>,
    pub times: Times,
}

/// The number of what sinkd starts with.
pub const FIRST: u32 = 1;

impl Generation {
    /// Reads the files of `config`. `listeners`: those that are open, with real ports.
    pub fn build(
        config: &Config,
        listeners: &[Listener],
        number: u32,
    ) -> Result<Generation, ClientListError> {
        let clients = config.client_lists(listeners)?;
        let rules = |(index, (listener, clients)): (usize, (&Listener, _))| {
            let denied = listener.options.denied.unwrap_or(config.denied);
            let policy = policy(config, listener, number, index);
            ListenerRules::with(policy, clients, denied)
        };
        Ok(Generation {
            number,
            listeners: listeners.iter().zip(clients).enumerate().map(rules).collect(),
            trusted: config.proxy_trusted.clone(),
            xclient_trusted: config.xclient_trusted.clone(),
            times: Times::of(config),
        })
    }

    /// What sessions go by.
    pub fn policies(&self) -> PoliciesInForce {
        PoliciesInForce {
            generation: self.number,
            policies: self.listeners.iter().map(|rules| rules.policy.clone()).collect(),
        }
    }
}
