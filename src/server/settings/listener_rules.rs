//! Rules for the connections of one listener.
use std::sync::Arc;

use crate::config::{ClientList, Config, Denied, Listener};
use crate::smtp::envelope::Client;
use crate::smtp::extension::Extension;
use crate::smtp::policy::{AuthMode, AuthRules, Policy, PolicyOptions, TlsUse};
use crate::tls::Acceptor;

/// Rules for the connections of one listener, shared by all workers.
#[derive(Debug, Clone)]
pub struct ListenerRules {
    /// What its sessions announce and allow.
    pub policy: Arc<Policy>,
    /// The clients it serves; `None`: all.
    clients: Option<Arc<ClientList>>,
    /// How clients that it doesn't serve are answered.
    pub denied: Denied,
    /// `None`: it has no TLS.
    pub tls: Option<Acceptor>,
}

impl ListenerRules {
    /// Creates rules that serve `clients`, and answer others as `denied` says. `tls`: settings for
    /// handshakes.
    pub fn new(
        policy: Policy,
        clients: Option<Arc<ClientList>>,
        denied: Denied,
        tls: Option<Acceptor>,
    ) -> ListenerRules {
        ListenerRules { policy: Arc::new(policy), clients, denied, tls }
    }

    /// Returns whether both have TLS, and differ in the certificates that they present or request.
    pub fn has_other_certificates_than(&self, other: &ListenerRules) -> bool {
        self.tls.as_ref().zip(other.tls.as_ref()).is_some_and(|(own, other)| own != other)
    }

    /// Returns whether both have a list of users, and the lists differ.
    pub fn has_other_users_than(&self, other: &ListenerRules) -> bool {
        match (self.policy.options().auth.as_ref(), other.policy.options().auth.as_ref()) {
            (
                Some(AuthRules { mode: AuthMode::Users(own), .. }),
                Some(AuthRules { mode: AuthMode::Users(other), .. }),
            ) => own != other,
            _ => false,
        }
    }

    /// Returns whether both serve the same clients.
    pub fn serves_same_clients_as(&self, other: &ListenerRules) -> bool {
        self.clients == other.clients
    }

    /// Returns whether `client` is served. Clients of a Unix socket always are: its owner decides
    /// who can connect.
    pub fn serves(&self, client: Client) -> bool {
        let Some(clients) = &self.clients else { return true };
        client.ip().is_none_or(|address| clients.allows(address))
    }
}

/// Returns the policy for sessions of `listener`, which has this index in the generation of this
/// number.
pub fn policy(
    config: &Config,
    listener: &Listener,
    (auth, tls): (Option<AuthRules>, TlsUse),
    (generation, index): (u32, usize),
) -> Policy {
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
        listener_name: own.name.clone(),
        sink_name: config.name.clone(),
        noop_marks: config.noop_marks,
        syntax: config.syntax,
        auth,
        tls,
        generation,
        index,
    })
}
