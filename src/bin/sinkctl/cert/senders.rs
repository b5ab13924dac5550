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

/// What a sender needs. The lines contain [`CA`] and [`PORT`], which are replaced.
struct SenderSetup {
    sender: Sender,
    /// The name, and where the lines belong.
    title: &'static str,
    /// The lines for STARTTLS.
    starttls: &'static str,
    /// The lines for TLS from the first byte; `None` if the sender can't.
    implicit: Option<&'static str>,
    /// Quotes the path for the sender.
    quoted: fn(&str) -> String,
}

/// A row for each sender, in the order of the declaration.
const SETUPS: [SenderSetup; 14] = [
    // Postfix does not compare IP addresses with the certificate, so a relayhost such as
    // [127.0.0.1] needs a name.
    SenderSetup {
        sender: Sender::Postfix,
        title: "Postfix, in main.cf",
        starttls: "smtp_tls_security_level = secure\n\
                   smtp_tls_secure_cert_match = localhost\n\
                   smtp_tls_CAfile = {ca}",
        implicit: Some(
            "smtp_tls_security_level = secure\n\
             smtp_tls_wrappermode = yes\n\
             smtp_tls_secure_cert_match = localhost\n\
             smtp_tls_CAfile = {ca}",
        ),
        quoted: rest_of_line,
    },
    SenderSetup {
        sender: Sender::Exim,
        title: "Exim, in the smtp transport",
        starttls: "hosts_require_tls = *\n\
                   tls_verify_hosts = *\n\
                   tls_verify_certificates = {ca}",
        implicit: Some(
            "protocol = smtps\n\
             tls_verify_hosts = *\n\
             tls_verify_certificates = {ca}",
        ),
        quoted: rest_of_line,
    },
    // Older versions do not have tls_mode, and refuse to start with an unknown option.
    SenderSetup {
        sender: Sender::Kumomta,
        title: "KumoMTA, in a shell and in make_egress_path",
        starttls: "sudo cp {ca} /usr/local/share/ca-certificates/sinkd.crt\n\
                   sudo update-ca-certificates\n\
                   enable_tls = 'Required'",
        implicit: Some(
            "sudo cp {ca} /usr/local/share/ca-certificates/sinkd.crt\n\
             sudo update-ca-certificates\n\
             enable_tls = 'Required'\n\
             tls_mode = 'ImplicitTls' -- where make_egress_path has tls_mode",
        ),
        quoted: as_shell_word,
    },
    // Haraka verifies only hosts for which TLS is forced; for others, it uses TLS if it is
    // offered.
    // Outbound connections of Haraka support only STARTTLS.
    SenderSetup {
        sender: Sender::Haraka,
        title: "Haraka, in the environment and in config/tls.ini",
        starttls: "NODE_EXTRA_CA_CERTS={ca}\n\
                   [outbound]\n\
                   force_tls_hosts[]=localhost",
        implicit: None,
        quoted: as_shell_word,
    },
    SenderSetup {
        sender: Sender::Nodemailer,
        title: "nodemailer, in createTransport",
        starttls: "requireTLS: true,\ntls: { ca: fs.readFileSync({ca}) },",
        implicit: Some("secure: true,\ntls: { ca: fs.readFileSync({ca}) },"),
        quoted: in_single_quotes,
    },
    SenderSetup {
        sender: Sender::Phpmailer,
        title: "PHPMailer",
        starttls: "$mail->SMTPSecure = PHPMailer::ENCRYPTION_STARTTLS;\n\
                   $mail->SMTPOptions = ['ssl' => ['cafile' => {ca}]];",
        implicit: Some(
            "$mail->SMTPSecure = PHPMailer::ENCRYPTION_SMTPS;\n\
             $mail->SMTPOptions = ['ssl' => ['cafile' => {ca}]];",
        ),
        quoted: in_single_quotes,
    },
    SenderSetup {
        sender: Sender::Smtplib,
        title: "Python smtplib",
        starttls: "smtp.starttls(context=ssl.create_default_context(cafile={ca}))",
        implicit: Some(
            "smtp = smtplib.SMTP_SSL(host, port, \
             context=ssl.create_default_context(cafile={ca}))",
        ),
        quoted: in_single_quotes,
    },
    SenderSetup {
        sender: Sender::Go,
        title: "Go net/smtp",
        starttls: "pem, _ := os.ReadFile({ca})\n\
                   roots := x509.NewCertPool()\n\
                   roots.AppendCertsFromPEM(pem)\n\
                   config := &tls.Config{ServerName: host, RootCAs: roots}\n\
                   if err := client.StartTLS(config); err != nil {\n\
                   \treturn err\n\
                   }",
        implicit: Some(
            "pem, _ := os.ReadFile({ca})\n\
             roots := x509.NewCertPool()\n\
             roots.AppendCertsFromPEM(pem)\n\
             config := &tls.Config{ServerName: host, RootCAs: roots}\n\
             connection, err := tls.Dial(\"tcp\", net.JoinHostPort(host, port), config)\n\
             if err != nil {\n\
             \treturn err\n\
             }\n\
             client, err := smtp.NewClient(connection, host)",
        ),
        quoted: as_go_string,
    },
    SenderSetup {
        sender: Sender::Javamail,
        title: "Jakarta Mail (JavaMail), in a shell and as properties",
        starttls: "keytool -importcert -noprompt -alias sinkd -file {ca} -keystore sinkd.p12 \
                   -storepass changeit\n\
                   java -Djavax.net.ssl.trustStore=sinkd.p12 \
                   -Djavax.net.ssl.trustStorePassword=changeit ...\n\
                   mail.smtp.starttls.required=true\n\
                   mail.smtp.ssl.checkserveridentity=true",
        implicit: Some(
            "keytool -importcert -noprompt -alias sinkd -file {ca} -keystore sinkd.p12 \
             -storepass changeit\n\
             java -Djavax.net.ssl.trustStore=sinkd.p12 \
             -Djavax.net.ssl.trustStorePassword=changeit ...\n\
             mail.smtp.ssl.enable=true\n\
             mail.smtp.ssl.checkserveridentity=true",
        ),
        quoted: as_shell_word,
    },
    SenderSetup {
        sender: Sender::Swaks,
        title: "swaks",
        starttls: "swaks --tls --tls-verify --tls-ca-path {ca} ...",
        implicit: Some("swaks --tls-on-connect --tls-verify --tls-ca-path {ca} ..."),
        quoted: as_shell_word,
    },
    SenderSetup {
        sender: Sender::Curl,
        title: "curl",
        starttls: "curl --ssl-reqd --cacert {ca} ...",
        implicit: Some("curl --cacert {ca} smtps://localhost:{port} ..."),
        quoted: as_shell_word,
    },
    SenderSetup {
        sender: Sender::Msmtp,
        title: "msmtp, in an account",
        starttls: "tls on\ntls_starttls on\ntls_trust_file {ca}",
        implicit: Some("tls on\ntls_starttls off\ntls_trust_file {ca}"),
        quoted: in_double_quotes,
    },
    SenderSetup {
        sender: Sender::Openssl,
        title: "openssl, to look at the handshake",
        starttls: "openssl s_client -starttls smtp -connect localhost:{port} \
                   -verify_hostname localhost -verify_return_error -CAfile {ca}",
        implicit: Some(
            "openssl s_client -connect localhost:{port} \
             -verify_hostname localhost -verify_return_error -CAfile {ca}",
        ),
        quoted: as_shell_word,
    },
    SenderSetup {
        sender: Sender::System,
        title: "every program of a Debian or Ubuntu system, in a shell",
        starttls: "sudo cp {ca} /usr/local/share/ca-certificates/sinkd.crt\n\
                   sudo update-ca-certificates",
        implicit: Some(
            "sudo cp {ca} /usr/local/share/ca-certificates/sinkd.crt\n\
             sudo update-ca-certificates",
        ),
        quoted: as_shell_word,
    },
];

