//! `[tls]`: TLS and certificates.
use crate::config::setting::{Setter, Setting};
use crate::config::tls::{self, ClientCerts, Tls};
use crate::config::value::{parse_path, quoted, show_path};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        table: "tls",
        name: "tls",
        value: "MODE",
        alone: Some("offered"),
        help: "STARTTLS on every listener: 'offered', 'required' (before mail), or 'off'; --tls without a value means 'offered'.",
        expected: tls::TLS,
        set: Setter::One(|c, v| Tls::from_name(v).map(|tls| c.tls.mode = tls)),
        show: |c| quoted(c.tls.mode.name()),
    },
    key!(
        "tls",
        "tls_cert",
        "FILE",
        "Server certificate in PEM, followed by its chain; with 'none', sinkd makes one, signed by a CA in the data folder (see sinkctl cert).",
        "a path, or 'none'",
        |c, v| parse_path(v).map(|path| c.tls.files.cert = path),
        |c| show_path(&c.tls.files.cert)
    ),
    key!(
        "tls",
        "tls_key",
        "FILE",
        "Private key of the certificate, in PEM.",
        "a path, or 'none'",
        |c, v| parse_path(v).map(|path| c.tls.files.key = path),
        |c| show_path(&c.tls.files.key)
    ),
    key!(
        "tls",
        "tls_client_ca",
        "FILE",
        "Certificates of the CAs that sign client certificates, in PEM.",
        "a path, or 'none'",
        |c, v| parse_path(v).map(|path| c.tls.files.client_ca = path),
        |c| show_path(&c.tls.files.client_ca)
    ),
    key!(
        "tls",
        "tls_client_certs",
        "MODE",
        "Client certificates: 'off' does not request them, 'optional' requests a certificate and refuses those of other CAs, 'required' also refuses clients without a certificate, 'auto' is 'optional' if tls_client_ca is set.",
        "'off', 'optional', 'required' or 'auto'",
        |c, v| {
            c.tls.files.client_certs =
                if v == "auto" { None } else { Some(ClientCerts::from_name(v)?) };
            Some(())
        },
        |c| quoted(c.tls.files.client_certs.map_or("auto", ClientCerts::name))
    ),
];
