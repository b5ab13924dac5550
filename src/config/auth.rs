//! The setting `auth`.

/// How sinkd replies to AUTH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// AUTH is not offered, unless a list of users is configured.
    Off,
    /// Any credentials are accepted, unless a list of users is configured.
    Any,
    /// Every attempt is rejected with 535, a permanent failure.
    Reject,
    /// Every attempt is deferred with 454, a transient failure.
    Defer,
}

/// The values that `auth` expects, for errors.
pub(super) const AUTH: &str = "'off', 'any', 'reject' or 'defer'";

impl Auth {
    const NAMES: [(&'static str, Auth); 4] =
        [("off", Auth::Off), ("any", Auth::Any), ("reject", Auth::Reject), ("defer", Auth::Defer)];

    pub(super) fn from_name(name: &str) -> Option<Auth> {
        Auth::NAMES.iter().find(|(known, _)| *known == name).map(|(_, auth)| *auth)
    }

    pub(super) fn name(self) -> &'static str {
        let found = Auth::NAMES.iter().find(|(_, auth)| *auth == self);
        found.map_or("off", |(name, _)| name)
    }
}