const _: () = {
    let mut at = 0;
    while at < SETUPS.len() {
        assert!(SETUPS[at].sender as usize == at, "a row stands where its sender is declared");
        at += 1;
    }
};

impl Sender {
    /// Returns the name as a value of `--for`.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Returns the name, and where the lines belong.
    pub fn title(self) -> &'static str {
        self.setup().title
    }

    /// Returns the lines with the file of the CA, for a client that uses TLS by `method`; `None` if
    /// the sender can't.
    pub fn lines(self, ca: &Path, method: TlsMethod) -> Option<Vec<String>> {
        let setup = self.setup();
        let ca = (setup.quoted)(&ca.to_string_lossy());
        let (text, port) = match method {
            TlsMethod::StartTls { port } => (setup.starttls, port),
            TlsMethod::Implicit { port } => (setup.implicit?, port),
        };
        let filled = |line: &str| line.replace(PORT, &port.to_string()).replace(CA, &ca);
        Some(text.lines().map(filled).collect())
    }

    fn setup(self) -> &'static SenderSetup {
        &SETUPS[self as usize]
    }
}

/// The path is the rest of the line.
fn rest_of_line(path: &str) -> String {
    path.into()
}

fn in_double_quotes(path: &str) -> String {
    format!("\"{path}\"")
}

fn in_single_quotes(path: &str) -> String {
    format!("'{}'", path.replace('\\', r"\\").replace('\'', r"\'"))
}

fn as_shell_word(path: &str) -> String {
    shell_word(path)
}

fn as_go_string(path: &str) -> String {
    format!("{path:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHODS: [TlsMethod; 2] =
        [TlsMethod::StartTls { port: 1025 }, TlsMethod::Implicit { port: 465 }];

    #[test]
    fn every_sender_has_a_row_and_each_names_the_ca_once() {
        assert_eq!(Sender::value_variants().len(), SETUPS.len());
        for (sender, method) in
            Sender::value_variants().iter().flat_map(|it| METHODS.map(|method| (it, method)))
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
