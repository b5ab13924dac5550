//! Which known word was meant by one that is not known.
use super::unexpected::Unexpected;

/// The known word that is most like `word`, if one is like it at all.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// The same threshold as clap's for flags: words below it have little more than letters in
    /// common.
    const ALIKE_MIN: f64 = 0.7;
    let alike = |known: &'a str| (strsim::jaro_winkler(word, known), known);
    let found = known.into_iter().map(alike).filter(|(alike, _)| *alike >= ALIKE_MIN);
    found.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// Returns the sentence about an unknown word. `what`: the kind of word.
pub fn unknown<'a>(what: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> Unexpected {
    let known: Vec<&str> = known.into_iter().collect();
    let error = Unexpected::new(format!("a {what} ({})", known.join(", ")), word);
    match nearest(word, known.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean '{near}'?")),
        None => error,
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
        assert_eq!(nearest("", known), None);
        assert_eq!(
            unknown("color", "rod", ["red", "green"]).to_string(),
            "expected a color (red, green), found 'rod'; did you mean 'red'?"
        );
    }
}
