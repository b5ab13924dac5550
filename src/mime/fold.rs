//! Folds text to words that compare equal however they were written. Searches match folded text.
//!
//! Case and accents are folded, variants of the same letter are equal (`ﬁ`, full width), and
//! characters that are neither letters nor digits separate words. Every word is surrounded by
//! single spaces, so that
//!
//! | to find | search for |
//! |---|---|
//! | a word | ` word ` |
//! | the beginning of a word | ` wor` |
//! | a phrase | ` two words ` |
//!
//! In scripts written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) each character
//! is a word, so that any sequence of them can be found as a phrase.
//!
//! The rules, in order: remove invisible characters (soft hyphens, joiners, variation selectors);
//! compatibility decomposition; remove U+0300 to U+036F, but keep other marks, which act as letters
//! (Thai vowels, Japanese dakuten); full case folding; a table for letters without a decomposition,
//! such as those with a stroke; composition. Other marks continue a word, and don't begin one.
//!
//! Cost: 1 to 2 GB/s for ASCII; 50 to 250 MB/s for text of mixed scripts, Kana, Hangul and
//! ideographs; 10 MB/s for text that needs all rules, such as Thai (`benches/index.rs`).
use std::ops::Range;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Appends the words of `text`, or nothing if there are none.
///
/// The output, whether `out` was empty or had words, begins and ends with a space: folding two
/// texts one after the other is the same as folding both with a space between. Apart from these two
/// spaces, `out` grows by at most 18 times the length of `text` (for U+FDFA), and usually by less
/// than that length.
pub fn fold(text: &str, out: &mut String) {
    let has_gap = out.ends_with(' ');
    if !has_gap {
        out.push(' ');
    }
    let before = out.len();
    let mut words = FoldedWords { out, last: Last::Gap };
    let mut rest = text;
    while !rest.is_empty() {
        rest = words.take_ascii(rest);
        rest = words.take_others(rest);
    }
    words.end_word();
    if out.len() == before && !has_gap {
        out.pop();
    }
}

/// What the output ends with, which decides whether a space must come before the next letter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// A space.
    Gap,
    /// A word that can be continued.
    Word,
    /// A character that is a word of its own; only marks can follow.
    Whole,
}

struct FoldedWords<'o> {
    out: &'o mut String,
    last: Last,
}

/// Number of ASCII octets that are folded at once, on the stack.
const BLOCK: usize = 1024;
/// Minimum number of octets for which folding as a block is faster.
const BLOCK_MIN: usize = 16;

