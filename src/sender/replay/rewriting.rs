//! Puts the envelope of a stored message into a mail, with the requested changes.
use crate::sender::input::{is_mailbox, split};
use crate::smtp::client::OutgoingMail;
use crate::smtp::envelope::{DecodeError, Decoded, decode};

use super::recipient_map::{RecipientMap, excerpt};

/// The changes to an envelope.
#[derive(Debug, Clone, Default)]
pub struct Rewriting {
    /// The reverse-path for every message; empty for the null reverse-path.
    pub from: Option<Vec<u8>>,
    /// New addresses of recipients.
    pub recipients: Option<RecipientMap>,
    /// The domain for all recipients that the list does not contain.
    pub to_domain: Option<Vec<u8>>,
}

/// A forward-path, and its parameters.
type Recipient<'a> = (Vec<u8>, &'a [u8]);

/// The result of rewriting an envelope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filled {
    /// Recipients that became equal to an earlier one. The message is sent to all of them.
    pub duplicates: u32,
}

/// Why no sendable envelope can be made for a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsendable {
    #[error(transparent)]
    Envelope(#[from] DecodeError),
    /// The message has no recipients.
    #[error("it has no recipients")]
    NoRecipients,
    /// A path breaks the grammar. It is not damage, which was checked earlier: the message was
    /// accepted with `--syntax lenient`, or another program wrote it.
    #[error("expected an address, found '{0}'")]
    Path(String),
    /// The parameters contain a control character; CR or LF could inject a command.
    #[error("expected parameters of MAIL or RCPT, found '{0}'")]
    Parameters(String),
}

impl Rewriting {
    /// Returns whether every envelope stays unchanged.
    pub fn is_nothing(&self) -> bool {
        self.from.is_none() && self.recipients.is_none() && self.to_domain.is_none()
    }

    /// Fills the envelope of the empty `mail`. SIZE is left out, because the session adds it.
    /// `envelope` is the stored envelope. `only` has the positions of the remaining recipients,
    /// ascending; without it, all recipients remain.
    pub fn fill(
        &self,
        envelope: &[u8],
        only: Option<&[u32]>,
        mail: &mut OutgoingMail,
    ) -> Result<Filled, Unsendable> {
        let envelope = decode(envelope)?;
        let recipients = self.recipients(&envelope, only)?;
        let reverse_path = match &self.from {
            Some(path) => path,
            None if envelope.mail_from.is_empty() || is_mailbox(envelope.mail_from) => {
                envelope.mail_from
            }
            None => return Err(Unsendable::Path(excerpt(envelope.mail_from))),
        };
        let is_ascii = reverse_path.is_ascii() && recipients.iter().all(|r| r.0.is_ascii());
        let paths = if is_ascii { Paths::Ascii } else { Paths::Utf8 };
        mail.from(reverse_path, &parameters(envelope.mail_params, paths)?);
        for (path, parameters) in &recipients {
            mail.to(path, parameters);
        }
        if recipients.is_empty() {
            return Err(Unsendable::NoRecipients);
        }
        Ok(Filled { duplicates: self.duplicates(recipients) })
    }

    fn recipients<'a>(
        &self,
        envelope: &Decoded<'a>,
        only: Option<&[u32]>,
    ) -> Result<Vec<Recipient<'a>>, Unsendable> {
        let mut recipients = Vec::new();
        for (at, recipient) in (0..).zip(envelope.recipients()) {
            if only.is_some_and(|only| only.binary_search(&at).is_err()) {
                continue;
            }
            let path = self.path(recipient.path);
            if !is_mailbox(&path) {
                return Err(Unsendable::Path(excerpt(&path)));
            }
            check_parameters(recipient.params)?;
            recipients.push((path, recipient.params));
        }
        Ok(recipients)
    }

    fn path(&self, mailbox: &[u8]) -> Vec<u8> {
        let mut path = Vec::with_capacity(mailbox.len());
        let mapped = self.recipients.as_ref().and_then(|map| map.apply(mailbox, &mut path));
        match (mapped, &self.to_domain) {
            (Some(()), _) => {}
            (None, Some(domain)) => {
                path.extend_from_slice(split(mailbox).0);
                path.push(b'@');
                path.extend_from_slice(domain);
            }
            (None, None) => path.extend_from_slice(mailbox),
        }
        path
    }

    /// Counts the duplicates that rewriting caused; duplicates in the original do not count.
    fn duplicates(&self, mut recipients: Vec<Recipient<'_>>) -> u32 {
        if self.recipients.is_none() && self.to_domain.is_none() {
            return 0;
        }
        recipients.sort_unstable();
        let same = recipients.windows(2).filter(|pair| pair[0].0 == pair[1].0).count();
        u32::try_from(same).unwrap_or(u32::MAX)
    }
}

/// The characters in the paths of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paths {
    Ascii,
    Utf8,
}

