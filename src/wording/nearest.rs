//! Finds the known word that an unknown word was probably meant to be.
use super::Unexpected;

/// Maximum number of words that a sentence names.
const NEAREST_MAX: usize = 3;

/// Returns the known word most similar to `word`, if any is similar.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_of(word, known).into_iter().next()
}

/// Returns the words similar to `word`, the most similar first.
fn nearest_of<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    /// Less similar words have only some letters in common: `sender` does not mean `listener`
    /// (0.82), but `midian` means `median` (0.84). Equal words have 1.
    const ALIKE_MIN: f64 = 0.83;
    let alike = |known: &'a str| (strsim::jaro_winkler(word, known), known);
    let found = known.into_iter().map(alike).filter(|(alike, _)| *alike >= ALIKE_MIN);
    let mut found: Vec<_> = found.collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|(_, known)| known).collect()
}

/// Returns the sentence about an unknown word. `what` is the kind of word.
pub fn unknown<'a>(what: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> Unexpected {
    let known: Vec<&str> = known.into_iter().collect();
    let error = Unexpected::new(format!("a {what} ({})", known.join(", ")), word);
    match nearest(word, known.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean '{near}'?")),
        None => error,
    }
}

/// Returns the sentence about an unknown word if there are too many known words to name: it names
/// only similar ones.
pub fn unknown_of_many<'a>(
    what: &str,
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Unexpected {
    let near: Vec<String> =
        nearest_of(word, known).iter().take(NEAREST_MAX).map(|near| format!("'{near}'")).collect();
    let error = Unexpected::new(format!("a {what}"), word);
    match near.as_slice() {
        [] => error,
        [first @ .., last] if !first.is_empty() => {
            error.with_hint(format!("did you mean {} or {last}?", first.join(", ")))
        }
        one => error.with_hint(format!("did you mean {}?", one.concat())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_none_where_none_is_near() {
        let known = ["transaction_us", "think_data_us", "messages_per_s"];
        assert_eq!(nearest("transaction", known), Some("transaction_us"));
        assert_eq!(nearest("message_per_s", known), Some("messages_per_s"));
        assert_eq!(nearest("xyzzy", known), None);
        assert_eq!(nearest("sender", ["listener", "header"]), None);
        assert_eq!(nearest("midian", ["mean", "median"]), Some("median"));
        assert_eq!(nearest("", known), None);
        assert_eq!(
            unknown("color", "gren", ["red", "green"]).to_string(),
            "expected a color (red, green), found 'gren'; did you mean 'green'?"
        );
    }

    #[test]
    fn of_many_known_words_a_sentence_has_the_nearest_and_where_all_are_listed() {
        let known = ["think_mail_us", "think_rcpt_us", "think_data_us", "think_next_us", "rtt_us"];
        let sentence = |word| unknown_of_many("metric", word, known).listed_by("LIST").to_string();
        assert_eq!(
            sentence("think_data"),
            "expected a metric, found 'think_data'; did you mean 'think_data_us', 'think_mail_us' \
             or 'think_rcpt_us'? See LIST"
        );
        assert_eq!(
            sentence("rtt"),
            "expected a metric, found 'rtt'; did you mean 'rtt_us'? See LIST"
        );
        assert_eq!(sentence("xyzzy"), "expected a metric, found 'xyzzy'; see LIST");
    }
}
