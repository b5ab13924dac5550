//! Commands that break the grammar. They are refused, or tolerated if unambiguous.
use super::Session;
use super::refusal::NotAccepted;
use super::state::SessionState;
use super::step::Step;
use crate::smtp::deviation::{Deviation, Deviations};
use crate::smtp::envelope::{FIELD_HEADER_BYTES, Tag};
use crate::smtp::grammar::{Command, SyntaxError};
use crate::smtp::lenient;
use crate::smtp::param::{self, RcptParameters};
use crate::smtp::path::Path;
use crate::smtp::reply;
use crate::smtp::tally::Verb;
use crate::smtp::workspace::Workspace;

impl Session {
    /// Handles a line that the grammar refused. Under `--syntax lenient`, parses it again
    /// leniently.
    #[cold]
    pub(super) fn off_grammar(
        &mut self,
        line: &[u8],
        error: SyntaxError,
        workspace: &mut Workspace,
    ) -> Option<Step> {
        if let SessionState::Greeted = self.state
            && self.proxy_unexpected(line, workspace)
        {
            return None;
        }
        if self.is_tls_hello(line) {
            self.close(&reply::PLAIN_EXPECTED, workspace);
            return None;
        }
        if self.terms.auth().is_some()
            && let Some(command) = with_auth_parameter(line)
        {
            workspace.tally.command(Verb::Mail);
            return match self.execute(command, workspace) {
                Ok(step) => step,
                Err(refused) => self.refuse_command(command, refused, workspace),
            };
        }
        let lenient = if self.terms.is_lenient() { lenient::parse(line) } else { None };
        let Some((command, kinds)) = lenient else {
            // The grammar does not define AUTH=, so it reports every one as an unknown parameter.
            let error = match error {
                SyntaxError::ParameterUnknown
                    if self.terms.auth().is_some() && has_bad_auth_parameter(line) =>
                {
                    SyntaxError::Parameter
                }
                other => other,
            };
            workspace.tally.command(if error == SyntaxError::LhloName {
                Verb::Hello
            } else {
                Verb::Other
            });
            return self.syntax_error(error, workspace);
        };
        workspace.tally.command(command.verb());
        self.tolerate(command, kinds, workspace)
    }

    /// Refuses an unexpected PROXY header at once, because the proxy's client would take the error
    /// for the reply to its EHLO. Version 2 begins with an empty line, which no client sends first.
    #[cold]
    fn proxy_unexpected(&mut self, line: &[u8], workspace: &mut Workspace) -> bool {
        let is_header =
            self.counts.errors() == 0 && (line.is_empty() || line.starts_with(b"PROXY "));
        if is_header {
            workspace.tally.command(Verb::Other);
            self.close(&reply::PROXY_UNEXPECTED, workspace);
        }
        is_header
    }

    /// Executes a command that breaks rules. If it is accepted, records the deviations.
    #[cold]
    fn tolerate(
        &mut self,
        command: Command<'_>,
        kinds: Deviations,
        workspace: &mut Workspace,
    ) -> Option<Step> {
        match self.execute(command, workspace) {
            Ok(None) => {}
            Ok(step) => return step,
            Err(NotAccepted::NonAscii) => {
                return self.tolerate(as_ascii(command), kinds.union(non_ascii()), workspace);
            }
            Err(refused) => return self.refuse_command(command, refused, workspace),
        }
        match command.verb() {
            Verb::Hello => self.identity.set_hello_deviations(kinds),
            _ => self.note(kinds, workspace),
        }
        Some(Step::Tolerated(kinds))
    }

    /// Replies to a command that is valid but not accepted.
    #[cold]
    pub(super) fn refuse_command(
        &mut self,
        command: Command<'_>,
        refused: NotAccepted,
        workspace: &mut Workspace,
    ) -> Option<Step> {
        let reply = match refused {
            NotAccepted::NonAscii if self.terms.is_lenient() => {
                return self.tolerate(as_ascii(command), non_ascii(), workspace);
            }
            NotAccepted::NonAscii => &reply::UTF8_NOT_DECLARED,
            NotAccepted::With(reply) => reply,
            NotAccepted::Closing(reply) => {
                self.close(reply, workspace);
                return None;
            }
        };
        if let (Command::Rcpt { .. }, Some(transaction)) = (command, self.open_mut()) {
            transaction.was_rcpt_refused = true;
        }
        self.reply(reply, workspace);
        None
    }

