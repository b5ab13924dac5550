//! Builds generations, puts them in force, and frees old ones, on the control thread.
use std::sync::Arc;

use super::current::CurrentGeneration;
use super::generation::{Generation, GenerationError};
use crate::config::{Config, KeptAuthority, Listener};
use crate::server::listening::Admission;
use crate::server::shutdown::{Stop, StopStage};

/// Why a reload failed. The settings in force stay as they were.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// A file that the settings name can't be used, or settings contradict each other.
    #[error(transparent)]
    Settings(#[from] GenerationError),
    /// sinkd is stopping, so new settings have no effect.
    #[error("sinkd is stopping")]
    Stopping,
}

/// A generation that was put in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The number of the generation; sinkd starts with 1.
    pub generation: u32,
    /// Settings that changed, such as `limits.errors_max` or `listener 127.0.0.1:25`.
    pub changed: Vec<String>,
    /// Settings whose new values take effect only when sinkd is restarted.
    pub needs_restart: Vec<String>,
}

/// Builds one generation after another. The control thread owns this.
pub struct Generations {
    /// The settings in force.
    config: Config,
    /// The open listeners, with their actual ports, in the order of `config.listen`.
    open: Vec<Listener>,
    current: Arc<CurrentGeneration>,
    admission: Arc<Admission>,
    stop: Arc<Stop>,
    /// Generations that are no longer in force. They are kept until no worker holds them, so that a
    /// worker never has to free a list of a million networks.
    old: Vec<Arc<Generation>>,
}

impl Generations {
    /// Starts with the settings in force. `listeners` has their listeners with actual ports.
    pub fn new(
        config: &Config,
        listeners: &[Listener],
        current: Arc<CurrentGeneration>,
        admission: Arc<Admission>,
        stop: Arc<Stop>,
    ) -> Generations {
        let (config, open) = (config.clone(), listeners.to_vec());
        Generations { config, open, current, admission, stop, old: Vec::new() }
    }

    /// Applies the settings in `requested` that can change while sinkd runs. An error changes
    /// nothing.
    ///
    /// Reads the files that the settings name. Workers follow in their next round, and each session
    /// when its transaction has ended.
    pub fn apply(&mut self, requested: &Config) -> Result<Reloaded, ReloadError> {
        if self.stop.stage() != StopStage::Running {
            return Err(ReloadError::Stopping);
        }
        let (next, changes) = self.config.followed_by(requested);
        let open: Vec<Listener> = self.open.iter().zip(&next.listen).map(with_options).collect();
        let number = self.current.number().wrapping_add(1);
        let generation = Arc::new(Generation::build(&next, &open, number)?);
        self.admission.set_limits(&next);
        let old = self.current.publish(generation.clone());
        if let Some(KeptAuthority { path, facts }) = &generation.authority
            && old.authority != generation.authority
        {
            let (ca, sha256) = (path.display(), &facts.fingerprint);
            tracing::info!(%ca, %sha256, "this CA now signs the certificate for TLS");
        }
        let mut changed = changes.changed;
        changed.extend(changed_files(&old, &generation, &open));
        self.old.push(old);
        (self.config, self.open) = (next, open);
        self.stop.wake_workers();
        Ok(Reloaded { generation: number, changed, needs_restart: changes.needs_restart })
    }

    /// Returns the settings in force, and the open listeners with actual ports and the options in
    /// force.
    pub fn current(&self) -> (&Config, &[Listener]) {
        (&self.config, &self.open)
    }

    /// Frees old generations that no worker holds. Returns whether some are left.
    pub fn free_old(&mut self) -> bool {
        self.old.retain(|generation| Arc::strong_count(generation) > 1);
        !self.old.is_empty()
    }
}

/// Describes the listeners whose clients, users or certificates changed, even if only the files
/// that the settings name have changed.
fn changed_files(old: &Generation, new: &Generation, open: &[Listener]) -> Vec<String> {
    let pairs = old.listeners.iter().zip(&new.listeners).zip(open);
    let clients = pairs.clone().filter(|((old, new), _)| !old.serves_same_clients_as(new));
    let clients = clients.map(|(_, listener)| format!("clients of listener {listener}"));
    let users = pairs.clone().filter(|((old, new), _)| old.has_other_users_than(new));
    let users = users.map(|(_, listener)| format!("users of listener {listener}"));
    let shown = pairs.filter(|((old, new), _)| old.has_other_certificates_than(new));
    clients
        .chain(users)
        .chain(shown.map(|(_, listener)| format!("certificates of listener {listener}")))
        .collect()
}

/// Returns the open listener with the options of its new configuration.
fn with_options((open, configured): (&Listener, &Listener)) -> Listener {
    Listener { options: configured.options.clone(), ..open.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClientSettings;

    fn generations(config: &Config) -> (Generations, Arc<CurrentGeneration>) {
        let first = Generation::build(config, &config.listen, 1).unwrap();
        let current = Arc::new(CurrentGeneration::new(Arc::new(first)));
        let admission = Arc::new(Admission::new(config, 1, 1000));
        let stop = Arc::new(Stop::new(None, None));
        (Generations::new(config, &config.listen, current.clone(), admission, stop), current)
    }

    /// Freeing a list of a million networks takes time that no worker has.
    #[test]
    fn an_old_generation_is_freed_only_by_the_control_thread_after_all_workers_dropped_it() {
        let config = Config::default();
        let (mut generations, current) = generations(&config);
        let (one, other) = (current.get(), current.get());
        let old = Arc::downgrade(&one);
        generations.apply(&config).unwrap();
        assert!(generations.free_old(), "two workers still hold it");
        drop(one);
        assert!(generations.free_old());
        drop(other);
        assert!(old.upgrade().is_some(), "no worker was the last to hold it");
        assert!(!generations.free_old());
        assert!(old.upgrade().is_none());
    }

    #[test]
    fn an_error_creates_no_generation_and_a_stop_is_an_error() {
        let config = Config::default();
        let (mut generations, current) = generations(&config);
        let deny = vec!["@/no/such/file".parse().unwrap()];
        let clients = ClientSettings { deny, ..ClientSettings::default() };
        let bad = Config { clients, hostname: "two.example".into(), ..config.clone() };
        assert!(matches!(generations.apply(&bad), Err(ReloadError::Settings(_))));
        assert_eq!((current.number(), current.get().number), (1, 1));
        let good = Config { hostname: "two.example".into(), ..config.clone() };
        let reloaded = generations.apply(&good).unwrap();
        assert_eq!((reloaded.generation, &*reloaded.changed), (2, &["server.hostname".into()][..]));
        assert!(generations.apply(&good).unwrap().changed.is_empty());
        generations.stop.begin(StopStage::Graceful);
        assert!(matches!(generations.apply(&config), Err(ReloadError::Stopping)));
        assert_eq!(current.number(), 3);
    }
}
