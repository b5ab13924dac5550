//! Claims about a run, such as `transaction.p99 <= 20ms`, and whether they hold.
mod claim;
mod error;
mod evidence;
mod failure;
mod figure;
mod limit;
mod subject;
mod total;
mod unit;

pub use claim::{CheckedClaim, Claim};
pub use error::{ClaimError, ClaimFault};
pub use evidence::Evidence;
pub use failure::{ClaimFailure, EvidenceGap};
pub use limit::ClaimLimit;
pub use subject::subjects;
pub use unit::ClaimUnit;

/// Returns the lengths of the windows in claims; `None` if no claim is about limits of clients.
pub fn windows_s(claims: &[Claim]) -> Option<Vec<u64>> {
    let limits = claims.iter().filter_map(Claim::limit);
    let is_about_limits = limits.clone().next().is_some();
    is_about_limits.then(|| limits.filter_map(|limit| limit.window_s()).collect())
}

/// Checks each claim. If the log has messages that the figures lack, a claim about the figures
/// fails, unless another claim that holds allows for the number of lacking messages. A claim that
/// nothing arrived, or one about limits of clients, fails in any case. If the statistics are
/// damaged, every claim fails.
pub fn check(claims: Vec<Claim>, evidence: &Evidence) -> Vec<CheckedClaim> {
    let gathered = &evidence.gathered;
    let allows = |claim: &Claim| claim.is_about_not_recorded() && claim.check(evidence).is_ok();
    let is_allowed = claims.iter().any(allows);
    // Connections of that time are unknown, too, and may exceed any bound.
    let is_strict = |claim: &Claim| claim.is_about_absence() || claim.limit().is_some();
    let fails = |claim: &Claim| !is_allowed || is_strict(claim);
    // The unreadable part may contradict a claim.
    let damage = gathered.history.damage.first();
    let failure = |claim: &Claim| match gathered.missing_messages() {
        _ if let Some(damage) = damage => Some(ClaimFailure::Damaged(damage.clone())),
        Some(lacking) if !claim.is_about_not_recorded() && fails(claim) => {
            Some(if is_strict(claim) {
                EvidenceGap::Unrecorded(lacking).into()
            } else {
                ClaimFailure::NotRecorded { unrecorded: lacking }
            })
        }
        _ => claim.check(evidence).err(),
    };
    claims.into_iter().map(|claim| CheckedClaim { failure: failure(&claim), claim }).collect()
}
