//! Decides the conclusion from all findings, and whether it is certain.
use super::account::RecipientTally;
use super::bodies::BodyTally;
use super::copies::CopyTally;
use super::deliveries::{ContentRule, MessageRule, MessageTally};
use super::doubt::AuditDoubt;
use super::figures::{
    AuditConclusion, AuditFigures, ContentFigures, ExpectedFigures, LateFigures, LogFigures,
    OrderFigures, PersonFigures, RepeatedFigures,
};
use super::key::KeyKind;
use super::list::{ListTotals, RowRule};
use super::log_join::LogTally;
use super::logged::LogsRead;
use super::order::{OrderRule, OrderTally};
use super::since::ChangedSince;
use crate::analysis::counting::MissingMessages;

/// All findings of an audit, from which its conclusion follows.
pub struct AuditEvidence<'a> {
    pub rule: &'a MessageRule,
    /// Segments that can't be read, or whose counts or flags are damaged.
    pub faulty_segments: u64,
    pub since: ChangedSince,
    pub order_rule: OrderRule,
    pub row_rule: RowRule,
    /// Why the selection may be incomplete.
    pub doubts: &'a [AuditDoubt],
    pub list: Option<&'a ListTotals>,
    /// Columns whose values messages must contain.
    pub columns: &'a [String],
    pub messages: &'a MessageTally,
    pub account: &'a RecipientTally,
    pub copies: &'a CopyTally,
    pub bodies: &'a BodyTally,
    pub order: &'a OrderTally,
    /// `None` if no log was given.
    pub logs: Option<&'a LogEvidence>,
}

/// What the logs of the sender show.
pub struct LogEvidence {
    /// How much of the logs was usable.
    pub read: LogsRead,
    /// Their claims, matched with deliveries.
    pub joined: LogTally,
}

/// Decides the conclusion, and returns it with all figures.
pub fn figures(evidence: &AuditEvidence<'_>, missing_messages: MissingMessages) -> AuditFigures {
    let doubts = evidence.doubts(&missing_messages);
    let conclusion = evidence.conclusion(&missing_messages, &doubts);
    let AuditEvidence { messages, account, bodies, order, rule, order_rule, .. } = *evidence;
    AuditFigures {
        conclusion,
        doubts,
        messages: messages.messages,
        recipients: messages.recipients,
        expected: evidence.expected(),
        delivered: account.delivered,
        repeated: repeated(account, evidence.copies),
        without_key: messages.without_key,
        persons: (!evidence.columns.is_empty()).then_some(PersonFigures {
            checked: bodies.checked,
            wrong: bodies.wrong,
            not_stored: bodies.not_stored,
            without_value: bodies.without_value,
        }),
        content: (rule.content == ContentRule::Checked).then_some(ContentFigures {
            checked: messages.checked,
            changed: messages.changed,
            without_checksum: messages.without_checksum,
            not_stored: messages.not_stored,
        }),
        order: (rule.key.kind == KeyKind::Number).then_some(OrderFigures {
            is_required: order_rule == OrderRule::Fault,
            out_of_order: order.late,
            distance_max: order.distance_max,
        }),
        late: rule.late.as_ref().map(|_| LateFigures {
            checked: messages.timed,
            late: messages.late,
            without_time: messages.without_time,
        }),
        sender_log: evidence.logs.map(log_figures),
        missing_messages,
    }
}

fn log_figures(LogEvidence { read, joined }: &LogEvidence) -> LogFigures {
    LogFigures {
        lines: read.lines,
        lines_with_id: read.lines_with_id,
        bad_lines: read.bad_lines,
        cut_logs: read.cut.len() as u64,
        joined: *joined,
    }
}