/// Returns the parameters without SIZE, and with SMTPUTF8 (RFC 6531 section 3.4) if a path needs
/// it.
fn parameters(stored: &[u8], paths: Paths) -> Result<Vec<u8>, Unsendable> {
    check_parameters(stored)?;
    let mut kept: Vec<&[u8]> = Vec::new();
    for parameter in stored.split(|b| *b == b' ').filter(|p| !p.is_empty()) {
        let keyword = parameter.split(|b| *b == b'=').next().unwrap_or_default();
        if !keyword.eq_ignore_ascii_case(b"SIZE") {
            kept.push(parameter);
        }
    }
    if paths == Paths::Utf8 && !kept.iter().any(|p| p.eq_ignore_ascii_case(b"SMTPUTF8")) {
        kept.push(b"SMTPUTF8");
    }
    Ok(kept.join(&b' '))
}

fn check_parameters(parameters: &[u8]) -> Result<(), Unsendable> {
    if parameters.iter().any(|b| b.is_ascii_control()) {
        return Err(Unsendable::Parameters(excerpt(parameters)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sender::replay::testkit::envelope;

    fn written(mail: &OutgoingMail) -> String {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let mut lines = vec![format!("{} {}", text(mail.reverse_path()), text(mail.parameters()))];
        lines.extend(mail.recipients().map(|(p, o)| format!("{} {}", text(p), text(o))));
        lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("; ")
    }

    #[track_caller]
    fn check(rewriting: &Rewriting, stored: &[u8], only: Option<&[u32]>, expected: &str) {
        let mut mail = OutgoingMail::default();
        match rewriting.fill(stored, only, &mut mail) {
            Ok(Filled { duplicates: 0 }) => assert_eq!(written(&mail), expected),
            Ok(Filled { duplicates: n }) => {
                assert_eq!(format!("{}; {n} twice", written(&mail)), expected);
            }
            Err(error) => assert_eq!(error.to_string(), expected),
        }
    }

    #[test]
    fn envelopes_are_kept_or_rewritten() {
        let keep = Rewriting::default();
        let two = envelope("s@a", "size=10 BODY=8BITMIME", &["x@b ORCPT=rfc822;x@b", "y@c"]);
        check(&keep, &two, None, "s@a BODY=8BITMIME; x@b ORCPT=rfc822;x@b; y@c");
        check(&keep, &two, Some(&[1]), "s@a BODY=8BITMIME; y@c");
        check(&keep, &two, Some(&[2]), "it has no recipients");
        check(&keep, &envelope("", "", &["x@b", "x@b"]), None, "; x@b; x@b");
        check(&keep, &envelope("s@a", "SIZE", &["postmaster"]), None, "s@a; postmaster");
        let domain = Rewriting { to_domain: Some(b"t.test".to_vec()), ..Rewriting::default() };
        check(&domain, &two, None, "s@a BODY=8BITMIME; x@t.test ORCPT=rfc822;x@b; y@t.test");
        let same = envelope("s@a", "", &["x@b", "y@b", "x@c"]);
        check(&domain, &same, None, "s@a; x@t.test; y@t.test; x@t.test; 1 twice");
        let bare = envelope("s@a", "", &["Postmaster"]);
        check(&domain, &bare, None, "s@a; Postmaster@t.test");
        let from = Rewriting { from: Some(Vec::new()), ..Rewriting::default() };
        check(&from, &same, None, "; x@b; y@b; x@c");
    }

    #[test]
    fn smtputf8_is_requested_if_a_path_needs_it() {
        let utf8 = Rewriting { to_domain: Some("\u{fc}.test".into()), ..Rewriting::default() };
        let plain = envelope("s@a", "BODY=8BITMIME", &["x@b"]);
        check(&utf8, &plain, None, "s@a BODY=8BITMIME SMTPUTF8; x@\u{fc}.test");
        let requested = envelope("s@a", "smtputf8", &["x@b"]);
        check(&utf8, &requested, None, "s@a smtputf8; x@\u{fc}.test");
    }

    #[test]
    fn invalid_envelopes_are_refused() {
        let keep = Rewriting::default();
        check(&keep, b"", None, "envelope: it does not begin with a version");
        check(&keep, &envelope("s@a", "", &[]), None, "it has no recipients");
        check(
            &keep,
            &envelope("s@a", "", &["x@b\r\nDATA"]),
            None,
            "expected an address, found 'x@b\\r\\nDATA'",
        );
        check(&keep, &envelope("s@a>", "", &["x@b"]), None, "expected an address, found 's@a>'");
        let expected = "expected parameters of MAIL or RCPT, found 'BODY=7BIT\\r\\nRSET'";
        check(&keep, &envelope("s@a", "BODY=7BIT\r\nRSET", &["x@b"]), None, expected);
        let long = Rewriting { to_domain: Some(vec![b'd'; 1000]), ..Rewriting::default() };
        let stored = envelope("s@a", "", &["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b"]);
        assert!(long.fill(&stored, None, &mut OutgoingMail::default()).is_err());
    }
}
