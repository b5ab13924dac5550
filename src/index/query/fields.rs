//! Names of fields and deviations that a query can use.
use crate::smtp::deviation::Deviation;
use crate::wording::nearest;

/// Every field that a term can begin with, in the order in which errors list them.
const FIELDS: [&str; 17] = [
    "from",
    "to",
    "cc",
    "subject",
    "body",
    "header",
    "message-id",
    "has",
    "filename",
    "size",
    "before",
    "after",
    "run",
    "listener",
    "auth",
    "tls",
    "deviation",
];

/// Returns the end of the error about an unknown field: all known fields, and a suggestion if one
/// is similar.
pub(super) fn known_fields(unknown: &str) -> String {
    let hint = nearest(unknown, FIELDS).map(|field| format!("; did you mean '{field}:'?"));
    format!("{}{}", FIELDS.join(", "), hint.unwrap_or_default())
}

/// Returns every kind of deviation, for errors.
pub(super) fn deviations() -> String {
    Deviation::ALL.map(Deviation::name).join(", ")
}

/// Returns the end of the error about an unknown deviation.
pub(super) fn deviation_hint(unknown: &str) -> String {
    let hint = nearest(unknown, Deviation::ALL.map(Deviation::name));
    hint.map(|kind| format!("; did you mean '{kind}'?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_words_are_suggested() {
        for (unknown, expected) in [
            ("form", Some("from")),
            ("sise", Some("size")),
            ("subj", Some("subject")),
            ("listner", Some("listener")),
            ("listeners", Some("listener")),
            ("message-ids", Some("message-id")),
            ("https", None),
            ("re", None),
            ("sender", None),
            ("date", None),
        ] {
            assert_eq!(nearest(unknown, FIELDS), expected, "{unknown}");
        }
        assert_eq!(deviation_hint("no-bracket"), "; did you mean 'no-brackets'?");
        assert_eq!(deviation_hint("bare-lf"), "");
    }
}
