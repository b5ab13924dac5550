//! The words that a term may name: fields, and kinds of deviations.
use crate::smtp::deviation::Deviation;

/// Every field there is.
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

/// Words that are less alike have little more than letters in common: `sender:` does not mean
/// `listener:`.
const ALIKE_MIN: f64 = 0.85;

/// What an error about an unknown field says of the known ones.
pub(super) fn known_fields(unknown: &str) -> String {
    let meant = meant(unknown, &FIELDS).map(|field| format!("; did you mean '{field}:'?"));
    format!("{}{}", FIELDS.join(", "), meant.unwrap_or_default())
}

/// Every kind of deviation, for error messages.
pub(super) fn deviations() -> String {
    Deviation::ALL.map(Deviation::name).join(", ")
}

/// What an error about an unknown kind ends with.
pub(super) fn meant_deviation(unknown: &str) -> String {
    let meant = meant(unknown, &Deviation::ALL.map(Deviation::name));
    meant.map(|kind| format!("; did you mean '{kind}'?")).unwrap_or_default()
}

/// The known word that is most like `unknown`, if one is like it at all.
fn meant<'k>(unknown: &str, known: &[&'k str]) -> Option<&'k str> {
    let alike = |known: &&'k str| (strsim::jaro_winkler(unknown, known), *known);
    let alike = known.iter().map(alike).filter(|(alike, _)| *alike >= ALIKE_MIN);
    alike.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_meant_if_it_is_spelled_much_like_the_unknown_one() {
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
            assert_eq!(meant(unknown, &FIELDS), expected, "{unknown}");
        }
        assert_eq!(meant_deviation("no-bracket"), "; did you mean 'no-brackets'?");
        assert_eq!(meant_deviation("bare-lf"), "");
    }
}
