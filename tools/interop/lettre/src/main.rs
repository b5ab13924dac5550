//! usage: lettre PORT starttls|implicit [CA]
//!
//! Sends one message to localhost under TLS. It trusts the certificates in the file CA alone; without
//! the file it trusts none. Exit status 0: the message was accepted; 1: not, with the reason.
use std::error::Error;

use lettre::message::header::ContentType;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (port, mode, ca) = match &args[..] {
        [port, mode] => (port, mode, None),
        [port, mode, ca] => (port, mode, Some(ca)),
        _ => return Err("usage: lettre PORT starttls|implicit [CA]".into()),
    };
    let mut parameters =
        TlsParameters::builder("localhost".into()).certificate_store(CertificateStore::None);
    if let Some(ca) = ca {
        parameters = parameters.add_root_certificate(Certificate::from_pem(&std::fs::read(ca)?)?);
    }
    let parameters = parameters.build_rustls()?;
    let tls = match mode.as_str() {
        "starttls" => Tls::Required(parameters),
        "implicit" => Tls::Wrapper(parameters),
        other => return Err(format!("expected starttls or implicit, found {other}").into()),
    };
    let message = Message::builder()
        .from("lettre@example.org".parse()?)
        .to("two@example.com".parse()?)
        .subject("x")
        .header(ContentType::TEXT_PLAIN)
        .body(String::from("x\r\n"))?;
    let sender = SmtpTransport::builder_dangerous("localhost").port(port.parse()?).tls(tls).build();
    sender.send(&message)?;
    Ok(())
}
