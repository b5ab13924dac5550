//! Formats text for terminals.
pub use sinkd::analysis::{counted, rfc3339, seconds_text as seconds};

/// Replaces control characters, with which a mail could rewrite the terminal.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_can_not_rewrite_the_screen() {
        assert_eq!(harmless("a\x1b[2Jb\r\n"), "a\u{fffd}[2Jb\u{fffd}\n");
    }
}
