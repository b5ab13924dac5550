//! The terms under which a session runs: its listener's policy, and what its last EHLO announced.
use std::sync::Arc;

use crate::smtp::extension::{Extension, Extensions};
use crate::smtp::limits::{SessionLimits, Syntax};
use crate::smtp::param::{MailParameters, RcptParameters};
use crate::smtp::policy::{AuthRules, CurrentPolicies, Policy, PolicyOptions, TlsUse};
use crate::smtp::reply::{self, Reply};

/// The TLS state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    Plain,
    /// In plain text, and the last EHLO reply announced STARTTLS.
    Announced,
    Secure,
}

/// The terms of a session.
#[derive(Debug)]
pub struct Terms {
    policy: Arc<Policy>,
    /// Extensions that the last EHLO or LHLO did not announce. They stay until the next hello, even
    /// if a new generation takes effect.
    without: Extensions,
    pub security: Security,
}

impl Terms {
    pub fn new(policy: Arc<Policy>) -> Terms {
        Terms { without: policy.without, security: Security::Plain, policy }
    }

    #[inline]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    #[inline]
    pub fn options(&self) -> &PolicyOptions {
        self.policy.options()
    }

    #[inline]
    pub fn limits(&self) -> &SessionLimits {
        &self.options().limits
    }

    /// Returns the AUTH rules; `None` if AUTH is not offered.
    #[inline]
    pub fn auth(&self) -> Option<&AuthRules> {
        self.options().auth.as_ref()
    }

    pub fn is_lmtp(&self) -> bool {
        self.policy.is_lmtp()
    }

    pub fn is_lenient(&self) -> bool {
        self.options().syntax == Syntax::Lenient
    }

    /// Returns whether `current` is another generation than the session's.
    #[inline]
    pub fn differ_from(&self, current: &CurrentPolicies) -> bool {
        self.options().generation != current.generation
    }

    /// Adopts the policy in force for the session's listener, if the listener still exists.
    pub fn adopt(&mut self, current: &CurrentPolicies) {
        if let Some(policy) = current.policies.get(self.options().index) {
            self.policy = policy.clone();
        }
    }

    /// Announces what the policy offers: it holds until the next hello.
    pub fn announce(&mut self) {
        self.without = self.policy.without;
    }

    #[inline]
    pub fn has(&self, extension: Extension) -> bool {
        !self.without.has(extension)
    }

    /// Returns whether a parameter of MAIL belongs to an extension that was not announced.
    #[inline]
    pub fn forbid_in_mail(&self, parameters: &MailParameters<'_>) -> bool {
        !self.without.is_empty() && self.without.have_parameter_of_mail(parameters)
    }

    /// Returns whether a parameter of RCPT belongs to an extension that was not announced.
    #[inline]
    pub fn forbid_in_rcpt(&self, parameters: &RcptParameters<'_>) -> bool {
        !self.without.is_empty() && self.without.have_parameter_of_rcpt(parameters)
    }

    /// Returns the reply to a command that is valid only after a hello.
    pub fn hello_first(&self) -> &'static Reply {
        if self.is_lmtp() { &reply::LHLO_FIRST } else { &reply::EHLO_FIRST }
    }

    /// Returns the reply to a command that requires TLS. If TLS is off, the command is not
    /// implemented.
    pub fn starttls_first(&self) -> &'static Reply {
        match self.options().tls {
            TlsUse::Off => &reply::NOT_IMPLEMENTED,
            TlsUse::Offered | TlsUse::Required | TlsUse::Implicit => &reply::STARTTLS_FIRST,
        }
    }
}
