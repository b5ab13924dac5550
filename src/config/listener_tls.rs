//! TLS of each listener: what the settings say, and the certificates, which may have to be made.
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::groups::CertificateFiles;
use super::scope::SettingScope;
use super::tls::{ClientCerts, Tls};
use super::tls_names::tls_names;
use super::{Config, Listener};
use crate::smtp::policy::TlsUse;
use crate::tls::{
    Acceptor, AcceptorError, CertificateFacts, CertificateFolder, ClientCertificates, ClientRoots,
    Identity, IdentityError, KeptError,
};

/// Why TLS can't be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate without its key, or a key without its certificate.
    #[error("{scope}{given} requires {missing}, found none")]
    HalfPair {
        /// Where `given` is set.
        scope: SettingScope,
        /// The setting that is set.
        given: &'static str,
        /// The setting that is missing.
        missing: &'static str,
    },
    /// A global setting has no effect.
    #[error(
        "{0} requires TLS, but no listener has it: set tls = 'offered' or 'required', or put \
         smtps: or submissions: before an address"
    )]
    Unused(&'static str),
    /// A listener's setting has no effect.
    #[error("listener {listener}: {setting} requires tls = 'offered' or 'required', found 'off'")]
    UnusedBy {
        /// The listener with the setting.
        listener: Box<Listener>,
        /// The name of the setting.
        setting: &'static str,
    },
    /// `tls` is set for a listener whose connections begin with TLS.
    #[error(
        "listener {0}: tls = '{1}' is for listeners whose TLS does not begin with the first byte"
    )]
    Twice(Box<Listener>, &'static str),
    /// Client certificates are wanted, but no CA is configured.
    #[error("{scope}tls_client_certs = '{mode}' requires tls_client_ca, found none")]
    NoClientCa {
        /// Where `tls_client_certs` is set.
        scope: SettingScope,
        /// The value of `tls_client_certs`.
        mode: &'static str,
    },
    /// A certificate file can't be used.
    #[error(transparent)]
    File(#[from] IdentityError),
    /// The certificates in the data folder can't be used.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// TLS does not work on this system.
    #[error(transparent)]
    Acceptor(#[from] AcceptorError),
}

impl TlsError {
    /// Returns the names of the settings that contradict each other and have flags; none for files
    /// and for keys of a `[[listener]]`.
    pub fn settings(&self) -> Vec<&'static str> {
        match self {
            TlsError::HalfPair { scope, given, missing } => scope.with_flags(&[given, missing]),
            TlsError::Unused(setting) => vec![setting, "tls"],
            TlsError::NoClientCa { scope, .. } => {
                scope.with_flags(&["tls_client_certs", "tls_client_ca"])
            }
            TlsError::UnusedBy { .. }
            | TlsError::Twice(..)
            | TlsError::File(_)
            | TlsError::Kept(_)
            | TlsError::Acceptor(_) => Vec::new(),
        }
    }
}

/// What a listener needs for TLS, with its files already read.
#[derive(Debug, Clone)]
pub struct ListenerTls {
    /// Whether its sessions use TLS, and when it begins.
    pub tls_use: TlsUse,
    /// The configuration of handshakes; `None`: TLS is off.
    pub acceptor: Option<Acceptor>,
    /// One sentence for each thing that is allowed but may be a mistake.
    pub warnings: Vec<String>,
    /// The CA that sinkd made, if it signed the certificate in use.
    pub authority: Option<KeptAuthority>,
}

/// The CA that sinkd made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAuthority {
    /// The file of its certificate, in PEM, which senders must trust.
    pub path: PathBuf,
    /// What the certificate says, such as its subject and how long it is valid.
    pub facts: CertificateFacts,
}

/// Where the certificate of a listener comes from.
#[derive(Debug, PartialEq, Eq)]
enum CertificateSource<'a> {
    /// The data folder: sinkd makes it.
    Kept,
    /// The files of the certificate with its chain, and of its key.
    Files(&'a Path, &'a Path),
}

/// The TLS settings of a listener, before any file is read.
#[derive(Debug)]
struct ListenerTlsSettings<'a> {
    tls_use: TlsUse,
    source: CertificateSource<'a>,
    /// Whether clients are asked for certificates, and the file of the CA.
    clients: Option<(ClientCerts, &'a Path)>,
}

