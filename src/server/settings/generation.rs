//! All settings that can change while sinkd runs.
use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::config::{
    AuthError, ClientListError, Config, KeptAuthority, Listener, ListenerTls, TlsError,
};
use crate::smtp::policy::CurrentPolicies;
use crate::time::ProcessClock;
use crate::tls::Acceptor;

use super::listener_rules::{ListenerRules, policy};
use super::times::Times;

/// Why settings can't be put in force.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// A list of clients can't be used.
    #[error(transparent)]
    Clients(#[from] ClientListError),
    /// A list of users can't be used.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// A certificate or key can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl GenerationError {
    /// Returns the names of the settings that contradict each other and have flags.
    pub fn settings(&self) -> Vec<&'static str> {
        match self {
            GenerationError::Clients(_) => Vec::new(),
            GenerationError::Auth(error) => error.settings(),
            GenerationError::Tls(error) => error.settings(),
        }
    }
}

/// All settings that can change while sinkd runs, ready for use.
#[derive(Debug)]
pub struct Generation {
    /// The generation that sinkd starts with is 1.
    pub number: u32,
    /// Rules by index of the listener.
    pub listeners: Vec<ListenerRules>,
    /// Networks whose PROXY headers are trusted.
    pub trusted: Vec<IpNet>,
    /// Networks whose clients may send XCLIENT.
    pub xclient_trusted: Vec<IpNet>,
    pub times: Times,
    /// The CA that sinkd created, if a listener presents a certificate signed by it.
    pub authority: Option<KeptAuthority>,
}

/// The number of the generation that sinkd starts with.
pub const FIRST: u32 = 1;

impl Generation {
    /// Builds a generation. Reads the files that `config` names. `listeners`: the open
    /// listeners, with their actual ports.
    pub fn build(
        config: &Config,
        listeners: &[Listener],
        number: u32,
    ) -> Result<Generation, GenerationError> {
        let clients = config.client_lists(listeners)?;
        let auth = config.auth_rules(listeners)?;
        let tls = config.prepare_tls(listeners, ProcessClock::get().unix_ns().as_duration())?;
        let warnings: BTreeSet<_> = tls.iter().flat_map(|it| &it.warnings).collect();
        warnings.iter().for_each(|text| tracing::warn!("{text}"));
        let authority = tls.iter().find_map(|it| it.authority.clone());
        let parts = listeners.iter().zip(clients).zip(auth.into_iter().zip(tls));
        let rules = |(index, ((listener, clients), (auth, tls)))| {
            let (listener, tls): (&Listener, ListenerTls) = (listener, tls);
            let denied = listener.options.denied.unwrap_or(config.clients.denied);
            let policy = policy(config, listener, (auth, tls.tls_use), (number, index));
            ListenerRules::new(policy, clients, denied, tls.acceptor)
        };
        Ok(Generation {
            number,
            listeners: parts.enumerate().map(rules).collect(),
            authority,
            trusted: config.clients.proxy_trusted.clone(),
            xclient_trusted: config.clients.xclient_trusted.clone(),
            times: Times::from_config(config),
        })
    }

    /// Returns the TLS settings of each listener; `None`: it has no TLS.
    pub fn acceptors(&self) -> Vec<Option<Acceptor>> {
        self.listeners.iter().map(|rules| rules.tls.clone()).collect()
    }

    /// Returns the policies that sessions apply.
    pub fn policies(&self) -> CurrentPolicies {
        CurrentPolicies {
            generation: self.number,
            policies: self.listeners.iter().map(|rules| rules.policy.clone()).collect(),
        }
    }
}
