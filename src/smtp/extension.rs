//! The extensions that a listener can offer: what EHLO announces, in which order, and what a server
//! without them refuses.
use std::fmt;
use std::str::FromStr;

use super::param::{Body, MailParameters, RcptParameters};

macro_rules! extensions {
    ($($(#[$doc:meta])* $name:ident = $keyword:literal;)*) => {
        /// A service extension, identified by its EHLO keyword (RFC 5321 section 2.2).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Extension { $($(#[$doc])* $name),* }

        impl Extension {
            /// Every extension, in the order in which EHLO announces them by default.
            pub const ALL: &[Extension] = &[$(Extension::$name),*];

            /// Returns the EHLO keyword, without parameters.
            pub fn keyword(self) -> &'static str {
                match self { $(Extension::$name => $keyword),* }
            }
        }
    };
}

extensions! {
    /// RFC 2920.
    Pipelining = "PIPELINING";
    /// RFC 1870.
    Size = "SIZE";
    /// RFC 6152.
    EightBitMime = "8BITMIME";
    /// RFC 6531.
    SmtpUtf8 = "SMTPUTF8";
    /// RFC 3030.
    Chunking = "CHUNKING";
    /// RFC 3030.
    BinaryMime = "BINARYMIME";
    /// RFC 2034.
    EnhancedStatusCodes = "ENHANCEDSTATUSCODES";
    /// RFC 3461.
    Dsn = "DSN";
    /// RFC 9422.
    Limits = "LIMITS";
    /// RFC 5321 section 4.1.1.8.
    Help = "HELP";
}

/// The word is not the keyword of an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnExtension;

impl FromStr for Extension {
    type Err = NotAnExtension;

    fn from_str(text: &str) -> Result<Extension, NotAnExtension> {
        let is_meant = |extension: &&Extension| extension.keyword().eq_ignore_ascii_case(text);
        Extension::ALL.iter().find(is_meant).copied().ok_or(NotAnExtension)
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keyword())
    }
}

/// A set of extensions, one bit for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extensions(u16);

impl Extensions {
    /// Returns the extensions that are not in `offered`.
    pub fn all_except(offered: &[Extension]) -> Extensions {
        let missing = Extension::ALL.iter().filter(|extension| !offered.contains(extension));
        Extensions(missing.fold(0, |bits, extension| bits | bit(*extension)))
    }

    /// Returns whether the set is empty.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns whether `extension` is in the set.
    #[inline]
    pub fn has(self, extension: Extension) -> bool {
        self.0 & bit(extension) != 0
    }

    /// Returns whether any parameter of MAIL belongs to an extension in the set.
    #[cold]
    pub fn have_parameter_of_mail(self, parameters: &MailParameters<'_>) -> bool {
        let MailParameters { size, body, smtputf8, ret, envid, .. } = parameters;
        let of_body = match body {
            None => false,
            Some(Body::SevenBit | Body::EightBitMime) => self.has(Extension::EightBitMime),
            Some(Body::BinaryMime) => self.has(Extension::BinaryMime),
        };
        of_body
            || size.is_some() && self.has(Extension::Size)
            || *smtputf8 && self.has(Extension::SmtpUtf8)
            || (ret.is_some() || envid.is_some()) && self.has(Extension::Dsn)
    }

    /// Returns whether any parameter of RCPT belongs to an extension in the set.
    #[cold]
    pub fn have_parameter_of_rcpt(self, parameters: &RcptParameters<'_>) -> bool {
        let is_dsn = parameters.notify.is_some() || parameters.orcpt.is_some();
        is_dsn && self.has(Extension::Dsn)
    }
}

fn bit(extension: Extension) -> u16 {
    1 << extension as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::param;

    #[test]
    fn keywords_read_back_whatever_their_case() {
        for extension in Extension::ALL {
            let keyword = extension.keyword();
            assert_eq!(keyword.parse(), Ok(*extension));
            assert_eq!(keyword.to_lowercase().parse(), Ok(*extension));
        }
        assert_eq!("STARTTLS".parse::<Extension>(), Err(NotAnExtension));
    }

    #[test]
    fn a_parameter_belongs_to_the_extension_that_defines_it() {
        use Extension::{BinaryMime, Dsn, EightBitMime, Size, SmtpUtf8};
        for (text, of) in [
            (" SIZE=1", Size),
            (" BODY=7BIT", EightBitMime),
            (" BODY=8BITMIME", EightBitMime),
            (" BODY=BINARYMIME", BinaryMime),
            (" SMTPUTF8", SmtpUtf8),
            (" RET=HDRS", Dsn),
            (" ENVID=a", Dsn),
        ] {
            let parameters = param::parse_mail(text.as_bytes()).unwrap();
            for extension in Extension::ALL {
                let set = Extensions(bit(*extension));
                assert_eq!(set.have_parameter_of_mail(&parameters), *extension == of, "{text}");
            }
        }
        for text in [" NOTIFY=NEVER", " ORCPT=rfc822;a"] {
            let parameters = param::parse_rcpt(text.as_bytes()).unwrap();
            assert!(Extensions(bit(Dsn)).have_parameter_of_rcpt(&parameters), "{text}");
            assert!(!Extensions(!bit(Dsn)).have_parameter_of_rcpt(&parameters), "{text}");
        }
    }
}