impl Config {
    /// Prepares TLS of each of `listeners`, which must be bound; `now` is the time since 1970.
    ///
    /// Reads certificate files, and makes the certificate in the data folder if a listener needs
    /// it.
    pub fn prepare_tls(
        &self,
        listeners: &[Listener],
        now: Duration,
    ) -> Result<Vec<ListenerTls>, TlsError> {
        let settings = self.tls_settings(listeners)?;
        let names = || tls_names(self, listeners);
        let rules = |settings: &ListenerTlsSettings<'_>| match settings.tls_use {
            TlsUse::Off => Ok(ListenerTls::off()),
            _ => self.tls_of(settings, names, now),
        };
        settings.iter().map(rules).collect()
    }

    /// Returns the warnings of [`Config::prepare_tls`], or its error if a setting or a file that a
    /// setting names is wrong. Creates no file.
    pub fn check_tls(
        &self,
        listeners: &[Listener],
        now: Duration,
    ) -> Result<Vec<String>, TlsError> {
        let mut warnings = Vec::new();
        for settings in self.tls_settings(listeners)?.iter().filter(|it| it.tls_use != TlsUse::Off)
        {
            if let CertificateSource::Files(cert, key) = settings.source {
                let identity = Identity::load(cert, key, now)?;
                warnings.extend(identity.warnings_of_server().cloned());
            }
            settings.client_certificates()?;
        }
        warnings.sort();
        warnings.dedup();
        Ok(warnings)
    }

    /// Returns for each of `listeners` when its sessions use TLS, and the certificate file that it
    /// presents. The file is `None` if TLS is off or the certificate is in the data folder. Reads
    /// no file.
    pub fn tls_presented<'a>(
        &'a self,
        listeners: &'a [Listener],
    ) -> Result<Vec<(TlsUse, Option<&'a Path>)>, TlsError> {
        let shown = |settings: ListenerTlsSettings<'a>| match settings.source {
            CertificateSource::Files(cert, _) if settings.tls_use != TlsUse::Off => {
                (settings.tls_use, Some(cert))
            }
            _ => (settings.tls_use, None),
        };
        Ok(self.tls_settings(listeners)?.into_iter().map(shown).collect())
    }

    /// Returns the TLS settings of each listener. Errors: they contradict each other.
    fn tls_settings<'a>(
        &'a self,
        listeners: &'a [Listener],
    ) -> Result<Vec<ListenerTlsSettings<'a>>, TlsError> {
        let all = listeners.iter().map(|listener| self.tls_settings_of(listener));
        let all: Vec<ListenerTlsSettings<'_>> = all.collect::<Result<_, _>>()?;
        let given = [
            ("tls_cert", self.tls.files.cert.is_some()),
            ("tls_client_ca", self.tls.files.client_ca.is_some()),
        ];
        let unused = given.iter().find(|(_, is_given)| *is_given);
        match unused {
            Some((setting, _)) if all.iter().all(|it| it.tls_use == TlsUse::Off) => {
                Err(TlsError::Unused(setting))
            }
            _ => Ok(all),
        }
    }

    fn tls_settings_of<'a>(
        &'a self,
        listener: &'a Listener,
    ) -> Result<ListenerTlsSettings<'a>, TlsError> {
        let own = &listener.options;
        let tls_use = match (listener.is_tls, own.tls) {
            (true, Some(tls)) => {
                return Err(TlsError::Twice(Box::new(listener.clone()), tls.name()));
            }
            (true, None) => TlsUse::Implicit,
            (false, tls) => match tls.unwrap_or(self.tls.mode) {
                Tls::Off => TlsUse::Off,
                Tls::Offered => TlsUse::Offered,
                Tls::Required => TlsUse::Required,
            },
        };
        let of_all = source(&self.tls.files, || SettingScope::AllListeners)?;
        let its_own = source(&own.certificates, || SettingScope::own(listener))?;
        let its_ca = own.certificates.client_ca.as_deref();
        let given =
            [("tls_cert", its_own != CertificateSource::Kept), ("tls_client_ca", its_ca.is_some())];
        if let (TlsUse::Off, Some((setting, _))) = (tls_use, given.iter().find(|(_, it)| *it)) {
            return Err(TlsError::UnusedBy { listener: Box::new(listener.clone()), setting });
        }
        let ca = its_ca.or(self.tls.files.client_ca.as_deref());
        let clients = match own.certificates.client_certs {
            Some(mode) => clients(Some(mode), ca, || SettingScope::own(listener)),
            None => clients(self.tls.files.client_certs, ca, || SettingScope::AllListeners),
        }?;
        let source = if its_own == CertificateSource::Kept { of_all } else { its_own };
        Ok(ListenerTlsSettings { tls_use, source, clients })
    }

    fn tls_of(
        &self,
        settings: &ListenerTlsSettings<'_>,
        names: impl Fn() -> Vec<String>,
        now: Duration,
    ) -> Result<ListenerTls, TlsError> {
        let (identity, authority) = match settings.source {
            CertificateSource::Files(cert, key) => (Identity::load(cert, key, now)?, None),
            CertificateSource::Kept => {
                let kept = CertificateFolder::in_data_folder(&self.data);
                let identity = kept.identity(&names(), now)?;
                let authority = KeptAuthority { path: kept.ca_path(), facts: kept.ca()? };
                (identity, Some(authority))
            }
        };
        let acceptor = Acceptor::new(&identity, &settings.client_certificates()?)?;
        Ok(ListenerTls {
            tls_use: settings.tls_use,
            acceptor: Some(acceptor),
            warnings: identity.warnings_of_server().cloned().collect(),
            authority,
        })
    }
}

