//! How a session adopts the settings of a new generation.
use super::*;
use crate::smtp::policy::PoliciesInForce;

impl Session {
    /// Adopts the policy in force, unless a transaction or AUTH is in progress. Called before each
    /// command is read.
    #[inline]
    pub(super) fn update_policy(&mut self, workspace: &Workspace) {
        if self.policy.generation != workspace.in_force.generation {
            self.adopt(&workspace.in_force);
        }
    }

    #[cold]
    fn adopt(&mut self, in_force: &PoliciesInForce) {
        if let Some(policy) = in_force.policies.get(self.policy.index)
            && !self.in_transaction()
            && !self.is_authenticating()
        {
            self.policy = policy.clone();
        }
    }
}