impl AuditEvidence<'_> {
    fn is_expecting(&self) -> bool {
        self.is_expecting_recipients() || self.logs.is_some()
    }

    /// Returns whether numbers are expected, but no message has one.
    fn is_without_numbers(&self) -> bool {
        let is_by_number = self.list.is_none() && self.rule.key.kind == KeyKind::Number;
        is_by_number && self.account.delivered == 0
    }

    fn is_expecting_recipients(&self) -> bool {
        self.list.is_some() || self.rule.key.kind == KeyKind::Number
    }

    fn expected(&self) -> Option<ExpectedFigures> {
        let RecipientTally {
            repeated_rows, once, missing, unexpected, unexpected_messages, ..
        } = *self.account;
        self.is_expecting_recipients().then(|| ExpectedFigures {
            column: self.list.map(|list| list.column.clone()),
            rows: self.list.map_or(0, |list| list.rows),
            bad_rows: self.list.map_or(0, |list| list.bad_rows),
            repeated_rows,
            recipients: self.account.expected,
            once,
            missing,
            unexpected,
            unexpected_messages,
        })
    }

    /// Returns why the figures may be incomplete.
    fn doubts(&self, missing: &MissingMessages) -> Vec<AuditDoubt> {
        let mut doubts = self.doubts.to_vec();
        doubts.extend(self.doubts_about_numbers());
        doubts.extend(self.doubts_about_nothing());
        doubts.extend((missing.messages != Some(0)).then_some(AuditDoubt::Missing(*missing)));
        doubts
    }

    /// Returns the doubts that have a number, such as that of unusable rows.
    fn doubts_about_numbers(&self) -> impl Iterator<Item = AuditDoubt> {
        let AuditEvidence { messages, bodies, since, .. } = self;
        let repeated_rows = match self.row_rule {
            RowRule::Unique => self.account.repeated_rows,
            RowRule::Repeated => 0,
        };
        let (bad_lines, cut_logs) =
            self.logs.map_or((0, 0), |logs| (logs.read.bad_lines, logs.read.cut.len() as u64));
        type OfNumber = fn(u64) -> AuditDoubt;
        let doubts: [(u64, OfNumber); 11] = [
            (self.faulty_segments, AuditDoubt::FaultySegments),
            (since.vanished, AuditDoubt::Vanished),
            (since.arrived, AuditDoubt::Arrived),
            (self.list.map_or(0, |list| list.bad_rows), AuditDoubt::BadRows),
            (repeated_rows, AuditDoubt::RepeatedRows),
            (bodies.unread, AuditDoubt::UnreadBodies),
            (bodies.not_stored, AuditDoubt::BodiesNotStored),
            (messages.not_stored, AuditDoubt::ChecksumsNotStored),
            (messages.without_time, AuditDoubt::WithoutTime),
            (bad_lines, AuditDoubt::BadLines),
            (cut_logs, AuditDoubt::CutLogs),
        ];
        doubts.into_iter().filter(|(n, _)| *n > 0).map(|(n, doubt)| doubt(n))
    }

    /// Returns the doubts that arise because something is empty or was not found.
    fn doubts_about_nothing(&self) -> impl Iterator<Item = AuditDoubt> {
        let AuditEvidence { messages, bodies, list, .. } = self;
        let is_searched = self.columns.is_empty() || bodies.checked + bodies.not_stored > 0;
        let is_checked = self.rule.content == ContentRule::Ignored || messages.checked > 0;
        let is_without_id = self.logs.is_some_and(|logs| logs.read.lines_with_id == 0);
        let is_without_numbers = self.is_without_numbers() && messages.messages > 0;
        let doubts = [
            (is_without_id, AuditDoubt::NoIdInLogs),
            (!is_searched, AuditDoubt::NothingSearched),
            (!is_checked, AuditDoubt::NothingChecked),
            (!self.is_expecting(), AuditDoubt::NothingExpected),
            (is_without_numbers, AuditDoubt::NoNumbers),
            (list.is_some_and(|list| list.rows == 0), AuditDoubt::EmptyList),
            (messages.messages == 0, AuditDoubt::NoMessages),
        ];
        doubts.into_iter().filter(|(is_so, _)| *is_so).map(|(_, doubt)| doubt)
    }

    /// Decides the conclusion. A certain fault decides even if there are doubts, unless nothing was
    /// expected or selected.
    fn conclusion(&self, missing: &MissingMessages, doubts: &[AuditDoubt]) -> AuditConclusion {
        let AuditEvidence { account, messages, bodies, order, .. } = self;
        let out_of_order = if self.order_rule == OrderRule::Fault { order.late } else { 0 };
        let of_messages = messages.changed + messages.late + bodies.wrong + out_of_order;
        let is_all_read = missing.messages == Some(0)
            && self.doubts.is_empty()
            && self.faulty_segments == 0
            && self.since == ChangedSince::default();
        let is_list_whole = self.list.is_none_or(|list| list.bad_rows == 0);
        let joined = self.logs.map_or(LogTally::default(), |logs| logs.joined);
        let is_whole =
            |it: &LogsRead| it.lines_with_id > 0 && it.bad_lines == 0 && it.cut.is_empty();
        let is_log_whole = self.logs.is_some_and(|logs| is_whole(&logs.read));
        let is_certain = account.repeated > 0
            || (is_all_read && joined.only_in_log > 0)
            || (is_log_whole && joined.not_in_log > 0)
            || of_messages > 0
            || (is_list_whole && account.unexpected > 0)
            || (self.is_expecting_recipients() && messages.without_key > 0)
            || (is_all_read && account.missing > 0);
        // If nothing was expected or selected, the wrong file or span was probably given.
        let is_about_nothing = !self.is_expecting()
            || messages.messages == 0
            || self.list.is_some_and(|list| list.rows == 0)
            || self.is_without_numbers();
        let is_of_recipients = self.is_expecting_recipients();
        match (is_certain && !is_about_nothing, doubts.is_empty()) {
            (true, _) if is_of_recipients => AuditConclusion::NotExactlyOnce,
            (true, _) => AuditConclusion::NotAsLogged,
            (false, true) if is_of_recipients => AuditConclusion::ExactlyOnce,
            (false, true) => AuditConclusion::AsLogged,
            (false, false) => AuditConclusion::Inconclusive,
        }
    }
}

fn repeated(account: &RecipientTally, copies: &CopyTally) -> RepeatedFigures {
    RepeatedFigures {
        recipients: account.repeated,
        extra_messages: account.extra_messages,
        named_again: account.named_again,
        same_message_id_and_content: copies.both,
        same_message_id: copies.message_id,
        same_content: copies.content,
        different: copies.nothing,
        unknown: copies.unknown,
        first_acknowledged: copies.acknowledged,
        first_ambiguous: copies.ambiguous,
    }
}
