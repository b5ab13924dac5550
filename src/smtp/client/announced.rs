//! What a server announces in its EHLO reply, and which parameters it permits.
use crate::smtp::sasl::Mechanism;

/// The extensions that change what the session sends. Without EHLO there are none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Announced {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 3030.
    pub chunking: bool,
    /// RFC 3030.
    pub binary_mime: bool,
    /// RFC 1870.
    pub size: bool,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 3207.
    pub starttls: bool,
    /// RFC 4954; indexed by the position in [`Mechanism::ALL`].
    mechanisms: [bool; Mechanism::ALL.len()],
    /// Maximum number of transactions that the server accepts in one session (MAILMAX of RFC 9422).
    pub mail_max: Option<u64>,
}

impl Announced {
    /// Reads a line of the EHLO reply, without its code. Unknown keywords are ignored.
    pub fn take(&mut self, line: &[u8]) {
        let mut words = line.split(|octet| *octet == b' ');
        let keyword = words.next().unwrap_or_default();
        if keyword.eq_ignore_ascii_case(b"LIMITS") {
            self.mail_max = words.find_map(mail_max).or(self.mail_max);
        } else if let Some(first) = auth(keyword) {
            words.chain([first]).for_each(|name| self.add_mechanism(name));
        }
        let known: [(&[u8], &mut bool); 8] = [
            (b"PIPELINING", &mut self.pipelining),
            (b"CHUNKING", &mut self.chunking),
            (b"BINARYMIME", &mut self.binary_mime),
            (b"SIZE", &mut self.size),
            (b"8BITMIME", &mut self.eight_bit_mime),
            (b"SMTPUTF8", &mut self.smtputf8),
            (b"DSN", &mut self.dsn),
            (b"STARTTLS", &mut self.starttls),
        ];
        for (name, is_there) in known {
            *is_there |= keyword.eq_ignore_ascii_case(name);
        }
    }

    fn add_mechanism(&mut self, name: &[u8]) {
        if let Some(mechanism) = Mechanism::from_name(name) {
            self.mechanisms[mechanism as usize] = true;
        }
    }

    /// Returns whether the server announces AUTH with this mechanism.
    pub fn has_mechanism(&self, mechanism: Mechanism) -> bool {
        self.mechanisms[mechanism as usize]
    }

    /// Returns whether this parameter of MAIL or RCPT may be sent. SIZE may not, because the
    /// session sends its own. Parameters of unknown extensions may not either.
    pub fn allows(&self, parameter: &[u8]) -> bool {
        let keyword = parameter.split(|octet| *octet == b'=').next().unwrap_or_default();
        let is = |name: &[u8]| keyword.eq_ignore_ascii_case(name);
        if parameter.eq_ignore_ascii_case(b"BODY=BINARYMIME") {
            return self.binary_mime && self.chunking;
        }
        if is(b"BODY") {
            self.eight_bit_mime
        } else if is(b"SMTPUTF8") {
            self.smtputf8
        } else {
            self.dsn && [&b"RET"[..], b"ENVID", b"NOTIFY", b"ORCPT"].into_iter().any(is)
        }
    }
}

/// Matches the AUTH keyword. Returns the mechanism of `AUTH=MECHANISM`, as old servers write it, or
/// an empty slice for plain `AUTH`.
fn auth(keyword: &[u8]) -> Option<&[u8]> {
    let (name, rest) = keyword.split_at_checked(b"AUTH".len())?;
    let rest = if rest.is_empty() { rest } else { rest.strip_prefix(b"=")? };
    name.eq_ignore_ascii_case(b"AUTH").then_some(rest)
}

/// Returns the value of MAILMAX, at least 1: "0" is not a limit (RFC 9422 section 4).
fn mail_max(limit: &[u8]) -> Option<u64> {
    let (name, value) = limit.split_at_checked(b"MAILMAX=".len())?;
    if !name.eq_ignore_ascii_case(b"MAILMAX=") {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok().filter(|max| *max > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailmax_limits_the_number_of_transactions() {
        for (line, expected) in [
            ("LIMITS MAILMAX=7", Some(7)),
            ("limits RCPTMAX=100 mailmax=20 RCPTDOMAINMAX=1", Some(20)),
            ("LIMITS RCPTMAX=100", None),
            ("LIMITS MAILMAX=0", None),
            ("LIMITS MAILMAX=x MAILMAX", None),
            ("LIMITSX MAILMAX=7", None),
            ("SIZE MAILMAX=7", None),
        ] {
            let mut announced = Announced::default();
            announced.take(line.as_bytes());
            assert_eq!(announced.mail_max, expected, "{line}");
        }
    }

    #[test]
    fn mechanisms_are_read_from_auth() {
        use Mechanism::{CramMd5, Login, Plain, Xoauth2};
        for (line, expected) in [
            ("AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2 SCRAM-SHA-1", &Mechanism::ALL[..]),
            ("auth cram-md5", &[CramMd5]),
            ("AUTH=LOGIN PLAIN", &[Plain, Login]),
            ("AUTH  XOAUTH2", &[Xoauth2]),
            ("AUTH", &[]),
            ("AUTHX PLAIN", &[]),
            ("XAUTH PLAIN", &[]),
            ("SIZE PLAIN", &[]),
        ] {
            let mut announced = Announced::default();
            announced.take(line.as_bytes());
            let all = Mechanism::ALL.into_iter();
            let found: Vec<_> = all.filter(|one| announced.has_mechanism(*one)).collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn keywords_and_what_they_allow() {
        let mut announced = Announced::default();
        for line in ["mx.example greets", "pipelining", "SIZE 1000", "8BITMIME", "X-OTHER", "DSNX"]
        {
            announced.take(line.as_bytes());
        }
        let expected = Announced {
            pipelining: true,
            size: true,
            eight_bit_mime: true,
            ..Announced::default()
        };
        assert_eq!(announced, expected);
        let rows = [
            ("BODY=8BITMIME", true),
            ("body=7bit", true),
            ("BODY=BINARYMIME", false),
            ("SIZE=1", false),
            ("SMTPUTF8", false),
            ("NOTIFY=NEVER", false),
            ("AUTH=<>", false),
            ("", false),
        ];
        for (parameter, allowed) in rows {
            assert_eq!(announced.allows(parameter.as_bytes()), allowed, "{parameter}");
        }
        let all = Announced { dsn: true, binary_mime: true, chunking: true, ..announced };
        assert!(all.allows(b"ORCPT=rfc822;a@b") && all.allows(b"BODY=BINARYMIME"));
    }
}