impl ListenerTls {
    fn off() -> ListenerTls {
        ListenerTls { tls_use: TlsUse::Off, acceptor: None, warnings: Vec::new(), authority: None }
    }
}

impl ListenerTlsSettings<'_> {
    /// Reads the CA file.
    fn client_certificates(&self) -> Result<ClientCertificates, IdentityError> {
        Ok(match self.clients {
            None | Some((ClientCerts::Off, _)) => ClientCertificates::Off,
            Some((ClientCerts::Optional, ca)) => {
                ClientCertificates::Optional(ClientRoots::load(ca)?)
            }
            Some((ClientCerts::Required, ca)) => {
                ClientCertificates::Required(ClientRoots::load(ca)?)
            }
        })
    }
}

/// Returns where the certificate comes from. Errors: only one of the two files is set.
fn source(
    files: &CertificateFiles,
    scope: impl Fn() -> SettingScope,
) -> Result<CertificateSource<'_>, TlsError> {
    let half = |given, missing| TlsError::HalfPair { scope: scope(), given, missing };
    match (files.cert.as_deref(), files.key.as_deref()) {
        (None, None) => Ok(CertificateSource::Kept),
        (Some(cert), Some(key)) => Ok(CertificateSource::Files(cert, key)),
        (Some(_), None) => Err(half("tls_cert", "tls_key")),
        (None, Some(_)) => Err(half("tls_key", "tls_cert")),
    }
}

