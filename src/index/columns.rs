//! What the index keeps of one message.
use crate::mime::sent_time::SentTime;
use crate::smtp::deviation::Deviations;
use crate::smtp::tls::TlsVersion;

/// Strings one after another, a line each; no string contains a line break.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TextColumn<'a>(pub &'a str);

impl<'a> TextColumn<'a> {
    /// One by one; nothing for the empty text.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        self.0.split('\n').filter(|line| !line.is_empty())
    }
}

/// A message as its columns show it. Texts are decoded to Unicode and otherwise as they were sent:
/// neither case nor accents are folded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Columns<'a> {
    /// Commit time, ns since the Unix epoch.
    pub received_at_ns: u64,
    /// Octets of the message (RFC 1870), whatever of it is stored.
    pub message_bytes: u64,
    /// Reverse-path of the envelope; empty for the null reverse-path.
    pub reverse_path: &'a str,
    /// Forward-paths of the envelope, in the order of RCPT.
    pub forward_paths: TextColumn<'a>,
    /// Addresses in the header's From and Sender fields, without names.
    pub from: TextColumn<'a>,
    /// Addresses in To.
    pub to: TextColumn<'a>,
    /// Addresses in Cc.
    pub cc: TextColumn<'a>,
    /// The first Subject field.
    pub subject: &'a str,
    /// The first Message-ID field, without angle brackets.
    pub message_id: &'a str,
    /// A part is an attachment (Content-Disposition: attachment, or it has a file name).
    pub has_attachment: bool,
    /// Names of attached files.
    pub file_names: TextColumn<'a>,
    /// The name of the listener, or its address as configured if it has no name; empty if the
    /// envelope has neither.
    pub listener: &'a str,
    /// The user that the client authenticated as; empty: it did not.
    pub auth_user: &'a str,
    /// The TLS under which it came; `None`: in plain text.
    pub tls: Option<TlsVersion>,
    /// Rules that the client broke, and that were tolerated.
    pub deviations: Deviations,
    /// When the message says that it was sent, in its first X-Sent field.
    pub sent: SentTime,
}
