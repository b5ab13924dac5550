//! Offenders that are listed: the first of each kind of fault.
use std::collections::BTreeMap;
use std::io;

use sinkd::analysis::audit::{Fault, Offender, Offenders};

/// Offenders of a kind that are kept for a report, however many are printed.
const KEPT_MAX: u64 = 100;

/// Counts offenders of each kind, and keeps the first.
pub struct Listed {
    limit: u64,
    kinds: BTreeMap<Fault, ListedKind>,
}

/// Offenders of one kind.
#[derive(Default)]
pub struct ListedKind {
    /// All of them.
    pub count: u64,
    /// What they come to: a range of missing numbers is several.
    pub total: u64,
    /// The first.
    pub kept: Vec<Offender>,
}

impl Listed {
    /// `limit`: how many of each kind are printed.
    pub fn new(limit: u64) -> Listed {
        Listed { limit, kinds: BTreeMap::new() }
    }

    /// Counts an offender. Returns it if it is to be printed.
    pub fn take(&mut self, offender: Offender) -> Option<Offender> {
        let kind = self.kinds.entry(offender.fault).or_default();
        kind.count += 1;
        kind.total += if offender.fault == Fault::Missing { offender.count } else { 1 };
        if kind.count <= self.limit.min(KEPT_MAX) {
            kind.kept.push(offender.clone());
        }
        (kind.count <= self.limit).then_some(offender)
    }

    /// Counts all, and prints none: the screen shows those that are kept.
    pub fn take_all(&mut self, offenders: &mut Offenders) -> io::Result<()> {
        while let Some(offender) = offenders.next_one()? {
            self.take(offender);
        }
        Ok(())
    }

    /// Those of a kind; `None`: there are none.
    pub fn of(&self, fault: Fault) -> Option<&ListedKind> {
        self.kinds.get(&fault)
    }
}
