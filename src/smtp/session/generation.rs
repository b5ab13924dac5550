//! How a session adopts the settings of a new generation.
use super::Session;
use crate::smtp::policy::CurrentPolicies;
use crate::smtp::workspace::Workspace;

impl Session {
    /// Adopts the policy in force, unless a transaction or AUTH is in progress. Called before each
    /// command is read.
    #[inline]
    pub(super) fn update_policy(&mut self, workspace: &Workspace) {
        if self.terms.differ_from(&workspace.policies) {
            self.adopt(&workspace.policies);
        }
    }

    #[cold]
    fn adopt(&mut self, current: &CurrentPolicies) {
        if !self.in_transaction() && !self.is_authenticating() {
            self.terms.adopt(current);
        }
    }
}