impl FoldedWords<'_> {
    /// Folds the octets before the first one that is not ASCII, and returns the rest.
    fn take_ascii<'t>(&mut self, text: &'t str) -> &'t str {
        let mut at = 0;
        loop {
            let octets = &text.as_bytes()[at..];
            let block = &octets[..octets.len().min(BLOCK)];
            let ascii = if block.is_ascii() {
                block.len()
            } else {
                block.iter().position(|b| !b.is_ascii()).unwrap_or(block.len())
            };
            if ascii < BLOCK_MIN {
                block[..ascii]
                    .iter()
                    .for_each(|b| self.push_char(char::from(b.to_ascii_lowercase())));
            } else {
                self.push_block(&block[..ascii]);
            }
            at += ascii;
            if ascii == 0 || ascii < block.len() || at == text.len() {
                return &text[at..];
            }
        }
    }

    /// Folds 1 to `BLOCK` octets, all below 128, in vectorized passes.
    fn push_block(&mut self, ascii: &[u8]) {
        if self.last == Last::Whole {
            self.end_word();
        }
        let mut folded = [0; BLOCK];
        let mut is_gap = self.last == Last::Gap;
        let bytes = fold_ascii(ascii, &mut folded, &mut is_gap);
        self.out.push_str(std::str::from_utf8(&folded[..bytes]).expect("it is ASCII"));
        self.last = if is_gap { Last::Gap } else { Last::Word };
    }

    /// Folds everything before the next ASCII character, and returns the rest.
    fn take_others<'t>(&mut self, text: &'t str) -> &'t str {
        let end = text.bytes().position(|b| b.is_ascii()).unwrap_or(text.len());
        let (mut others, rest) = text.split_at(end);
        while let Some(first) = others.chars().next() {
            let after = &others[first.len_utf8()..];
            if is_settled(first, after) {
                self.push_settled(first);
                others = after;
            } else if let Some(letters) = common(first) {
                match letters {
                    [letter, '\0', _] => self.push_letter(*letter),
                    more => {
                        more.iter().take_while(|c| **c != '\0').for_each(|c| self.push_char(*c))
                    }
                }
                others = after;
            } else {
                others = self.take_rare(others);
            }
        }
        rest
    }

    /// Folds everything before the next character that has a faster way, and returns the rest.
    fn take_rare<'t>(&mut self, text: &'t str) -> &'t str {
        let mut end = text.chars().next().map_or(0, char::len_utf8);
        while let Some(next) = text[end..].chars().next()
            && !is_settled(next, &text[end + next.len_utf8()..])
            && common(next).is_none()
        {
            end += next.len_utf8();
        }
        folded_letters(&text[..end]).for_each(|c| self.push_char(c));
        &text[end..]
    }

    /// Appends a character that all rules were applied to: as a letter, as a mark that continues a
    /// word, or as the end of one.
    fn push_char(&mut self, c: char) {
        if c.is_ascii_alphanumeric() {
            self.push_letter(c);
        } else if c.is_ascii() {
            self.end_word();
        } else if is_combining_mark(c) {
            if self.last != Last::Gap {
                self.out.push(c);
            }
        } else if !c.is_alphanumeric() {
            self.end_word();
        } else {
            self.push_settled(c);
        }
    }

    /// Appends a folded letter, which may be a word of its own.
    fn push_settled(&mut self, c: char) {
        if is_word_by_itself(c) {
            self.end_word();
            self.out.push(c);
            self.last = Last::Whole;
        } else {
            self.push_letter(c);
        }
    }

    fn push_letter(&mut self, c: char) {
        if self.last == Last::Whole {
            self.end_word();
        }
        self.out.push(c);
        self.last = Last::Word;
    }

    fn end_word(&mut self) {
        if self.last != Last::Gap {
            self.out.push(' ');
            self.last = Last::Gap;
        }
    }
}

/// Returns the lower case of a letter, a digit unchanged, or a space for other octets. Not a table,
/// so that the compiler can vectorize a loop of it.
fn ascii_letter(octet: u8) -> u8 {
    let lower = octet | 0x20;
    if lower.wrapping_sub(b'a') < 26 {
        lower
    } else if octet.wrapping_sub(b'0') < 10 {
        octet
    } else {
        b' '
    }
}

/// Number of octets copied together if none of their spaces is superfluous. Half a dozen words
/// usually have one or two superfluous spaces.
const CHUNK: usize = 8;

/// Writes the words of `ascii` and returns their length. `is_gap` is whether the output so far ends
/// with a space, before the call and after it.
///
/// Two vectorized passes compute what each octet becomes and whether it is kept. The third moves
/// the octets without branches: words are too short for branch prediction.
fn fold_ascii(ascii: &[u8], folded: &mut [u8; BLOCK], is_gap: &mut bool) -> usize {
    // The first element represents the output before the text.
    let mut letters = [if *is_gap { b' ' } else { b'x' }; 1 + BLOCK];
    for (letter, octet) in letters[1..].iter_mut().zip(ascii) {
        *letter = ascii_letter(*octet);
    }
    let letters = &letters[..=ascii.len()];
    let mut stays = [0; BLOCK];
    for ((stays, before), letter) in stays.iter_mut().zip(letters).zip(&letters[1..]) {
        *stays = u8::from(!((*before == b' ') & (*letter == b' ')));
    }
    *is_gap = letters[ascii.len()] == b' ';
    let mut bytes = 0;
    let (chunks, rest) = letters[1..].as_chunks::<CHUNK>();
    let (stay_chunks, stay_rest) = stays[..ascii.len()].as_chunks::<CHUNK>();
    for (letters, stays) in chunks.iter().zip(stay_chunks) {
        if *stays == [1; CHUNK] {
            folded[bytes..bytes + CHUNK].copy_from_slice(letters);
            bytes += CHUNK;
        } else {
            bytes = move_letters(letters, stays, folded, bytes);
        }
    }
    move_letters(rest, stay_rest, folded, bytes)
}

