//! Which command carries the content of a message, and which messages no command may carry.
use super::ambiguous::has_ambiguous_dot;
use super::announced::Announced;
use super::mail::OutgoingMail;
use super::options::Options;
use super::watch::Withheld;

/// The command that carries the content of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentCommand {
    Data,
    /// One chunk (RFC 3030).
    Bdat,
}

impl ContentCommand {
    /// Chooses the command for the content of `mail`, and converts the content to its form.
    pub fn choose(
        mail: &mut OutgoingMail,
        announced: &Announced,
        options: &Options,
    ) -> ContentCommand {
        let wants_chunk = options.chunking || mail.chunked || mail.is_binary();
        if announced.chunking && wants_chunk {
            mail.unstuff();
            return ContentCommand::Bdat;
        }
        mail.stuff();
        // BDAT states the length of the content, so nothing can be misread.
        let is_safer = announced.chunking && !options.sends_ambiguous;
        if is_safer && is_ambiguous(mail) {
            mail.unstuff();
            return ContentCommand::Bdat;
        }
        ContentCommand::Data
    }

    /// Returns why a message must not be sent to this server with this command. `mail` must be in
    /// the form for the command.
    pub fn withheld(self, mail: &OutgoingMail, announced: &Announced) -> Option<Withheld> {
        let is_binary_refused = match self {
            ContentCommand::Data => mail.is_binary(),
            ContentCommand::Bdat => mail.is_binary() && !announced.binary_mime,
        };
        if is_binary_refused {
            return Some(Withheld::Binary);
        }
        if !announced.smtputf8 && !mail.is_ascii() {
            return Some(Withheld::Utf8Address);
        }
        let is_dot_refused = self == ContentCommand::Data && is_ambiguous(mail);
        is_dot_refused.then_some(Withheld::AmbiguousDot)
    }
}

/// Returns whether DATA would send an ambiguous dot. `mail` must be in the form for DATA.
fn is_ambiguous(mail: &OutgoingMail) -> bool {
    !mail.made_here && has_ambiguous_dot(&mail.head, &mail.body)
}
