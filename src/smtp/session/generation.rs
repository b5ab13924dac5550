//! How a session adopts the settings of a new generation.
use super::*;
use crate::smtp::policy::CurrentPolicies;

impl Session {
    /// Adopts the policy in force, unless a transaction or AUTH is in progress. Called before each
    /// command is read.
    #[inline]
    pub(super) fn update_policy(&mut self, workspace: &Workspace) {
        if self.policy.options().generation != workspace.policies.generation {
            self.adopt(&workspace.policies);
        }
    }

    #[cold]
    fn adopt(&mut self, current: &CurrentPolicies) {
        if let Some(policy) = current.policies.get(self.policy.options().index)
            && !self.in_transaction()
            && !self.is_authenticating()
        {
            self.policy = policy.clone();
        }
    }
}
