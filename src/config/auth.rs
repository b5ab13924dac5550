//! The replies to AUTH.

/// How sinkd replies to AUTH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// It is not offered.
    Off,
    /// Each client is believed, whatever it says.
    Any,
    /// Each client is rejected: 535.
    Reject,
    /// sinkd asks each client to try again later: 454.
    Defer,
}

/// What settings say that they expect.
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
