//! The command line of dropper.
use super::tls::{Api, TlsServer};

#[derive(Clone)]
pub struct Options {
    /// Of the listener without TLS, or with STARTTLS if there is `tls`.
    pub port: u16,
    pub tls: Option<TlsOptions>,
}

#[derive(Clone)]
pub struct TlsOptions {
    pub server: TlsServer,
    /// Of the listener with TLS from the first byte.
    pub port: Option<u16>,
}

/// Parses the arguments after the name of the program, and loads the certificate. Errors are
/// sentences for the user.
pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let (mut port, mut tls_port, mut certificate, mut key) = (None, None, None, None);
    let mut api = Api::Unbuffered;
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match (flag.as_str(), value.as_str()) {
            ("--port", _) => port = Some(number(&flag, &value)?),
            ("--tls-port", _) => tls_port = Some(number(&flag, &value)?),
            ("--cert", _) => certificate = Some(value),
            ("--key", _) => key = Some(value),
            ("--rustls", "unbuffered") => api = Api::Unbuffered,
            ("--rustls", "buffered") => api = Api::Buffered,
            _ => return Err(format!("unknown option {flag} {value}")),
        }
    }
    let tls = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let server = TlsServer::load(certificate.as_ref(), key.as_ref(), api)?;
            Some(TlsOptions { server, port: tls_port })
        }
        (None, None) if tls_port.is_some() => {
            return Err("--tls-port needs --cert and --key".into());
        }
        (None, None) => None,
        _ => return Err("--cert and --key go together".into()),
    };
    Ok(Options { port: port.ok_or("--port is required")?, tls })
}

fn number(flag: &str, value: &str) -> Result<u16, String> {
    value.parse().map_err(|_| format!("{flag}: {value}"))
}
