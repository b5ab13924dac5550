//! The fields that a term may name.

/// Every field there is, for error messages.
pub(super) const FIELDS: &str = "from, to, cc, subject, body, header, message-id, has, filename, \
    size, before, after, run, listener, deviation";
