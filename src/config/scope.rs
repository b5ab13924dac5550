//! Whether a setting is that of all listeners or a listener's own.
use std::fmt::{self, Display, Formatter};

use super::Listener;

/// Where the settings that contradict each other are set. Displays as the beginning of an error.
#[derive(Debug)]
pub enum SettingScope {
    /// The settings of all listeners, each of which is also a flag.
    AllListeners,
    /// The keys of a `[[listener]]`, for which there are no flags.
    Own(Box<Listener>),
}

impl SettingScope {
    pub(super) fn own(listener: &Listener) -> SettingScope {
        SettingScope::Own(Box::new(listener.clone()))
    }

    /// Returns `settings` if they are those of all listeners, which have flags; otherwise nothing.
    pub(super) fn with_flags(&self, settings: &[&'static str]) -> Vec<&'static str> {
        match self {
            SettingScope::AllListeners => settings.to_vec(),
            SettingScope::Own(_) => Vec::new(),
        }
    }
}

impl Display for SettingScope {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            SettingScope::AllListeners => Ok(()),
            SettingScope::Own(listener) => write!(f, "listener {listener}: "),
        }
    }
}
