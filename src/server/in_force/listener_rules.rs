//! What holds for the connections of one listener.
use std::sync::Arc;

use crate::config::{ClientList, Config, Denied, Listener};
use crate::smtp::envelope::Client;
use crate::smtp::extension::Extension;
use crate::smtp::policy::{AuthMode, AuthRules, Policy, PolicyOptions, TlsUse};
use crate::tls::Acceptor;

/// What holds for the connections of one listener; shared by all workers.
#[derive(Debug, Clone)]
pub struct ListenerRules {
    /// What its sessions say and allow.
    pub policy: Arc<Policy>,
    /// Which clients it serves; `None`: all.
    clients: Option<Arc<ClientList>>,
    /// What a client hears that it does not serve.
    pub denied: Denied,
    /// `None`: it has no TLS.
    pub tls: Option<Acceptor>,
}

impl ListenerRules {
    /// Serves `clients`, and answers others as `denied` says; `tls`: what handshakes go by.
    pub fn with(
        policy: Policy,
        clients: Option<Arc<ClientList>>,
        denied: Denied,
        tls: Option<Acceptor>,
    ) -> ListenerRules {
        ListenerRules { policy: Arc::new(policy), clients, denied, tls }
    }

    /// Whether both have TLS, and show other certificates or ask other ones of clients.
    pub fn shows_other_than(&self, other: &ListenerRules) -> bool {
        self.tls.as_ref().zip(other.tls.as_ref()).is_some_and(|(own, other)| own != other)
    }

    /// Whether both ask a list of users, and the lists differ.
    pub fn believes_other_than(&self, other: &ListenerRules) -> bool {
        match (self.policy.auth.as_ref(), other.policy.auth.as_ref()) {
            (
                Some(AuthRules { mode: AuthMode::Users(own), .. }),
                Some(AuthRules { mode: AuthMode::Users(other), .. }),
            ) => own != other,
            _ => false,
        }
    }

    /// Whether both serve the same clients.
    pub fn serves_as(&self, other: &ListenerRules) -> bool {
        self.clients == other.clients
    }

    /// Whether `client` is served. Clients of a Unix socket are: its owner decides who connects.
    pub fn serves(&self, client: Client) -> bool {
        let Some(clients) = &self.clients else { return true };
        client.ip().is_none_or(|address| clients.allows(address))
    }
}

/// What sessions of `listener` say; `place`: its generation, and its index there.
pub fn policy(
    config: &Config,
    listener: &Listener,
    (auth, tls): (Option<AuthRules>, TlsUse),
    place: (u32, usize),
) -> Policy {
    let (generation, index) = place;
    let own = &listener.options;
    let without = |it: &Extension| config.without.contains(it) || own.without.contains(it);
    let extensions = own.extensions.as_ref().unwrap_or(&config.extensions).iter().copied();
    let hostname = own.hostname.as_ref().unwrap_or(&config.hostname).clone();
    Policy::from_options(PolicyOptions {
        protocol: listener.protocol,
        hostname,
        is_proxied: listener.is_proxied,
        has_xclient: own.xclient.unwrap_or(true),
        greeting: own.greeting.as_ref().or(config.greeting.as_ref()).cloned(),
        extensions: extensions.filter(|it| !without(it)).collect(),
        limits: own.limits(&config.limits),
        listener: listener.address.to_string(),
        listener_name: own.name.clone().unwrap_or_default(),
        sink_name: config.name.clone().unwrap_or_default(),
        noop_marks: config.noop_marks,
        syntax: config.syntax,
        auth,
        tls,
        generation,
        index,
    })
}
