//! The TLS of replay, blast and calibrate.
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::ValueEnum;
use sinkd::sender::{SendingTls, Target, TargetAddress, TlsStart};
use sinkd::smtp::client::StartTls;
use sinkd::tls::{ClientRoots, Connector, Identity, ServerTrust, SessionReuse};

/// The TLS name of a Unix socket.
const NAME_DEFAULT: &str = "localhost";

/// Whether connections have TLS, and whom they trust.
#[derive(Debug, Default, Clone, clap::Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsOptions {
    /// TLS with the target: 'off', 'offered' (STARTTLS if it is announced, without verifying the
    /// certificate, as is usual between mail servers), 'required' (STARTTLS, verified) or
    /// 'implicit' (from the first byte, verified).
    #[arg(long, value_name = "MODE", default_value = "off")]
    pub tls: TlsMode,
    /// PEM file with the CA certificates to trust. The system's CA certificates are not used.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub ca: Option<PathBuf>,
    /// Do not verify the certificate of the target.
    #[arg(long)]
    pub insecure: bool,
    /// Name that the certificate must have, sent as SNI [default: the host in --to].
    #[arg(long, value_name = "NAME")]
    pub tls_name: Option<String>,
    /// PEM file with the client certificate, for targets that request one.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file with the private key of the client certificate.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Make a full handshake for each connection, instead of resuming sessions.
    #[arg(long)]
    pub no_tls_resumption: bool,
}

/// Whether and how connections use TLS.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TlsMode {
    #[default]
    Off,
    Offered,
    Required,
    Implicit,
}

impl TlsOptions {
    /// Returns whether sessions use STARTTLS.
    pub fn start_tls(&self) -> StartTls {
        match self.tls {
            TlsMode::Off | TlsMode::Implicit => StartTls::Never,
            TlsMode::Offered => StartTls::Offered,
            TlsMode::Required => StartTls::Required,
        }
    }

    /// Returns whether the certificate must be verified but no flag names a CA.
    pub fn wants_ca(&self) -> bool {
        self.verifies() && self.ca.is_none() && !self.insecure
    }

    fn verifies(&self) -> bool {
        matches!(self.tls, TlsMode::Required | TlsMode::Implicit)
    }

    /// Returns the TLS settings for `target`. Reads the files.
    pub fn sending(&self, target: &Target) -> anyhow::Result<Option<SendingTls>> {
        let name = match (&self.tls_name, &target.address) {
            (Some(name), _) => name,
            (None, TargetAddress::Host { host, .. }) => host,
            (None, TargetAddress::Unix(_)) => NAME_DEFAULT,
        };
        // The zone of an address is valid only on this machine.
        self.named(name.split('%').next().unwrap_or(name))
    }

    /// Returns the TLS settings for a server with this name.
    pub fn named(&self, name: &str) -> anyhow::Result<Option<SendingTls>> {
        self.check()?;
        let start = match self.tls {
            TlsMode::Off => return Ok(None),
            TlsMode::Offered | TlsMode::Required => TlsStart::WithSession,
            TlsMode::Implicit => TlsStart::AtOnce,
        };
        let trust = match &self.ca {
            Some(path) => ServerTrust::SignedBy(ClientRoots::load(path).context("--ca")?),
            None => ServerTrust::Anyone,
        };
        let identity = self.identity()?;
        let reuse = if self.no_tls_resumption { SessionReuse::Never } else { SessionReuse::Shared };
        let connector =
            Connector::new(name, &trust, identity.as_ref(), reuse).context("--tls-name")?;
        Ok(Some(SendingTls { connector, start }))
    }

