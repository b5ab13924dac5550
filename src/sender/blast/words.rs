//! Generated text: words with frequencies as in Zipf's law, in lines like those of newsletters.
use super::random::{Purpose, Random};

/// The letters that words are made of.
const CONSONANTS: &[u8] = b"bcdfghklmnprstvwz";
const VOWELS: [&str; 7] = ["a", "e", "i", "o", "u", "an", "er"];

const WORDS: u64 = 20_000;

/// A line ends with the word that reaches this length, in octets.
const LINE_BYTES: usize = 64;

/// Number of HTML lines per link.
const LINES_PER_LINK: u64 = 6;

/// A stream of words that depends only on seed and number.
pub struct WordStream {
    random: Random,
    lines: u64,
}

impl WordStream {
    /// Starts the stream with this number.
    pub fn new(seed: u64, number: u64) -> WordStream {
        WordStream { random: Random::new(seed, number, Purpose::Text), lines: 0 }
    }

    fn word(&mut self, out: &mut Vec<u8>) {
        // The frequency is nearly 1 / rank: all magnitudes of the rank are equally likely.
        let rank = ((WORDS as f64).powf(self.random.unit()) - 1.0) as u64;
        let mut spelling = Random::new(0, rank, Purpose::Text);
        for _ in 0..1 + spelling.below(4) {
            out.push(CONSONANTS[spelling.below(CONSONANTS.len() as u64) as usize]);
            out.extend_from_slice(VOWELS[spelling.below(VOWELS.len() as u64) as usize].as_bytes());
        }
    }

    /// Appends words until the line is full: only letters and spaces, without a line end.
    fn phrase(&mut self, out: &mut Vec<u8>, bytes: usize) {
        let start = out.len();
        self.word(out);
        while out.len() - start < bytes {
            out.push(b' ');
            self.word(out);
        }
    }

    /// Appends a subject of a few words; the first is capitalized.
    pub fn subject(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        self.phrase(out, 24);
        out[start].make_ascii_uppercase();
    }

    /// Appends a line of plain text with its CRLF.
    pub fn text_line(&mut self, out: &mut Vec<u8>) {
        self.phrase(out, LINE_BYTES);
        out.extend_from_slice(b"\r\n");
    }

    /// Appends a line of HTML with its CRLF: a paragraph, sometimes with a link.
    pub fn html_line(&mut self, out: &mut Vec<u8>) {
        self.lines += 1;
        out.extend_from_slice(b"<p>");
        if self.lines.is_multiple_of(LINES_PER_LINK) {
            let page = self.random.below(1_000_000);
            out.extend_from_slice(format!("<a href=\"https://shop.example/o/{page}\">").as_bytes());
            self.phrase(out, LINE_BYTES / 3);
            out.extend_from_slice(b"</a>");
        } else {
            self.phrase(out, LINE_BYTES);
        }
        out.extend_from_slice(b"</p>\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_short_and_plain() {
        let mut words = WordStream::new(1, 2);
        for n in 0..1000 {
            let mut line = Vec::new();
            match n % 2 {
                0 => words.text_line(&mut line),
                _ => words.html_line(&mut line),
            }
            let text = line.strip_suffix(b"\r\n").unwrap();
            assert!(text.len() < 100, "{}", String::from_utf8_lossy(text));
            assert!(text.iter().all(|octet| (b' '..=b'~').contains(octet)));
            assert!(!text.starts_with(b".") && !text.ends_with(b" "));
        }
    }

    #[test]
    fn a_text_is_its_seed_and_number() {
        let line = |seed, number| {
            let mut line = Vec::new();
            WordStream::new(seed, number).text_line(&mut line);
            line
        };
        assert_eq!(line(1, 2), line(1, 2));
        assert_ne!(line(1, 2), line(1, 3));
        assert_ne!(line(1, 2), line(2, 2));
    }
}
