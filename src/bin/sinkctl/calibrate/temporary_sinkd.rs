//! A sinkd that runs only while it is measured.
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use sinkd::config::Environment;

use super::options::Calibrate;
use crate::sending::{PASSWORD_VARIABLE, TlsMode};

/// A temporary sinkd with a temporary folder.
pub struct TemporarySinkd {
    /// Dropped before the folder, so that nothing writes into that folder then.
    _child: RunningSinkd,
    pub address: SocketAddr,
    pub folder: tempfile::TempDir,
}

impl TemporarySinkd {
    /// Starts a sinkd that accepts the loads.
    pub fn start(calibrate: &Calibrate) -> anyhow::Result<TemporarySinkd> {
        let folder = tempfile::Builder::new().prefix("sinkctl-").tempdir()?;
        let program = program();
        let mut command = without_settings(&program, Environment::names_of_process());
        let child = command
            .args(listening(calibrate.encryption.tls))
            .args(["--http", "off", "--log-level", "error"])
            // Stored mail would fill the disk, and its content does not matter.
            .args(["--retain-bytes", "256M", "--index", "off", "--data"])
            .arg(folder.path())
            .args(calibrate.account.auth_user.iter().flat_map(|_| ["--auth", "any"]))
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{}: cannot be started", program.display()))?;
        // It is stopped if an error follows.
        let mut child = RunningSinkd(child);
        let stdout = child.0.stdout.take().context("its output is ours")?;
        let (mut address, mut is_ready) = (None, false);
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            let listener = line.strip_prefix("sinkd: SMTP on ");
            if let Some(text) = listener.or_else(|| line.strip_prefix("sinkd: SMTPS on ")) {
                address = text.parse().ok();
            }
            is_ready = line.starts_with("sinkd: data in ");
            if is_ready {
                break;
            }
        }
        match address {
            Some(address) => Ok(TemporarySinkd { _child: child, address, folder }),
            None if is_ready => anyhow::bail!("{} printed no address", program.display()),
            None => {
                let status = child.0.wait()?;
                anyhow::bail!("{} ended before it was ready: {status}", program.display())
            }
        }
    }
}

/// Returns the command of a sinkd without the variables `settings`, which would change what is
/// measured, and without the password.
fn without_settings(program: &Path, settings: impl IntoIterator<Item = OsString>) -> Command {
    let mut command = Command::new(program);
    for name in settings.into_iter().chain([PASSWORD_VARIABLE.into()]) {
        command.env_remove(name);
    }
    command
}

/// Returns the flags of a sinkd with this kind of TLS.
fn listening(tls: TlsMode) -> &'static [&'static str] {
    match tls {
        TlsMode::Off => &["--listen", "127.0.0.1:0"],
        TlsMode::Offered | TlsMode::Required => &["--listen", "127.0.0.1:0", "--tls"],
        TlsMode::Implicit => &["--listen", "smtps:127.0.0.1:0"],
    }
}

/// A process that is stopped when this is dropped.
struct RunningSinkd(Child);

impl Drop for RunningSinkd {
    fn drop(&mut self) {
        let is_signaled = Pid::from_raw(self.0.id().cast_signed())
            .is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        if !is_signaled {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

/// Returns the path of the sinkd beside this program, or its name to be found in PATH.
fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|us| us.with_file_name("sinkd"));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from("sinkd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_sets_nothing_of_the_temporary_sinkd() {
        let names = ["SINKD_STORE", "SINKD_STOP_AFTER_MESSAGES"];
        let command = without_settings(Path::new("sinkd"), names.map(OsString::from));
        let removed = command.get_envs().filter(|(_, value)| value.is_none());
        let removed: Vec<_> = removed.map(|(name, _)| name.to_str().unwrap()).collect();
        for name in names.into_iter().chain([PASSWORD_VARIABLE]) {
            assert!(removed.contains(&name), "{name}: {removed:?}");
        }
    }
}