    /// Errors: this program has no TLS; a flag has no effect, and might be mistaken for protection;
    /// or the certificate can't be verified because no CA is named.
    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            sinkd::tls::IS_BUILT_IN || self.tls == TlsMode::Off,
            "--tls {}: this program was built without TLS (the cargo feature 'tls')",
            self.mode_name()
        );
        let verifies = self.verifies();
        let of_verification = [("--ca", self.ca.is_some()), ("--insecure", self.insecure)];
        let of_tls = [
            ("--tls-name", self.tls_name.is_some()),
            ("--tls-cert", self.tls_cert.is_some()),
            ("--no-tls-resumption", self.no_tls_resumption),
        ];
        for (flag, is_given) in of_verification {
            anyhow::ensure!(
                verifies || !is_given,
                "{flag}: expected '--tls required' or '--tls implicit' with it, found '--tls {}', \
                 which verifies no certificate",
                self.mode_name()
            );
        }
        for (flag, is_given) in of_tls {
            anyhow::ensure!(
                self.tls != TlsMode::Off || !is_given,
                "{flag}: expected '--tls offered', 'required' or 'implicit' with it, found \
                 '--tls off'"
            );
        }
        anyhow::ensure!(
            !self.wants_ca(),
            "--tls {}: expected --ca FILE with it (certificates of the system are not used), or \
             --insecure to verify nothing, found neither",
            self.mode_name()
        );
        Ok(())
    }

    fn mode_name(&self) -> String {
        let value = self.tls.to_possible_value();
        value.map_or(String::new(), |value| value.get_name().to_owned())
    }

    fn identity(&self) -> anyhow::Result<Option<Identity>> {
        let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let identity = Identity::load(cert, key, now).context("--tls-cert and --tls-key")?;
        identity.warnings().iter().for_each(|warning| eprintln!("sinkctl: {warning}"));
        Ok(Some(identity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        tls: TlsOptions,
    }

    fn error_of(text: &str) -> String {
        let words = std::iter::once("blast").chain(text.split_whitespace());
        let tls = match Cli::try_parse_from(words) {
            Ok(cli) => cli.tls,
            Err(error) => return error.to_string(),
        };
        let target = "[fe80::1%eth0]:25".parse().unwrap();
        tls.sending(&target).err().map(|error| format!("{error:#}")).unwrap_or_default()
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn a_program_without_tls_says_so_whatever_tls_is_requested() {
        assert_eq!(error_of("--tls off"), "");
        for mode in ["offered", "required", "implicit", "required --ca nowhere.pem"] {
            let error = error_of(&format!("--tls {mode}"));
            let (name, _) = mode.split_once(' ').unwrap_or((mode, ""));
            let reason = "this program was built without TLS (the cargo feature 'tls')";
            assert_eq!(error, format!("--tls {name}: {reason}"));
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn combinations_that_make_sense_are_accepted() {
        for text in [
            "",
            "--tls offered",
            "--tls offered --tls-name mx.example --no-tls-resumption",
            "--tls required --insecure",
            "--tls implicit --insecure --tls-name 127.0.0.1",
        ] {
            assert_eq!(error_of(text), "", "{text}");
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_flag_without_effect_is_an_error_that_says_what_to_do() {
        for (text, reason) in [
            ("--tls required", "--tls required: expected --ca FILE"),
            ("--tls implicit", "--tls implicit: expected --ca FILE"),
            ("--ca ca.pem", "--ca: expected '--tls required'"),
            ("--tls offered --ca ca.pem", "found '--tls offered'"),
            ("--tls offered --insecure", "found '--tls offered'"),
            ("--tls-name mx.example", "--tls-name: expected '--tls offered'"),
            ("--no-tls-resumption", "--no-tls-resumption: expected"),
            ("--tls offered --tls-cert cert.pem", "--tls-key"),
            ("--tls required --insecure --ca ca.pem", "cannot be used with"),
            ("--tls required --ca nowhere.pem", "--ca: nowhere.pem: cannot be read"),
            ("--tls offered --tls-name a,b", "--tls-name: expected a host name"),
            ("--tls on", "possible values: off, offered, required, implicit"),
        ] {
            let error = error_of(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
