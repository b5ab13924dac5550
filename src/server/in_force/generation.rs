//! All settings that can change while sinkd runs.
use ipnet::IpNet;

use crate::config::{AuthError, ClientListError, Config, Listener};
use crate::smtp::policy::PoliciesInForce;
use crate::tls::Acceptor;

use super::listener_rules::{ListenerRules, policy};
use super::times::Times;

/// Why settings can't come in force.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// Networks of clients.
    #[error(transparent)]
    Clients(#[from] ClientListError),
    /// Who may authenticate.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

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
    ) -> Result<Generation, GenerationError> {
        let clients = config.client_lists(listeners)?;
        let auth = config.auth_rules(listeners)?;
        let rules = |(index, ((listener, clients), auth)): (usize, ((&Listener, _), _))| {
            let denied = listener.options.denied.unwrap_or(config.denied);
            let policy = policy(config, listener, auth, (number, index));
            ListenerRules::with(policy, clients, denied)
        };
        Ok(Generation {
            number,
            listeners: listeners.iter().zip(clients).zip(auth).enumerate().map(rules).collect(),
            trusted: config.proxy_trusted.clone(),
            xclient_trusted: config.xclient_trusted.clone(),
            times: Times::of(config),
        })
    }

    /// What handshakes of each listener go by.
    pub fn acceptors(&self) -> Vec<Option<Acceptor>> {
        self.listeners.iter().map(|rules| rules.tls.clone()).collect()
    }

    /// What sessions go by.
    pub fn policies(&self) -> PoliciesInForce {
        PoliciesInForce {
            generation: self.number,
            policies: self.listeners.iter().map(|rules| rules.policy.clone()).collect(),
        }
    }
}
