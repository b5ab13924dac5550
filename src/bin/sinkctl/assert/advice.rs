//! Errors about claims, and failed claims, with the command that helps.
use sinkd::analysis::TransitGap;
use sinkd::analysis::claims::{Claim, ClaimError, ClaimFailure, ClaimFault, EvidenceGap};

/// Returns why a claim does not hold, and, if mail is damaged, the command that shows more.
pub fn reason(why: &ClaimFailure) -> String {
    match why {
        ClaimFailure::Incomplete(EvidenceGap::Transit(
            TransitGap::Damaged(_) | TransitGap::DamagedLog(_),
        )) => format!("{why} (see: sinkctl verify)"),
        _ => why.to_string(),
    }
}

/// Parses a claim. An error about its subject names the command that lists all subjects.
pub fn claim(text: &str) -> Result<Claim, ClaimError> {
    text.parse().map_err(|mut error: ClaimError| {
        if let ClaimFault::Subject(unknown) = &mut error.fault {
            *unknown = unknown.clone().listed_by("sinkctl assert --subjects");
        }
        error
    })
}
