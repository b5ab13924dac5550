//! Combines the sources of settings.
use std::path::PathBuf;

use anyhow::Context;
use clap::ArgMatches;
use sinkd::config::{self, Config, Environment, all_settings};

/// Returns the path of the configuration file, if one is named.
pub fn config_file(matches: &ArgMatches, environment: &Environment) -> Option<PathBuf> {
    let file: Option<&PathBuf> = matches.get_one("config");
    file.cloned().or_else(|| environment.config_file())
}

/// Applies the defaults, then the file, then the environment, then the flags.
pub fn effective(matches: &ArgMatches, environment: &Environment) -> anyhow::Result<Config> {
    let mut config = config::from_file(config_file(matches, environment).as_deref())?;
    environment.apply(&mut config)?;
    for key in all_settings() {
        let Some(values) = matches.get_many::<String>(key.name) else { continue };
        key.clear(&mut config);
        for value in values {
            key.apply(&mut config, value).with_context(|| format!("--{}", key.flag()))?;
        }
    }
    config.check()?;
    Ok(config)
}
