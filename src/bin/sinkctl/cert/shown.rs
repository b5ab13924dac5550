//! The certificates that the listeners of a running sinkd present, as reported by sinkd.
use std::io::Write;
use std::path::Path;

use sinkd::control::{self, Answer, ListenerAnswer, ListenerTlsAnswer, Request};

use super::senders::TlsMethod;
use crate::base::outcome::Out;

/// The listeners of the sinkd on a data folder.
pub struct Shown {
    /// `None` if no sinkd answered.
    pub listeners: Option<Vec<ListenerAnswer>>,
}

impl Shown {
    /// Asks the sinkd that runs on `data`.
    pub fn by_sinkd(data: &Path) -> Shown {
        let listeners = match control::ask(data, &Request::Listeners) {
            Ok(Answer::Listeners { listeners }) => Some(listeners),
            // Another version may not know the request.
            Ok(Answer::Reloaded { .. } | Answer::Error { .. }) | Err(_) => None,
        };
        Shown { listeners }
    }

    fn with_tls(&self) -> impl Iterator<Item = &ListenerAnswer> {
        let all = self.listeners.iter().flatten();
        all.filter(|listener| listener.tls != ListenerTlsAnswer::Off)
    }

    /// Returns why senders should not trust the CA in the file `ca`: every listener with TLS
    /// presents another certificate. `None` without such listeners.
    pub fn reason_against(&self, ca: &Path) -> Option<String> {
        if self.with_tls().any(|listener| listener.certificate.is_none()) {
            return None;
        }
        let (address, file) =
            self.with_tls().find_map(|it| Some((&it.address, it.certificate.as_ref()?)))?;
        let (ca, file) = (ca.display(), file.display());
        Some(format!(
            "{ca}: not in use: listener {address} shows the certificate in {file} (tls_cert), so \
             have senders trust the CA that signed that one"
        ))
    }

    /// Returns how a client reaches a listener that presents the certificate made by sinkd: by
    /// STARTTLS if a listener offers that, otherwise by TLS from the first byte. Returns STARTTLS
    /// on the default port if no such listener is known.
    pub fn method(&self) -> TlsMethod {
        let by_starttls =
            self.methods().find(|method| matches!(method, TlsMethod::StartTls { .. }));
        by_starttls.or_else(|| self.methods().next()).unwrap_or(TlsMethod::StartTls { port: 1025 })
    }

    /// Returns how a client reaches a listener that has TLS from the first byte and presents the
    /// certificate made by sinkd; on the port that RFC 8314 names if no sinkd answered. `None`: the
    /// running sinkd has no such listener.
    pub fn implicit_method(&self) -> Option<TlsMethod> {
        let running = self.methods().find(|method| matches!(method, TlsMethod::Implicit { .. }));
        running.or_else(|| self.listeners.is_none().then_some(TlsMethod::Implicit { port: 465 }))
    }

    /// Returns how clients reach each listener that presents the certificate made by sinkd.
    fn methods(&self) -> impl Iterator<Item = TlsMethod> {
        self.with_tls().filter(|it| it.certificate.is_none()).filter_map(|listener| {
            let (_, port) = listener.address.rsplit_once(':')?;
            let port = port.parse().ok()?;
            Some(match listener.tls {
                ListenerTlsAnswer::Implicit => TlsMethod::Implicit { port },
                _ => TlsMethod::StartTls { port },
            })
        })
    }
}

/// Prints a line for each listener.
pub fn print(listeners: Option<&[ListenerAnswer]>, out: &mut Out) -> anyhow::Result<()> {
    let Some(listeners) = listeners else {
        writeln!(
            out,
            "{:<13} not known: no sinkd with a control socket is running here",
            "listeners"
        )?;
        return Ok(());
    };
    for ListenerAnswer { address, tls, certificate } in listeners {
        let how = match tls {
            ListenerTlsAnswer::Off => "no TLS",
            ListenerTlsAnswer::Offered => "STARTTLS offered",
            ListenerTlsAnswer::Required => "STARTTLS required",
            ListenerTlsAnswer::Implicit => "TLS from the first byte",
        };
        write!(out, "{:<13} {address}, {how}", "listener")?;
        match certificate {
            Some(file) => writeln!(out, ", with another certificate: {}", file.display())?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}
