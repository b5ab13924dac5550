//! The columns of the index: what it stores of each message.
use crate::mime::sent_time::SentTime;
use crate::smtp::deviation::Deviations;
use crate::smtp::tls::TlsVersion;
use crate::time::UnixNs;

/// Strings, one per line. No string contains a line break.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TextColumn<'a>(pub &'a str);

impl<'a> TextColumn<'a> {
    /// Iterates over the strings; empty text has none.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        self.0.split('\n').filter(|line| !line.is_empty())
    }
}

/// The columns of one message. Texts are decoded to Unicode, but neither case nor accents are
/// folded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Columns<'a> {
    /// Commit time.
    pub received_at_ns: UnixNs,
    /// Size of the message (RFC 1870), even if it was not stored in full.
    pub message_bytes: u64,
    /// Reverse-path of the envelope; empty for the null reverse-path.
    pub reverse_path: &'a str,
    /// Forward-paths of the envelope, in the order of RCPT.
    pub forward_paths: TextColumn<'a>,
    /// Addresses in the header fields From and Sender, without display names.
    pub from: TextColumn<'a>,
    /// Addresses in the header field To, without display names. Independent of the forward-paths.
    pub to: TextColumn<'a>,
    /// Addresses in the header field Cc, without display names.
    pub cc: TextColumn<'a>,
    /// The first Subject field, with encoded words decoded; empty if there is none.
    pub subject: &'a str,
    /// The first Message-ID field, without angle brackets; empty if there is none.
    pub message_id: &'a str,
    /// Whether any part is an attachment (Content-Disposition: attachment, or it has a file name).
    pub has_attachment: bool,
    /// Names of the parts that have one, attached or inline, decoded.
    pub file_names: TextColumn<'a>,
    /// The name of the listener, or its address as configured if it has no name; empty if the
    /// envelope has neither.
    pub listener: &'a str,
    /// The user that the client authenticated as; empty if it did not.
    pub auth_user: &'a str,
    /// The TLS version of the session; `None`: plain text.
    pub tls: Option<TlsVersion>,
    /// Kinds of deviations that sinkd tolerated in the transaction.
    pub deviations: Deviations,
    /// When the message was sent, according to its first X-Sent field.
    pub sent: SentTime,
}
