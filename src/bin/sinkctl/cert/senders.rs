//! The lines that common senders need to require TLS of sinkd and to trust its CA.
use std::path::Path;

use clap::ValueEnum;
use sinkd::wording::shell_word;

/// A program or library that sends mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sender {
    Postfix,
    Exim,
    Kumomta,
    Haraka,
    Nodemailer,
    Phpmailer,
    Smtplib,
    Go,
    Javamail,
    Swaks,
    Curl,
    Msmtp,
    Openssl,
    // The certificates that all programs of the system trust.
    System,
}

/// How a client starts TLS, and on which port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMethod {
    StartTls { port: u16 },
    Implicit { port: u16 },
}

/// Placeholder for the CA's file in the lines.
const CA: &str = "{ca}";

/// Placeholder for the port of sinkd in the lines.
const PORT: &str = "{port}";

impl Sender {
    pub const ALL: &[Sender] = &[
        Sender::Postfix,
        Sender::Exim,
        Sender::Kumomta,
        Sender::Haraka,
        Sender::Nodemailer,
        Sender::Phpmailer,
        Sender::Smtplib,
        Sender::Go,
        Sender::Javamail,
        Sender::Swaks,
        Sender::Curl,
        Sender::Msmtp,
        Sender::Openssl,
        Sender::System,
    ];

