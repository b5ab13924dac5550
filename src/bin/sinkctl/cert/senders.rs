//! What each common sender needs to require TLS of sinkd, and to trust its CA.
use std::path::Path;

use clap::ValueEnum;

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
    // What all programs trust.
    System,
}

/// How a client comes to TLS, and at which port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    StartTls { port: u16 },
    Implicit { port: u16 },
}

/// What stands for the CA's file in a text.
const CA: &str = "{ca}";

/// What stands for the way to sinkd.
const CONNECT: &str = "{connect}";

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

    /// Its name as a value of `--for`.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Its name, and where the lines belong.
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

    /// The lines, with the file of the CA. Those of `openssl` go to the port of `way`; all others
    /// are for STARTTLS.
    pub fn lines(self, ca: &Path, way: Way) -> Vec<String> {
        let ca = self.quoted(&ca.to_string_lossy());
        let connect = match way {
            Way::StartTls { port } => format!("-starttls smtp -connect localhost:{port}"),
            Way::Implicit { port } => format!("-connect localhost:{port}"),
        };
        let filled = |line: &str| line.replace(CONNECT, &connect).replace(CA, &ca);
        self.text().lines().map(filled).collect()
    }

    /// The lines, with [`CA`] in place of its file.
    fn text(self) -> &'static str {
        match self {
            // It compares no addresses, so a relayhost such as [127.0.0.1] needs a name.
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
            // It verifies hosts that it forces TLS on. For others it uses TLS where offered.
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
                "openssl s_client {connect} \
                 -verify_hostname localhost \
                 -verify_return_error -CAfile {ca}"
            }
            Sender::System => {
                "sudo cp {ca} /usr/local/share/ca-certificates/sinkd.crt\n\
                 sudo update-ca-certificates"
            }
        }
    }

    /// The path as the sender reads it.
    fn quoted(self, path: &str) -> String {
        match self {
            // The rest of the line.
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

/// A path as a word of a shell.
fn shell_word(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    match path.chars().all(is_plain) {
        true => path.into(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = Way::StartTls { port: 1025 };

    #[test]
    fn all_are_all_and_each_names_the_ca_once() {
        assert_eq!(Sender::ALL, Sender::value_variants());
        for sender in Sender::ALL {
            let lines = sender.lines(Path::new("/tls/ca.pem"), WAY).join("\n");
            assert_eq!(lines.matches("/tls/ca.pem").count(), 1, "{sender:?}: {lines}");
            assert!(!lines.contains(CA), "{lines}");
        }
    }

    #[test]
    fn a_path_is_quoted_as_the_sender_reads_it() {
        for (sender, expected) in [
            (Sender::Curl, r"--cacert '/a b/it'\''s.pem' ..."),
            (Sender::Smtplib, r"cafile='/a b/it\'s.pem'"),
            (Sender::Go, r#"os.ReadFile("/a b/it's.pem")"#),
            (Sender::Postfix, "smtp_tls_CAfile = /a b/it's.pem"),
            (Sender::Msmtp, r#"tls_trust_file "/a b/it's.pem""#),
        ] {
            let lines = sender.lines(Path::new("/a b/it's.pem"), WAY).join("\n");
            assert!(lines.contains(expected), "{lines}");
        }
    }
}
