//! Cold: commands that break the grammar. Refused, or tolerated where they cannot be misread.
use super::*;
use crate::smtp::deviation::Deviation;
use crate::smtp::grammar::SyntaxError;
use crate::smtp::lenient;
use crate::smtp::limits::Syntax;

impl Session {
    /// The grammar has refused a line. Where that is wanted, it gets a second chance.
    #[cold]
    pub(super) fn off_grammar(
        &mut self,
        line: &[u8],
        error: SyntaxError,
        desk: &mut Desk,
    ) -> Option<Step> {
        let lenient = if self.is_lenient() { lenient::parse(line) } else { None };
        let Some((command, kinds)) = lenient else {
            desk.tally.command(if error == SyntaxError::LhloName {
                Verb::Hello
            } else {
                Verb::Other
            });
            return self.syntax_error(error, desk);
        };
        desk.tally.command(command.verb());
        self.tolerate(command, kinds, desk)
    }

    /// Executes a command that breaks rules. They were tolerated if it is accepted.
    #[cold]
    fn tolerate(
        &mut self,
        command: Command<'_>,
        kinds: Deviations,
        desk: &mut Desk,
    ) -> Option<Step> {
        let from = desk.replies.len();
        let step = self.execute(command, desk);
        if desk.replies.get(from) != Some(&b'2') {
            return step;
        }
        let kinds = match step {
            Some(Step::Tolerated(more)) => kinds.and(more),
            _ => kinds,
        };
        match command.verb() {
            Verb::Hello => self.hello_deviations = kinds,
            _ => self.note(kinds, desk),
        }
        Some(Step::Tolerated(kinds))
    }

    /// Writes kinds into the envelope of the transaction, each once.
    #[cold]
    pub(super) fn note(&mut self, kinds: Deviations, desk: &mut Desk) {
        let new = kinds.without(self.noted);
        if new.is_empty() {
            return;
        }
        self.noted = self.noted.and(kinds);
        let numbers: Vec<u8> = new.kinds().map(|kind| kind as u8).collect();
        desk.make_room_beyond(&mut self.envelope.bytes, FIELD_HEADER_BYTES + numbers.len());
        self.envelope.push(Tag::Deviations, &numbers);
    }

    fn is_lenient(&self) -> bool {
        self.policy.syntax == Syntax::Lenient
    }

    #[cold]
    pub(super) fn mail_fails(
        &mut self,
        path: Path<'_>,
        parameters: MailParameters<'_>,
        refusal: &'static Reply,
        desk: &mut Desk,
    ) -> Option<Step> {
        if refusal == &reply::UTF8_NOT_DECLARED && self.is_lenient() {
            let path = Path { utf8: false, ..path };
            return self.tolerate(Command::Mail { path, parameters }, non_ascii(), desk);
        }
        self.reply(refusal, desk);
        None
    }

    #[cold]
    pub(super) fn rcpt_fails(
        &mut self,
        path: Path<'_>,
        parameters: RcptParameters<'_>,
        refusal: &'static Reply,
        desk: &mut Desk,
    ) -> Option<Step> {
        if refusal == &reply::UTF8_NOT_DECLARED && self.is_lenient() {
            let (path, parameters) =
                (Path { utf8: false, ..path }, RcptParameters { utf8: false, ..parameters });
            return self.tolerate(Command::Rcpt { path, parameters }, non_ascii(), desk);
        }
        self.rcpt_refused |= self.in_transaction();
        self.reply(refusal, desk);
        None
    }

    #[cold]
    fn syntax_error(&mut self, error: SyntaxError, desk: &mut Desk) -> Option<Step> {
        let answer = match error {
            SyntaxError::Unknown => &reply::UNKNOWN,
            SyntaxError::Unimplemented => &reply::NOT_IMPLEMENTED,
            SyntaxError::ControlCharacter => &reply::CONTROL_CHARACTER,
            SyntaxError::Name => &reply::NAME_SYNTAX,
            SyntaxError::LhloName if !self.policy.is_lmtp() => &reply::NOT_IMPLEMENTED,
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
                self.reset(desk);
                return Some(self.discard(bytes, &reply::BDAT_SYNTAX));
            }
            SyntaxError::BdatSize => {
                // Payload follows and nobody knows how much: to go on would be to read it as
                // commands.
                self.close(&reply::CHUNK_SIZE_LOST, desk);
                return None;
            }
        };
        self.rcpt_refused |= self.in_transaction() && is_of_rcpt(error);
        self.reply(answer, desk);
        None
    }
}

/// The kind that no line shows by itself: it depends on what MAIL said.
fn non_ascii() -> Deviations {
    Deviations::only(Deviation::NonAscii)
}

/// The error is one of RCPT: within a transaction MAIL is out of sequence, whatever its parameters.
fn is_of_rcpt(error: SyntaxError) -> bool {
    use SyntaxError::{ForwardPath, Parameter, ParameterUnknown, RcptForm};
    matches!(error, RcptForm | ForwardPath | Parameter | ParameterUnknown)
}
