//! Names of fields and deviations that a query can use.
use crate::smtp::deviation::Deviation;

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

/// Minimum similarity for a suggestion. Below this, words merely share some letters: `sender:` does
/// not mean `listener:`.
const SIMILARITY_MIN: f64 = 0.85;

/// Returns the end of the error about an unknown field: a suggestion, or all known fields.
pub(super) fn known_fields(unknown: &str) -> String {
    let hint = suggestion(unknown, &FIELDS).map(|field| format!("; did you mean '{field}:'?"));
    format!("{}{}", FIELDS.join(", "), hint.unwrap_or_default())
}

/// Returns every kind of deviation, for errors.
pub(super) fn deviations() -> String {
    Deviation::ALL.map(Deviation::name).join(", ")
}

/// Returns the end of the error about an unknown deviation.
pub(super) fn deviation_hint(unknown: &str) -> String {
    let hint = suggestion(unknown, &Deviation::ALL.map(Deviation::name));
    hint.map(|kind| format!("; did you mean '{kind}'?")).unwrap_or_default()
}

/// Returns the known word that is most similar to `unknown`, if any is similar enough.
fn suggestion<'k>(unknown: &str, known: &[&'k str]) -> Option<&'k str> {
    let similarity = |known: &&'k str| (strsim::jaro_winkler(unknown, known), *known);
    let similarity =
        known.iter().map(similarity).filter(|(similarity, _)| *similarity >= SIMILARITY_MIN);
    similarity.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
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
            assert_eq!(suggestion(unknown, &FIELDS), expected, "{unknown}");
        }
        assert_eq!(deviation_hint("no-bracket"), "; did you mean 'no-brackets'?");
        assert_eq!(deviation_hint("bare-lf"), "");
    }
}