/// Appends the letters that are kept to the first `bytes` of `folded`; returns the new length.
fn move_letters(letters: &[u8], stays: &[u8], folded: &mut [u8; BLOCK], mut bytes: usize) -> usize {
    for (letter, stays) in letters.iter().zip(stays) {
        // Octets that are not kept are overwritten.
        folded[bytes % BLOCK] = *letter;
        bytes += usize::from(*stays);
    }
    bytes
}

/// Applies all rules to a text that does not depend on its neighbors. Returns folded characters
/// that are not yet split into words.
fn folded_letters(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .filter(|c| !is_shapeless(*c))
        .nfkd()
        .filter(|c| !is_accent(*c))
        // Upper case, then lower case is full case folding: it unifies ſ, s and S, and ς, σ and Σ.
        .flat_map(|c| c.to_uppercase().flat_map(char::to_lowercase))
        .flat_map(|c| Letters { plain: plain(c), at: 0, or: Some(c) })
        .nfc()
}

/// The plain spelling of a letter, or the letter itself.
struct Letters {
    plain: Option<&'static [char]>,
    at: usize,
    or: Option<char>,
}

impl Iterator for Letters {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let Some(plain) = self.plain else { return self.or.take() };
        let letter = plain.get(self.at).copied();
        self.at += 1;
        letter
    }
}

/// Returns the plain spelling of letters without a decomposition, as people type them who lack
/// these letters on their keyboards.
fn plain(letter: char) -> Option<&'static [char]> {
    Some(match letter {
        'ß' => &['s', 's'],
        'æ' => &['a', 'e'],
        'œ' => &['o', 'e'],
        'þ' => &['t', 'h'],
        'ø' => &['o'],
        'ł' => &['l'],
        'đ' | 'ð' => &['d'],
        'ħ' => &['h'],
        'ŧ' => &['t'],
        'ŋ' => &['n'],
        'ĸ' => &['k'],
        // A letter by its Unicode name; people type ' or ’ for it, which are separators.
        '\u{2bc}' => &[' '],
        _ => return None,
    })
}

/// Returns whether a character is an accent. The small iota below a Greek letter is not, because it
/// is a letter in capitals.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}') && c != '\u{345}'
}

/// Returns whether a character is invisible and can be within a word: soft hyphen, joiners,
/// direction marks, variation selectors, byte order mark.
fn is_shapeless(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{e0100}'..='\u{e01ef}')
}