    /// Returns the name as a value of `--for`.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Returns the name, and where the lines belong.
    pub fn title(self) -> &'static str {
        match self {
            Sender::Postfix => "Postfix, in main.cf",
            Sender::Exim => "Exim, in the smtp transport",
            Sender::Kumomta => "KumoMTA, in a shell and in make_egress_path",
            Sender::Haraka => "Haraka, in the environment and in config/tls.ini",
            Sender::Nodemailer => "nodemailer, in createTransport",
            Sender::Phpmailer => "PHPMailer",
            Sender::Smtplib => "Python smtplib",
            Sender::Go => "Go net/smtp",
            Sender::Javamail => "Jakarta Mail (JavaMail), in a shell and as properties",
            Sender::Swaks => "swaks",
            Sender::Curl => "curl",
            Sender::Msmtp => "msmtp, in an account",
            Sender::Openssl => "openssl, to look at the handshake",
            Sender::System => "every program of a Debian or Ubuntu system, in a shell",
        }
    }

    /// Returns the lines with the file of the CA, for a client that uses TLS by `method`; `None` if
    /// the sender can't.
    pub fn lines(self, ca: &Path, method: TlsMethod) -> Option<Vec<String>> {
        let ca = self.quoted(&ca.to_string_lossy());
        let (text, port) = match method {
            TlsMethod::StartTls { port } => (self.with_starttls(), port),
            TlsMethod::Implicit { port } => (self.with_implicit_tls()?, port),
        };
        let filled = |line: &str| line.replace(PORT, &port.to_string()).replace(CA, &ca);
        Some(text.lines().map(filled).collect())
    }

    /// Returns the lines for STARTTLS, with [`CA`] and [`PORT`] to be replaced.
    fn with_starttls(self) -> &'static str {
        match self {
            // Postfix does not compare IP addresses with the certificate, so a relayhost such as
            // [127.0.0.1] needs a name.
            Sender::Postfix => {
                "smtp_tls_security_level = secure\n\
                 smtp_tls_secure_cert_match = localhost\n\
                 smtp_tls_CAfile = {ca}"
            }
            Sender::Exim => {
                "hosts_require_tls = *\n\
                 tls_verify_hosts = *\n\
                 tls_verify_certificates = {ca}"
            }
            Sender::Kumomta => {
                "sudo cp {ca} /usr/local/share/ca-certificates/sinkd.crt\n\
                 sudo update-ca-certificates\n\
                 enable_tls = 'Required'"
            }
            // Haraka verifies only hosts for which TLS is forced; for others, it uses TLS if it is
            // offered.
            Sender::Haraka => {
                "NODE_EXTRA_CA_CERTS={ca}\n\
                 [outbound]\n\
                 force_tls_hosts[]=localhost"
            }
            Sender::Nodemailer => "requireTLS: true,\ntls: { ca: fs.readFileSync({ca}) },",
            Sender::Phpmailer => {
                "$mail->SMTPSecure = PHPMailer::ENCRYPTION_STARTTLS;\n\
                 $mail->SMTPOptions = ['ssl' => ['cafile' => {ca}]];"
            }
            Sender::Smtplib => "smtp.starttls(context=ssl.create_default_context(cafile={ca}))",
            Sender::Go => {
                "pem, _ := os.ReadFile({ca})\n\
                 roots := x509.NewCertPool()\n\
                 roots.AppendCertsFromPEM(pem)\n\
                 config := &tls.Config{ServerName: host, RootCAs: roots}\n\
                 if err := client.StartTLS(config); err != nil {\n\
                 \treturn err\n\
                 }"
            }
            Sender::Javamail => {
                "keytool -importcert -noprompt -alias sinkd -file {ca} -keystore sinkd.p12 \
                 -storepass changeit\n\
                 java -Djavax.net.ssl.trustStore=sinkd.p12 \
                 -Djavax.net.ssl.trustStorePassword=changeit ...\n\
                 mail.smtp.starttls.required=true\n\
                 mail.smtp.ssl.checkserveridentity=true"
            }
            Sender::Swaks => "swaks --tls --tls-verify --tls-ca-path {ca} ...",
            Sender::Curl => "curl --ssl-reqd --cacert {ca} ...",
            Sender::Msmtp => "tls on\ntls_starttls on\ntls_trust_file {ca}",
            Sender::Openssl => {
                "openssl s_client -starttls smtp -connect localhost:{port} \
                 -verify_hostname localhost -verify_return_error -CAfile {ca}"
            }
            Sender::System => {
                "sudo cp {ca} /usr/local/share/ca-certificates/sinkd.crt\n\
                 sudo update-ca-certificates"
            }
        }
    }

    /// Returns the lines for TLS from the first byte, with [`CA`] and [`PORT`] to be replaced.
    fn with_implicit_tls(self) -> Option<&'static str> {
        Some(match self {
            Sender::Postfix => {
                "smtp_tls_security_level = secure\n\
                 smtp_tls_wrappermode = yes\n\
                 smtp_tls_secure_cert_match = localhost\n\
                 smtp_tls_CAfile = {ca}"
            }
            Sender::Exim => {
                "protocol = smtps\n\
                 tls_verify_hosts = *\n\
                 tls_verify_certificates = {ca}"
            }
            // Older versions do not have tls_mode, and refuse to start with an unknown option.
            Sender::Kumomta => {
                "sudo cp {ca} /usr/local/share/ca-certificates/sinkd.crt\n\
                 sudo update-ca-certificates\n\
                 enable_tls = 'Required'\n\
                 tls_mode = 'ImplicitTls' -- where make_egress_path has tls_mode"
            }
            // Outbound connections of Haraka support only STARTTLS.
            Sender::Haraka => return None,
            Sender::Nodemailer => "secure: true,\ntls: { ca: fs.readFileSync({ca}) },",
            Sender::Phpmailer => {
                "$mail->SMTPSecure = PHPMailer::ENCRYPTION_SMTPS;\n\
                 $mail->SMTPOptions = ['ssl' => ['cafile' => {ca}]];"
            }
            Sender::Smtplib => {
                "smtp = smtplib.SMTP_SSL(host, port, \
                 context=ssl.create_default_context(cafile={ca}))"
            }
            Sender::Go => {
                "pem, _ := os.ReadFile({ca})\n\
                 roots := x509.NewCertPool()\n\
                 roots.AppendCertsFromPEM(pem)\n\
                 config := &tls.Config{ServerName: host, RootCAs: roots}\n\
                 connection, err := tls.Dial(\"tcp\", net.JoinHostPort(host, port), config)\n\
                 if err != nil {\n\
                 \treturn err\n\
                 }\n\
                 client, err := smtp.NewClient(connection, host)"
            }
            Sender::Javamail => {
                "keytool -importcert -noprompt -alias sinkd -file {ca} -keystore sinkd.p12 \
                 -storepass changeit\n\
                 java -Djavax.net.ssl.trustStore=sinkd.p12 \
                 -Djavax.net.ssl.trustStorePassword=changeit ...\n\
                 mail.smtp.ssl.enable=true\n\
                 mail.smtp.ssl.checkserveridentity=true"
            }
            Sender::Swaks => "swaks --tls-on-connect --tls-verify --tls-ca-path {ca} ...",
            Sender::Curl => "curl --cacert {ca} smtps://localhost:{port} ...",
            Sender::Msmtp => "tls on\ntls_starttls off\ntls_trust_file {ca}",
            Sender::Openssl => {
                "openssl s_client -connect localhost:{port} \
                 -verify_hostname localhost -verify_return_error -CAfile {ca}"
            }
            Sender::System => self.with_starttls(),
        })
    }

    /// Quotes the path for the sender.
    fn quoted(self, path: &str) -> String {
        match self {
            // The path is the rest of the line.
            Sender::Postfix | Sender::Exim => path.into(),
            Sender::Msmtp => format!("\"{path}\""),
            Sender::Nodemailer | Sender::Phpmailer | Sender::Smtplib => {
                format!("'{}'", path.replace('\\', r"\\").replace('\'', r"\'"))
            }
            Sender::Go => format!("{path:?}"),
            Sender::Kumomta
            | Sender::Haraka
            | Sender::Javamail
            | Sender::Swaks
            | Sender::Curl
            | Sender::Openssl
            | Sender::System => shell_word(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHODS: [TlsMethod; 2] =
        [TlsMethod::StartTls { port: 1025 }, TlsMethod::Implicit { port: 465 }];

    #[test]
    fn all_are_all_and_each_names_the_ca_once() {
        assert_eq!(Sender::ALL, Sender::value_variants());
        for (sender, method) in Sender::ALL.iter().flat_map(|it| METHODS.map(|method| (it, method)))
        {
            let Some(lines) = sender.lines(Path::new("/tls/ca.pem"), method) else {
                assert_eq!((*sender, method), (Sender::Haraka, METHODS[1]));
                continue;
            };
            let lines = lines.join("\n");
            assert_eq!(lines.matches("/tls/ca.pem").count(), 1, "{sender:?}: {lines}");
            assert!(!lines.contains(CA) && !lines.contains(PORT), "{lines}");
        }
    }

    #[test]
    fn a_path_is_quoted_as_the_sender_reads_it() {
        for (sender, expected) in [
            (Sender::Curl, r"--cacert '/a b/it'\''s.pem' "),
            (Sender::Smtplib, r"cafile='/a b/it\'s.pem'"),
            (Sender::Go, r#"os.ReadFile("/a b/it's.pem")"#),
            (Sender::Postfix, "smtp_tls_CAfile = /a b/it's.pem"),
            (Sender::Msmtp, r#"tls_trust_file "/a b/it's.pem""#),
        ] {
            for method in METHODS {
                let lines = sender.lines(Path::new("/a b/it's.pem"), method).unwrap().join("\n");
                assert!(lines.contains(expected), "{lines}");
            }
        }
    }
}
