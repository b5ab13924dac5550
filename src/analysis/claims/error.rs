//! Why a text is not a claim.
use crate::wording::Unexpected;

/// A text that is not a claim, with the reason. Displays as one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{claim}': {fault}")]
#[non_exhaustive]
pub struct ClaimError {
    /// The claim as written.
    pub claim: String,
    /// What is wrong with it.
    pub fault: ClaimFault,
}

/// Why a text is not a claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimFault {
    /// The text has no operator, such as `>=`.
    #[error("expected an operator (>= <= > < == !=) and a number after the subject")]
    Operator,
    /// The subject is a verdict, which has no order.
    #[error("{subject} is not a number: expected == or !=, found {operator}")]
    Order {
        /// The subject as written.
        subject: String,
        /// The operator as written.
        operator: &'static str,
    },
    /// The subject is a single figure, but the claim names a figure of it.
    #[error("{subject} has no figures: write '{subject}', not '{found}'")]
    Figures {
        /// The subject, which is a single figure.
        subject: String,
        /// The subject with its figure, as written.
        found: String,
    },
    /// No subject has this name.
    #[error(transparent)]
    Subject(Unexpected),
    /// A figure or a bound is not one of those allowed.
    #[error(transparent)]
    Unexpected(#[from] Unexpected),
}
