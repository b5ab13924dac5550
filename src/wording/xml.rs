//! Text in XML and HTML.

/// Escapes text and attributes for XML: markup is escaped, and characters that XML does not allow
/// are replaced.
pub fn xml_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ if letter.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_escaped() {
        for (text, escaped) in [
            ("a", "a"),
            ("<script>\"&'</script>", "&lt;script&gt;&quot;&amp;&#39;&lt;/script&gt;"),
            ("a\u{0}\u{1b}[2J\u{ffff}\u{85}b", "a\u{fffd}\u{fffd}[2J\u{fffd}\u{fffd}b"),
            ("ü\t\n", "ü  "),
        ] {
            assert_eq!(xml_escaped(text), escaped);
        }
    }
}
