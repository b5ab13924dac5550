//! The listed offenders: the first of each kind of fault.
use std::collections::BTreeMap;
use std::io;

use sinkd::analysis::audit::{Fault, Offender, Offenders};

/// Maximum number of offenders per kind that are kept for a report, however many are printed.
const KEPT_MAX: u64 = 100;

/// Counts the offenders of each kind, and keeps the first ones.
pub struct Listed {
    /// `None`: all offenders are printed.
    limit: Option<u64>,
    kinds: BTreeMap<Fault, ListedKind>,
}

/// The offenders of one kind.
#[derive(Default)]
pub struct ListedKind {
    /// The number of offenders.
    pub count: u64,
    /// The number of faults: a range of missing numbers is one offender with several faults.
    pub total: u64,
    /// The first offenders.
    pub kept: Vec<Offender>,
}

impl Listed {
    /// `limit` is the number of offenders per kind to print; `None`: all.
    pub fn new(limit: Option<u64>) -> Listed {
        Listed { limit, kinds: BTreeMap::new() }
    }

    /// Counts an offender. Returns it if it should be printed.
    pub fn take(&mut self, offender: Offender) -> Option<Offender> {
        let kind = self.kinds.entry(offender.fault).or_default();
        kind.count += 1;
        kind.total += if offender.fault == Fault::Missing { offender.count } else { 1 };
        let is_printed = self.limit.is_none_or(|limit| kind.count <= limit);
        if is_printed && kind.count <= KEPT_MAX {
            kind.kept.push(offender.clone());
        }
        is_printed.then_some(offender)
    }

    /// Counts all offenders and prints none; the screen shows the kept ones.
    pub fn take_all(&mut self, offenders: &mut Offenders) -> io::Result<()> {
        while let Some(offender) = offenders.next_one()? {
            self.take(offender);
        }
        Ok(())
    }

    /// Returns the offenders of a kind; `None` if there are none.
    pub fn kind(&self, fault: Fault) -> Option<&ListedKind> {
        self.kinds.get(&fault)
    }
}
