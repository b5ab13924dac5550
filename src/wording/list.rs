//! Words that a sentence lists.

/// Returns a list as `a`, `a or b`, or `a, b or c`.
pub fn or_list<T: AsRef<str>>(words: &[T]) -> String {
    list(words, "or")
}

/// Returns a list as `a`, `a and b`, or `a, b and c`.
pub fn and_list<T: AsRef<str>>(words: &[T]) -> String {
    list(words, "and")
}

fn list<T: AsRef<str>>(words: &[T], before_last: &str) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [first @ .., last] if !first.is_empty() => {
            format!("{} {before_last} {last}", first.join(", "))
        }
        one => one.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_word_has_no_comma_before_it() {
        assert_eq!(or_list::<&str>(&[]), "");
        assert_eq!(or_list(&["a"]), "a");
        assert_eq!(and_list(&["a", "b"]), "a and b");
        assert_eq!(or_list(&["a", "b", "c"]), "a, b or c");
    }
}
