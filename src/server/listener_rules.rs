//! What holds for the connections of one listener.
use std::sync::Arc;

use crate::config::{ClientList, Denied};
use crate::smtp::envelope::Client;
use crate::smtp::policy::Policy;

/// What holds for the connections of one listener; shared by all workers.
#[derive(Debug, Clone)]
pub(super) struct ListenerRules {
    /// What its sessions say and allow.
    pub policy: Arc<Policy>,
    /// Which clients it serves; `None`: all.
    clients: Option<Arc<ClientList>>,
    /// What a client hears that it does not serve.
    pub denied: Denied,
}

impl ListenerRules {
    /// Serves all clients.
    pub fn of(policy: Policy) -> ListenerRules {
        ListenerRules { policy: Arc::new(policy), clients: None, denied: Denied::Reply }
    }

    /// Serves `clients`, and answers others as `denied` says.
    pub fn with(policy: Policy, clients: Option<Arc<ClientList>>, denied: Denied) -> ListenerRules {
        ListenerRules { policy: Arc::new(policy), clients, denied }
    }

    /// Whether `client` is served. Clients of a Unix socket are: its owner decides who connects.
    pub fn serves(&self, client: Client) -> bool {
        let Some(clients) = &self.clients else { return true };
        client.ip().is_none_or(|address| clients.allows(address))
    }
}
