//! Reads the settings again while sinkd runs.
use std::path::Path;

use clap::ArgMatches;
use sinkd::config::{Environment, Listener};
use sinkd::control::{Answer, Control, Handler, ListenerAnswer, ListenerTlsAnswer, Request};
use sinkd::server::{Generations, Reloaded};
use sinkd::smtp::policy::TlsUse;
use sinkd::wording::without_numbers;

use super::advice::advice;
use super::print::error_chain;
use super::settings::{config_file, effective};

/// The sources of the settings, and what a reload changes.
pub struct Reloading {
    matches: ArgMatches,
    environment: Environment,
    generations: Generations,
}

impl Reloading {
    /// Keeps the flags and the environment of this process, which do not change.
    pub fn new(
        matches: ArgMatches,
        environment: Environment,
        generations: Generations,
    ) -> Reloading {
        Reloading { matches, environment, generations }
    }

    fn reload(&mut self) -> anyhow::Result<Reloaded> {
        // A pipe was read at the start and has no more content; reading it might never end.
        config_file(&self.matches, &self.environment).iter().try_for_each(|it| regular(it))?;
        let config = effective(&self.matches, &self.environment)?;
        config.files().try_for_each(regular)?;
        let reloaded = self.generations.apply(&config)?;
        config.warnings().iter().for_each(|text| tracing::warn!("{text}"));
        Ok(reloaded)
    }
}

/// Errors: `path` exists but is not a regular file, so it may not be readable again.
fn regular(path: &Path) -> anyhow::Result<()> {
    let is_other = std::fs::metadata(path).is_ok_and(|found| !found.is_file());
    anyhow::ensure!(!is_other, "{}: expected a regular file", path.display());
    Ok(())
}

impl Handler for Reloading {
    fn answer(&mut self, request: &Request) -> Answer {
        match request {
            Request::Reload => self.reload_answer(),
            Request::Listeners => self.listeners_answer(),
        }
    }

    fn clean_up(&mut self) -> bool {
        self.generations.free_old()
    }
}

impl Reloading {
    fn listeners_answer(&self) -> Answer {
        let (config, open) = self.generations.current();
        let shown = match config.tls_presented(open) {
            Ok(shown) => shown,
            Err(error) => return Answer::Error { message: without_numbers(&error.to_string()) },
        };
        let answer = |(listener, (tls, certificate)): (&Listener, (TlsUse, Option<&Path>))| {
            let tls = match tls {
                TlsUse::Off => ListenerTlsAnswer::Off,
                TlsUse::Offered => ListenerTlsAnswer::Offered,
                TlsUse::Required => ListenerTlsAnswer::Required,
                TlsUse::Implicit => ListenerTlsAnswer::Implicit,
            };
            // sinkctl may have another working directory.
            let certificate = certificate.map(|it| std::path::absolute(it).unwrap_or(it.into()));
            ListenerAnswer { address: listener.to_string(), tls, certificate }
        };
        Answer::Listeners { listeners: open.iter().zip(shown).map(answer).collect() }
    }

    fn reload_answer(&mut self) -> Answer {
        match self.reload() {
            Ok(Reloaded { generation, changed, needs_restart }) => {
                let changed_now = changed.join(", ");
                tracing::info!(generation, changed = %changed_now, "settings reloaded");
                if !needs_restart.is_empty() {
                    let settings = needs_restart.join(", ");
                    tracing::warn!(%settings, "some settings take effect only after a restart");
                }
                Answer::Reloaded { generation, changed, needs_restart }
            }
            Err(error) => {
                let message =
                    without_numbers(&format!("{}{}", error_chain(&error), advice(&error)));
                tracing::error!("{message}: nothing has changed");
                Answer::Error { message }
            }
        }
    }
}

/// Starts the control thread. Without its socket, sinkd runs anyway, and SIGHUP still works.
pub fn start(folder: &Path, reloading: Reloading) -> anyhow::Result<Control> {
    let (control, trouble) = Control::start(folder, Box::new(reloading))?;
    if let Some(error) = trouble {
        let error = without_numbers(&error.to_string());
        tracing::warn!(%error, "sinkd has no control socket: sinkctl reload does not work");
    }
    Ok(control)
}