/// Returns whether clients are asked for certificates, and the file of the CA. Without a mode, a CA
/// makes certificates optional.
fn clients(
    mode: Option<ClientCerts>,
    ca: Option<&Path>,
    scope: impl Fn() -> SettingScope,
) -> Result<Option<(ClientCerts, &Path)>, TlsError> {
    match (mode, ca) {
        (mode, Some(ca)) => Ok(Some((mode.unwrap_or(ClientCerts::Optional), ca))),
        (None | Some(ClientCerts::Off), None) => Ok(None),
        (Some(mode), None) => Err(TlsError::NoClientCa { scope: scope(), mode: mode.name() }),
    }
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use std::fs;

    use super::*;

    /// 2026-11-29.
    const NOW: Duration = Duration::from_secs(1_795_910_400);

    /// A data folder, and the certificate files of another one.
    struct Folders {
        data: tempfile::TempDir,
        other: tempfile::TempDir,
    }

    impl Folders {
        fn new() -> Folders {
            let temp = || tempfile::tempdir().unwrap();
            let folders = Folders { data: temp(), other: temp() };
            let other = CertificateFolder::in_data_folder(folders.other.path());
            other.identity(&["other.example".into()], NOW).unwrap();
            folders
        }

        fn file(&self, name: &str) -> Option<PathBuf> {
            Some(self.other.path().join("tls").join(name))
        }

        fn config(&self, listen: &[&str]) -> Config {
            let listen = listen.iter().map(|text| text.parse().unwrap()).collect();
            Config { listen, data: self.data.path().into(), ..Config::default() }
        }

        fn is_written(&self) -> bool {
            self.data.path().join("tls").exists()
        }
    }

    fn uses(config: &Config) -> Vec<TlsUse> {
        let rules = config.prepare_tls(&config.listen, NOW).unwrap();
        rules.iter().for_each(|it| assert_eq!(it.acceptor.is_some(), it.tls_use != TlsUse::Off));
        rules.iter().map(|it| it.tls_use).collect()
    }

    #[test]
    fn tls_mode_comes_from_the_address_the_listener_or_the_global_setting() {
        let folders = Folders::new();
        let all = ["127.0.0.1:1", "smtps:127.0.0.1:2", "lmtp:127.0.0.1:3", "submissions:unix:/s"];
        let mut config = folders.config(&all[..1]);
        assert_eq!(uses(&config), [TlsUse::Off]);
        assert!(!folders.is_written(), "nothing needs a certificate");
        config = folders.config(&all);
        assert_eq!(uses(&config), [TlsUse::Off, TlsUse::Implicit, TlsUse::Off, TlsUse::Implicit]);
        config.tls.mode = Tls::Required;
        config.listen[2].options.tls = Some(Tls::Offered);
        assert_eq!(
            uses(&config),
            [TlsUse::Required, TlsUse::Implicit, TlsUse::Offered, TlsUse::Implicit]
        );
        config.listen[0].options.tls = Some(Tls::Off);
        assert_eq!(uses(&config)[0], TlsUse::Off);
    }

    #[test]
    fn a_certificate_is_the_listeners_own_or_global_or_generated() {
        let folders = Folders::new();
        let mut config = folders.config(&["smtps:127.0.0.1:1", "smtps:127.0.0.1:2"]);
        let made = config.prepare_tls(&config.listen, NOW).unwrap();
        assert_eq!(made[0].acceptor, made[1].acceptor);
        let authority = made[0].authority.clone().unwrap();
        assert_eq!(authority.path, folders.data.path().join("tls/ca.pem"));
        assert_eq!(made[1].authority.as_ref(), Some(&authority));
        let own = &mut config.listen[1].options;
        (own.certificates.cert, own.certificates.key) =
            (folders.file("cert.pem"), folders.file("key.pem"));
        let one = config.prepare_tls(&config.listen, NOW).unwrap();
        assert_eq!(one[0].acceptor, made[0].acceptor);
        assert_ne!(one[1].acceptor, made[1].acceptor);
        assert_eq!(one[1].authority, None);
        (config.tls.files.cert, config.tls.files.key) =
            (folders.file("cert.pem"), folders.file("key.pem"));
        let all = config.prepare_tls(&config.listen, NOW).unwrap();
        assert_eq!((&all[0].acceptor, &all[1].acceptor), (&one[1].acceptor, &one[1].acceptor));
    }

    #[test]
    fn a_client_ca_makes_client_certificates_optional_by_default() {
        let folders = Folders::new();
        let mut config = folders.config(&["smtps:127.0.0.1:1"]);
        let acceptor = |config: &Config| {
            let mut rules = config.prepare_tls(&config.listen, NOW).unwrap();
            rules.swap_remove(0).acceptor.unwrap()
        };
        let unasked = acceptor(&config);
        config.tls.files.client_ca = folders.file("ca.pem");
        let asked = acceptor(&config);
        assert_ne!(asked, unasked);
        for (mode, expected) in
            [(ClientCerts::Off, Some(&unasked)), (ClientCerts::Optional, Some(&asked))]
        {
            config.tls.files.client_certs = Some(mode);
            assert_eq!(Some(&acceptor(&config)), expected);
        }
        config.tls.files.client_certs = Some(ClientCerts::Required);
        let required = acceptor(&config);
        assert!(required != asked && required != unasked);
        config.listen[0].options.certificates.client_certs = Some(ClientCerts::Optional);
        assert_eq!(acceptor(&config), asked);
    }

    /// Each row: listeners, settings, and the expected error.
    #[test]
    fn contradictory_settings_are_named_and_no_file_is_created() {
        type Set = fn(&mut Config, &Folders);
        let rows: [(&[&str], Set, &str); 11] = [
            (
                &["smtps:127.0.0.1:1"],
                |c, f| c.tls.files.cert = f.file("cert.pem"),
                "tls_cert requires tls_key, found none",
            ),
            (
                &["127.0.0.1:1"],
                |c, f| c.tls.files.key = f.file("key.pem"),
                "tls_key requires tls_cert, found none",
            ),
            (
                &["smtps:127.0.0.1:1"],
                |c, f| c.listen[0].options.certificates.key = f.file("key.pem"),
                "listener smtps:127.0.0.1:1: tls_key requires tls_cert, found none",
            ),
            (
                &["127.0.0.1:1"],
                |c, f| {
                    (c.tls.files.cert, c.tls.files.key) = (f.file("cert.pem"), f.file("key.pem"))
                },
                "tls_cert requires TLS, but no listener has it",
            ),
            (
                &["127.0.0.1:1"],
                |c, f| c.tls.files.client_ca = f.file("ca.pem"),
                "tls_client_ca requires TLS, but no listener has it",
            ),
            (
                &["127.0.0.1:1", "smtps:127.0.0.1:2"],
                |c, f| c.listen[0].options.certificates.client_ca = f.file("ca.pem"),
                "listener 127.0.0.1:1: tls_client_ca requires tls = 'offered' or 'required'",
            ),
            (
                &["submissions:127.0.0.1:1"],
                |c, _| c.listen[0].options.tls = Some(Tls::Required),
                "listener submissions:127.0.0.1:1: tls = 'required' is for listeners whose TLS",
            ),
            (
                &["smtps:127.0.0.1:1"],
                |c, _| c.tls.files.client_certs = Some(ClientCerts::Required),
                "tls_client_certs = 'required' requires tls_client_ca, found none",
            ),
            (
                &["smtps:127.0.0.1:1"],
                |c, _| c.listen[0].options.certificates.client_certs = Some(ClientCerts::Optional),
                "listener smtps:127.0.0.1:1: tls_client_certs = 'optional' requires \
                 tls_client_ca, found none",
            ),
            (
                &["smtps:127.0.0.1:1"],
                |c, f| {
                    (c.tls.files.cert, c.tls.files.key) = (f.file("key.pem"), f.file("cert.pem"))
                },
                "key.pem: expected certificates in PEM, found a private key",
            ),
            (
                &["smtps:127.0.0.1:1"],
                |c, f| c.tls.files.client_ca = f.file("key.pem"),
                "key.pem: expected certificates in PEM, found a private key",
            ),
        ];
        for (listen, set, expected) in rows {
            let folders = Folders::new();
            let mut config = folders.config(listen);
            set(&mut config, &folders);
            let error = config.check_tls(&config.listen, NOW).unwrap_err();
            let names_settings = !expected.starts_with("listener ") && !expected.contains("PEM");
            assert_eq!(!error.settings().is_empty(), names_settings, "{expected}");
            let error = error.to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!folders.is_written(), "{expected}");
            let same = config.prepare_tls(&config.listen, NOW).unwrap_err().to_string();
            assert_eq!(same, error);
        }
    }

    #[test]
    fn a_check_makes_no_certificate() {
        let folders = Folders::new();
        let mut config = folders.config(&["smtps:127.0.0.1:1"]);
        assert_eq!(config.check_tls(&config.listen, NOW).unwrap(), [""; 0]);
        assert!(!folders.is_written());
        // The data folder need not exist: sinkd creates it.
        config.data = folders.data.path().join("none/yet");
        assert!(config.check_tls(&config.listen, NOW).is_ok());
        assert_eq!(fs::read_dir(folders.data.path()).unwrap().count(), 0);
    }
}
