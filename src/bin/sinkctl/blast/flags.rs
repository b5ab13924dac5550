//! The flags that errors of a blast are about.
use sinkd::sender::blast::PlanError;
use sinkd::sender::blast::recipients::RecipientsError;

/// Puts the flag before an error of the plan.
pub fn with_flag(error: PlanError) -> anyhow::Error {
    let flag = match &error {
        PlanError::TooSmall { .. } => "--size",
        PlanError::TooLarge(_) => "--size, --attach",
        PlanError::From(_) => "--from",
        PlanError::RunId(_) => "--run-id",
        _ => return error.into(),
    };
    anyhow::Error::new(error).context(flag)
}

/// Puts the flag before an error about recipients.
pub fn with_recipient_flag(error: RecipientsError) -> anyhow::Error {
    let flag = match &error {
        RecipientsError::Domain(_) => "--recipient-domain",
        RecipientsError::Count(_) => "--recipient-count",
        RecipientsError::MoreThanGenerated { .. } | RecipientsError::MoreThanListed { .. } => {
            "--recipients-per-message"
        }
        _ => return error.into(),
    };
    anyhow::Error::new(error).context(flag)
}
