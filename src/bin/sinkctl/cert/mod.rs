//! `sinkctl cert`: shows the certificates that sinkd made, and what senders need to trust them.
mod senders;
mod shown;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;
use sinkd::control::ListenerAnswer;
use sinkd::time::Clock;
use sinkd::tls::{CertificateFacts, CertificateFolder};

use crate::base::clock::SystemClock;
use crate::base::outcome::{Finding, Out};
use senders::{Sender, TlsMethod};
use shown::Shown;

/// Shows the CA and the certificate in the data folder, and the lines with which common senders
/// require TLS and trust the CA. sinkd makes both when a listener has TLS but no certificate.
#[derive(Debug, Args)]
pub struct Cert {
    /// Print only the settings for one sender.
    #[arg(long, value_name = "SENDER", conflicts_with_all = ["json", "pem"])]
    r#for: Option<Sender>,
    /// Print the sender settings for TLS from the first byte [default: those for STARTTLS, unless
    /// the running sinkd does not offer it].
    #[arg(long, conflicts_with = "pem")]
    smtps: bool,
    /// Print the certificate of the CA in PEM, so that you can copy it to a sender.
    #[arg(long, conflicts_with = "json")]
    pem: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Printed before the lines for senders.
const HOW_TO_TRUST: &str = "\
A sender that requires TLS and trusts the CA needs these lines. For one that runs as another user
or on another machine, copy the CA first: sinkctl cert --pem > FILE";

/// Returns the line after [`HOW_TO_TRUST`], which says which TLS method the lines are for.
fn method_note(method: TlsMethod) -> &'static str {
    match method {
        TlsMethod::StartTls { .. } => {
            "The lines are for STARTTLS; --smtps prints those for TLS from the first byte."
        }
        TlsMethod::Implicit { .. } => "The lines are for TLS from the first byte.",
    }
}

/// The report in `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
struct CertReport {
    ca: CertificateRow,
    certificate: CertificateRow,
    generated: bool,
    /// `None` if no sinkd answered.
    listeners: Option<Vec<ListenerAnswer>>,
    senders: Vec<SenderRow>,
}

#[derive(Debug, Serialize)]
struct CertificateRow {
    path: PathBuf,
    subject: String,
    /// Empty for a CA.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    valid_from: String,
    valid_until: String,
    sha256: String,
}

#[derive(Debug, Serialize)]
struct SenderRow {
    sender: String,
    title: &'static str,
    lines: Vec<String>,
}

pub fn run(data: &Path, cert: &Cert, out: &mut Out) -> anyhow::Result<Finding> {
    let kept = CertificateFolder::in_data_folder(data);
    let shown = Shown::by_sinkd(data);
    if let Some(reason) = shown.reason_against(&kept.ca_path()) {
        anyhow::bail!(reason);
    }
    anyhow::ensure!(
        kept.ca_path().exists(),
        "{}: not found; sinkd creates it when started with --tls or --listen smtps:ADDR and \
         without --tls-cert",
        kept.ca_path().display()
    );
    // Senders have other working directories, so the path is absolute.
    let path = kept.ca_path().canonicalize()?;
    let (ca, own) = (kept.ca()?, kept.certificate()?);
    let generated = kept.is_signed()?;
    let finding = match reason_to_refuse(&own, generated.then_some(&ca)) {
        None => Finding::Done,
        Some(reason) => {
            eprintln!("sinkctl: {reason}; to renew it: sinkctl reload");
            Finding::DoesNotHold
        }
    };
    if cert.pem {
        out.write_all(&std::fs::read(&path).with_context(|| path.display().to_string())?)?;
        return Ok(finding);
    }
    let method = tls_method(cert, &shown)?;
    if let Some(sender) = cert.r#for {
        let Some(lines) = sender.lines(&path, method) else {
            anyhow::bail!("{} cannot connect with TLS from the first byte", sender.name());
        };
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        return Ok(finding);
    }
    let report = CertReport {
        certificate: row(path.with_file_name("cert.pem"), own),
        senders: Sender::value_variants()
            .iter()
            .filter_map(|it| sender_row(*it, &path, method))
            .collect(),
        listeners: shown.listeners,
        ca: row(path, ca),
        generated,
    };
    if cert.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?
    } else {
        print(&report, method, out)?
    }
    Ok(finding)
}

/// Returns the TLS method for which the lines are printed.
fn tls_method(cert: &Cert, shown: &Shown) -> anyhow::Result<TlsMethod> {
    if !cert.smtps {
        return Ok(shown.method());
    }
    shown.implicit_method().context(
        "no listener of the running sinkd has TLS from the first byte and its own certificate; \
         start sinkd with --listen smtps:ADDR",
    )
}

/// Returns why senders would not accept the certificate. `signer` is the CA, if it signed the
/// certificate.
fn reason_to_refuse(own: &CertificateFacts, signer: Option<&CertificateFacts>) -> Option<String> {
    let Some(ca) = signer else {
        return Some("the CA did not sign the certificate".into());
    };
    let now = i64::try_from(SystemClock.now().second()).unwrap_or(i64::MAX);
    let ended = [("CA", ca), ("certificate", own)].into_iter().find(|(_, it)| now > it.not_after);
    ended.map(|(name, facts)| format!("the {name} expired at {}", facts.valid_until()))
}

fn row(path: PathBuf, facts: CertificateFacts) -> CertificateRow {
    CertificateRow {
        path,
        valid_from: facts.valid_from(),
        valid_until: facts.valid_until(),
        subject: facts.subject,
        names: facts.names,
        sha256: facts.fingerprint,
    }
}

/// Returns the lines for `sender`; `None` if it can't use TLS with this method.
fn sender_row(sender: Sender, ca: &Path, method: TlsMethod) -> Option<SenderRow> {
    let lines = sender.lines(ca, method)?;
    Some(SenderRow { sender: sender.name(), title: sender.title(), lines })
}

fn print(report: &CertReport, method: TlsMethod, out: &mut Out) -> anyhow::Result<()> {
    let CertReport { ca, certificate, generated, listeners, senders } = report;
    let made = if *generated { "made by sinkd, signed by the CA" } else { "not signed by the CA" };
    for (label, value) in [
        ("CA", ca.path.display().to_string()),
        ("subject", ca.subject.clone()),
        ("SHA-256", ca.sha256.clone()),
        ("valid until", ca.valid_until.clone()),
        ("certificate", certificate.path.display().to_string()),
        ("origin", made.into()),
        ("names", certificate.names.join(", ")),
        ("valid until", certificate.valid_until.clone()),
    ] {
        writeln!(out, "{label:<13} {value}")?;
    }
    shown::print(listeners.as_deref(), out)?;
    writeln!(out, "\n{HOW_TO_TRUST}\n{}", method_note(method))?;
    for SenderRow { sender, title, lines } in senders {
        writeln!(out, "\n{title} (--for {sender}):")?;
        lines.iter().try_for_each(|line| writeln!(out, "    {line}"))?;
    }
    Ok(())
}