/// Returns whether the character belongs to a script that is written without spaces.
fn is_word_by_itself(c: char) -> bool {
    matches!(c,
        // Thai and Lao, Burmese, Khmer.
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{a9e0}'..='\u{a9ff}' | '\u{aa60}'..='\u{aa7f}'
        // Signs, Hiragana, Katakana, Bopomofo; not the Hangul after them.
        | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{312f}' | '\u{31a0}'..='\u{31bf}'
        | '\u{31f0}'..='\u{31ff}' | '\u{1aff0}'..='\u{1b16f}'
        // Ideographs.
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

/// Returns whether folding is known to leave the character unchanged. `after` is the text after it.
fn is_settled(c: char, after: &str) -> bool {
    match c {
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' => true,
        // Kana can be followed by a dakuten, and a Hangul syllable by a final consonant.
        '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{ac00}'..='\u{d7a3}' => {
            after.chars().next().is_none_or(|next| !joins_what_is_before(next))
        }
        _ => false,
    }
}

/// Returns whether the character can combine or be reordered with the preceding one.
fn joins_what_is_before(c: char) -> bool {
    let is_jamo = matches!(c, '\u{1100}'..='\u{11ff}' | '\u{ff65}'..='\u{ffdc}');
    is_jamo || is_shapeless(c) || is_combining_mark(c)
}

/// Characters in the lookup table: Latin, Greek, Cyrillic, and signs.
const COMMON: [Range<u32>; 2] = [0x80..0x530, 0x1e00..0x2c00];
/// Maximum number of characters in an entry of the table: a single letter, or several characters of
/// any kind. Unused places are `\0`.
const COMMON_LETTERS: usize = 3;

/// The folded form of each character, or `None` if it folds to more than [`COMMON_LETTERS`] or
/// depends on its neighbors: marks are reordered, even across a character that is removed.
static BECOMES: LazyLock<Vec<Option<[char; COMMON_LETTERS]>>> = LazyLock::new(|| {
    let codes = COMMON.iter().cloned().flatten();
    codes.map(|code| char::from_u32(code).and_then(becomes)).collect()
});

fn becomes(c: char) -> Option<[char; COMMON_LETTERS]> {
    let mut decomposed = std::iter::once(c).nfkd();
    if joins_what_is_before(c) || decomposed.any(|c| c == '\u{345}') {
        return None;
    }
    let letters: Vec<char> = folded_letters(c.encode_utf8(&mut [0; 4])).collect();
    let mut padded = ['\0'; COMMON_LETTERS];
    padded.get_mut(..letters.len())?.copy_from_slice(&letters);
    if letters.len() == 1 && !letters[0].is_alphanumeric() {
        // Two separators are equivalent to one, but can't be taken for a single letter.
        padded[..2].fill(' ');
    }
    Some(padded)
}

fn common(c: char) -> Option<&'static [char; COMMON_LETTERS]> {
    let code = c as u32;
    let [letters, signs] = COMMON;
    let at = if letters.contains(&code) {
        code - letters.start
    } else if signs.contains(&code) {
        code - signs.start + (letters.end - letters.start)
    } else {
        return None;
    };
    BECOMES.get(at as usize)?.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::string::string_regex;

    fn folded(text: &str) -> String {
        let mut out = String::new();
        fold(text, &mut out);
        out
    }

    /// Applies the rules to each character, without the fast paths.
    fn folded_slowly(text: &str) -> String {
        let mut out = String::from(" ");
        let mut words = FoldedWords { out: &mut out, last: Last::Gap };
        folded_letters(text).for_each(|c| words.push_char(c));
        words.end_word();
        if out == " " { String::new() } else { out }
    }

    fn words(text: &str) -> Vec<String> {
        folded(text).split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn words_are_folded() {
        for (text, expected) in [
            ("", ""),
            (" \t\r\n.,;!", ""),
            ("Hello, World!", " hello world "),
            ("  two   words  ", " two words "),
            ("ann@example.org", " ann example org "),
            ("order-no_17.5%", " order no 17 5 "),
            ("don't don\u{2019}t don\u{2bc}t", " don t don t don t "),
            ("GRÜẞE Grüße gru\u{308}sse", " grusse grusse grusse "),
            ("Ærøskøbing Łódź Đorđe Þór œuvre ðŋĸħŧ", " aeroskobing lodz dorde thor oeuvre dnkht "),
            ("ΟΔΥΣΣΕΥΣ Ὀδυσσεύς", " οδυσσευσ οδυσσευσ "),
            ("τῷ ΤΩΙ", " τωι τωι "),
            ("İstanbul ISPARTA ısparta", " istanbul isparta isparta "),
            ("ЁЖ ёж Йод", " еж еж иод "),
            ("ﬁnance Ｆｕｌｌ １２ ² ½ ™", " finance full 12 2 1 2 tm "),
            ("un\u{ad}wahr\u{ad}schein\u{ad}lich", " unwahrscheinlich "),
            ("\u{feff}start a\u{200b}b a\u{200d}b", " start a b ab "),
            ("東京タワー", " 東 京 タ ワ ー "),
            ("ｶﾞ か\u{3099} が", " ガ が が "),
            ("は ば", " は ば "),
            ("สวัสดี", " ส วั ส ดี "),
            ("한국어 \u{1112}\u{1161}\u{11ab}국어", " 한국어 한국어 "),
            ("हिन्दी", " हिन्दी "),
            ("مرحبا بالعالم", " مرحبا بالعالم "),
            ("mix漢字mix", " mix 漢 字 mix "),
            ("\u{301}abc \u{e31}x", " abc x "),
            ("🎉 sale 🎉", " sale "),
            ("a\0b", " a b "),
        ] {
            assert_eq!(folded(text), expected, "{text:?}");
            assert_eq!(folded_slowly(text), expected, "slowly: {text:?}");
        }
    }

    #[test]
    fn two_texts_in_a_row_are_joined_by_a_space() {
        let mut out = String::new();
        for text in ["", "One", "...", "two three", "漢", "", "e\u{301}"] {
            fold(text, &mut out);
        }
        assert_eq!(out, " one two three 漢 e ");
        let mut out = String::from(" subject \n");
        fold("body", &mut out);
        assert_eq!(out, " subject \n body ");
    }

    #[test]
    fn blocks_are_folded_as_octets_are() {
        for length in [0, 1, 15, 16, 17, 1023, 1024, 1025, 2048, 5000] {
            for seed in ["ab, cd. ", "x", " ", "-a", "AbC1_@"] {
                let text: String = seed.chars().cycle().take(length).collect();
                let words = text.split(|c: char| !c.is_ascii_alphanumeric());
                let words: Vec<String> =
                    words.filter(|w| !w.is_empty()).map(str::to_ascii_lowercase).collect();
                let expected =
                    if words.is_empty() { String::new() } else { format!(" {} ", words.join(" ")) };
                assert_eq!(folded(&text), expected, "{seed:?} {length}");
                assert_eq!(folded(&format!("é{text}é")), folded_slowly(&format!("e{text}e")));
            }
        }
    }

    #[test]
    fn every_character_is_folded_once_and_for_all() {
        // There are no letters above this range; other characters are folded or removed in the same
        // way.
        for c in (0..=0x2ffff).chain(0xe0000..=0xe01ff).filter_map(char::from_u32) {
            let text = c.to_string();
            let once = folded(&text);
            assert_eq!(folded(&once), once, "U+{:04X}", c as u32);
            assert_eq!(once, folded_slowly(&text), "U+{:04X}", c as u32);
            // Two octets are the surrounding spaces.
            assert!(once.len() <= 2 + 18 * text.len(), "U+{:04X}: {}", c as u32, once.len());
        }
    }

    /// Generates texts of difficult characters: scripts, marks, invisible ones, ligatures.
    fn texts() -> impl Strategy<Value = String> {
        let any = string_regex("(?s).{0,24}").unwrap();
        let hard = string_regex(concat!(
            "[ a-cA-C0-1.@\u{e0}-\u{ff}\u{df}\u{131}\u{130}\u{1e9e}\u{3c2}\u{3c3}\u{3a3}",
            "\u{300}-\u{303}\u{316}\u{345}\u{34f}\u{391}\u{3b1}",
            "\u{1fb3}\u{1fbc}\u{5d0}\u{5b0}\u{5b8}",
            "\u{ad}\u{200c}\u{200d}\u{fe0f}\u{3042}-\u{3050}\u{3099}\u{309a}\u{30ab}",
            "\u{ff76}\u{ff9e}",
            "\u{e01}-\u{e0a}\u{e31}-\u{e3a}\u{e48}\u{1100}-\u{1103}\u{1161}\u{11a8}",
            "\u{ac00}\u{ac01}",
            "\u{4e00}-\u{4e03}\u{915}\u{93c}\u{94d}\u{958}\u{627}\u{654}\u{fb01}\u{1f389}]{0,16}"
        ))
        .unwrap();
        prop_oneof![1 => any, 2 => hard]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn folded_text_is_unchanged_by_folding(text in texts()) {
            let once = folded(&text);
            prop_assert_eq!(folded(&once), once);
        }

        #[test]
        fn fast_paths_agree_with_the_rules(text in texts()) {
            prop_assert_eq!(folded(&text), folded_slowly(&text));
        }

        #[test]
        fn words_of_two_texts_are_the_words_of_both(a in texts(), b in texts()) {
            let both = folded(&format!("{a} {b}"));
            let mut apart = folded(&a);
            fold(&b, &mut apart);
            prop_assert_eq!(&both, &apart);
            let words: Vec<String> = [a, b].iter().flat_map(|text| words(text)).collect();
            prop_assert_eq!(both.split_whitespace().collect::<Vec<_>>(), words);
        }

        #[test]
        fn composed_and_decomposed_text_fold_alike(text in texts()) {
            let composed: String = text.nfc().collect();
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(folded(&composed), folded(&decomposed));
            prop_assert_eq!(folded(&composed), folded(&text));
        }

        #[test]
        fn upper_and_lower_case_fold_alike(text in texts()) {
            // The iota below a letter is reordered with marks of other scripts, unlike a capital.
            let text = text.replace(['\u{345}', '\u{1fb3}', '\u{1fbc}'], "\u{3ac}");
            prop_assert_eq!(folded(&text.to_uppercase()), folded(&text.to_lowercase()));
            prop_assert_eq!(folded(&text.to_uppercase()), folded(&text));
        }
    }
}