    /// Adds kinds of deviations to the transaction's envelope, each once.
    #[cold]
    pub(super) fn note(&mut self, kinds: Deviations, workspace: &mut Workspace) {
        let Some(transaction) = self.open_mut() else { return };
        let new = kinds.without(transaction.noted);
        if new.is_empty() {
            return;
        }
        transaction.noted = transaction.noted.union(kinds);
        let numbers: Vec<u8> = new.kinds().map(|kind| kind as u8).collect();
        let envelope = &mut transaction.envelope;
        workspace.make_room_beyond(&mut envelope.bytes, FIELD_HEADER_BYTES + numbers.len());
        envelope.push(Tag::Deviations, &numbers);
    }

    #[cold]
    fn syntax_error(&mut self, error: SyntaxError, workspace: &mut Workspace) -> Option<Step> {
        let answer = match error {
            SyntaxError::Unknown => &reply::UNKNOWN,
            SyntaxError::Unimplemented => &reply::NOT_IMPLEMENTED,
            SyntaxError::ControlCharacter => &reply::CONTROL_CHARACTER,
            SyntaxError::Name => &reply::NAME_SYNTAX,
            SyntaxError::LhloName if !self.terms.is_lmtp() => &reply::NOT_IMPLEMENTED,
            SyntaxError::LhloName => &reply::LHLO_NAME_SYNTAX,
            SyntaxError::MailForm => &reply::MAIL_SYNTAX,
            SyntaxError::RcptForm => &reply::RCPT_SYNTAX,
            SyntaxError::ReversePath => &reply::REVERSE_PATH_SYNTAX,
            SyntaxError::ForwardPath => &reply::FORWARD_PATH_SYNTAX,
            SyntaxError::Parameter => &reply::PARAMETER_SYNTAX,
            SyntaxError::ParameterUnknown => &reply::PARAMETER_UNKNOWN,
            SyntaxError::ArgumentUnexpected => &reply::ARGUMENT_UNEXPECTED,
            SyntaxError::ArgumentMissing => &reply::ARGUMENT_MISSING,
            SyntaxError::BdatRest { bytes } => {
                self.end_transaction(workspace);
                return Some(self.discard(bytes, &reply::BDAT_SYNTAX));
            }
            SyntaxError::BdatSize => {
                // Payload of unknown size follows, and would be read as commands if the session
                // continued.
                self.close(&reply::CHUNK_SIZE_LOST, workspace);
                return None;
            }
        };
        if let (true, Some(transaction)) = (is_of_rcpt(error), self.open_mut()) {
            transaction.was_rcpt_refused = true;
        }
        self.reply(answer, workspace);
        None
    }
}

/// Parses a MAIL command that is valid where AUTH is offered: its parameter `AUTH=` is `<>` or
/// xtext (RFC 4954 section 5). The value is stored, but not interpreted.
fn with_auth_parameter(line: &[u8]) -> Option<Command<'_>> {
    let (command, kinds) = lenient::parse(line)?;
    let Command::Mail { parameters, .. } = command else { return None };
    let mut values = auth_values(parameters.text);
    let is_one = values.next().is_some_and(is_auth_value) && values.next().is_none();
    (is_one && kinds == Deviations::only(Deviation::AuthParameter)).then_some(command)
}

/// Returns whether a line has a malformed parameter `AUTH=`, or has it twice.
fn has_bad_auth_parameter(line: &[u8]) -> bool {
    let mut values = auth_values(line);
    values.next().is_some_and(|first| !is_auth_value(first) || values.next().is_some())
}

/// Returns the values of `AUTH=` among words separated by spaces.
fn auth_values(words: &[u8]) -> impl Iterator<Item = &[u8]> {
    words.split(|octet| *octet == b' ').filter_map(|parameter| {
        let (keyword, value) = parameter.split_at_checked(5)?;
        keyword.eq_ignore_ascii_case(b"AUTH=").then_some(value)
    })
}

fn is_auth_value(value: &[u8]) -> bool {
    value == b"<>" || param::is_xtext(value)
}

/// Returns the deviation that can't be detected in a single line, because it depends on the
/// parameters of MAIL.
fn non_ascii() -> Deviations {
    Deviations::only(Deviation::NonAscii)
}

/// Clears the flag of a command that requires SMTPUTF8 for its octets above 127.
fn as_ascii(command: Command<'_>) -> Command<'_> {
    match command {
        Command::Mail { path, parameters } => {
            Command::Mail { path: Path { utf8: false, ..path }, parameters }
        }
        Command::Rcpt { path, parameters } => Command::Rcpt {
            path: Path { utf8: false, ..path },
            parameters: RcptParameters { utf8: false, ..parameters },
        },
        other => other,
    }
}

/// Returns whether the error is one of RCPT. A bad parameter counts as one: within a transaction,
/// MAIL is out of sequence anyway.
fn is_of_rcpt(error: SyntaxError) -> bool {
    use SyntaxError::{ForwardPath, Parameter, ParameterUnknown, RcptForm};
    matches!(error, RcptForm | ForwardPath | Parameter | ParameterUnknown)
}
