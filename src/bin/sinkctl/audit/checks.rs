//! The checks of an audit: a claim for each kind of fault that was requested.
use sinkd::analysis::audit::{AuditFigures, Fault};
use sinkd::wording::counted;

/// A claim, and the number of faults.
pub struct Check {
    pub fault: Fault,
    /// The claim that holds without faults.
    pub claim: &'static str,
    /// The number of recipients or messages for which it does not hold.
    pub faults: u64,
    /// The number as a phrase: "3 missing".
    pub phrase: String,
    /// Whether there was anything to check.
    pub is_checked: bool,
}

impl Check {
    fn new(fault: Fault, claim: &'static str, faults: u64, what: &str) -> Check {
        Check { fault, claim, faults, phrase: counted(faults, what, what), is_checked: true }
    }
}

/// Returns the requested checks, in the order of the output.
pub fn checks(figures: &AuditFigures) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(expected) = &figures.expected {
        let claim = "each expected recipient got a message";
        checks.push(Check::new(Fault::Missing, claim, expected.missing, "missing"));
        let (claim, repeated) = ("no recipient got several messages", figures.repeated.recipients);
        checks.push(Check::new(Fault::Repeated, claim, repeated, "repeated"));
        let claim = "no other recipient got a message";
        checks.push(Check::new(Fault::Unexpected, claim, expected.unexpected, "unexpected"));
        if figures.without_key > 0 {
            let claim = "each message has a key";
            let (fault, faults) = (Fault::WithoutKey, figures.without_key);
            checks.push(Check::new(fault, claim, faults, "without a key"));
        }
        let is_empty = expected.recipients == 0;
        checks.iter_mut().for_each(|check| check.is_checked = !is_empty);
    }
    if let Some(persons) = &figures.persons {
        let claim = "each message has what belongs to its recipient";
        let check = Check::new(Fault::WrongPerson, claim, persons.wrong, "for the wrong person");
        checks.push(Check { is_checked: persons.checked > 0, ..check });
    }
    if let Some(content) = &figures.content {
        let claim = "each message is as it was sent";
        let check = Check::new(Fault::Changed, claim, content.changed, "changed in transit");
        checks.push(Check { is_checked: content.checked > 0, ..check });
    }
    if let Some(order) = figures.order.as_ref().filter(|order| order.is_required) {
        let claim = "messages arrived in order";
        checks.push(Check::new(Fault::OutOfOrder, claim, order.out_of_order, "out of order"));
    }
    if let Some(late) = &figures.late {
        let check = Check::new(Fault::Late, "no message was late", late.late, "late");
        checks.push(Check { is_checked: late.checked > 0, ..check });
    }
    if let Some(log) = &figures.sender_log {
        let claim = "what the sender's log calls delivered was received";
        checks.push(Check::new(Fault::OnlyInLog, claim, log.joined.only_in_log, "only in the log"));
        let claim = "what was received is in the sender's log";
        checks.push(Check::new(Fault::NotInLog, claim, log.joined.not_in_log, "not in the log"));
    }
    checks
}
