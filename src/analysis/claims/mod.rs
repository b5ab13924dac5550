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
pub use failure::ClaimFailure;
pub use limit::ClaimLimit;
pub use subject::subjects;
pub use unit::ClaimUnit;

/// Lengths of the windows that claims are about; `None`: none is about limits of clients.
pub fn windows_s(claims: &[Claim]) -> Option<Vec<u64>> {
    let limits = claims.iter().filter_map(Claim::limit);
    let is_about_limits = limits.clone().next().is_some();
    is_about_limits.then(|| limits.filter_map(|limit| limit.window_s()).collect())
}

/// Checks each claim. Where the log has messages that the figures lack, a claim about the figures
/// fails, unless another claim that holds says how many may be lacking. That nothing came is not
/// true then, whatever is allowed.
pub fn check(claims: Vec<Claim>, evidence: &Evidence) -> Vec<CheckedClaim> {
    let gathered = &evidence.gathered;
    let allows = |claim: &Claim| claim.is_about_not_recorded() && claim.check(evidence).is_ok();
    let is_allowed = claims.iter().any(allows);
    // What connections did then is not known either, and may be above any bound.
    let is_strict = |claim: &Claim| claim.is_about_absence() || claim.limit().is_some();
    let fails = |claim: &Claim| !is_allowed || is_strict(claim);
    // What could not be read may be what a claim is about.
    let damage = gathered.history.problems.first();
    let failure = |claim: &Claim| match gathered.lacking() {
        _ if let Some(damage) = damage => Some(ClaimFailure::Damaged(damage.to_string())),
        Some(why) if !claim.is_about_not_recorded() && fails(claim) => {
            Some(match is_strict(claim) {
                true => ClaimFailure::Incomplete(why),
                false => {
                    let not_recorded = gathered.not_recorded.unwrap_or(0);
                    ClaimFailure::NotRecorded { why, not_recorded }
                }
            })
        }
        _ => claim.check(evidence).err(),
    };
    claims.into_iter().map(|claim| CheckedClaim { failure: failure(&claim), claim }).collect()
}
