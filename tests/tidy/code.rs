//! Rust code as the rules read it: without comments and strings, without tests, and by function.

/// Returns `text` with each octet of a comment, a string or a character replaced by a blank. Line
/// ends stay, so positions in both are the same.
pub fn masked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut masked = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let length = unread(bytes, at);
        for octet in &mut masked[at..at + length] {
            if *octet != b'\n' {
                *octet = b' ';
            }
        }
        at += length.max(1);
    }
    String::from_utf8_lossy(&masked).into_owned()
}

/// Returns the length of the comment, string or character that begins here; 0 if none does.
fn unread(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let is_name = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => find(rest, b"\n").unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, 1),
        [b'b' | b'c', b'"', ..] if !is_name => quoted(rest, 2),
        [b'b' | b'c', b'r', ..] if !is_name => raw(rest, 2),
        [b'r', ..] if !is_name => raw(rest, 1),
        [b'\'', b'\\', ..] => 2 + find(&rest[2..], b"'").map_or(0, |end| end.max(1)) + 1,
        // A character, not a lifetime.
        [b'\'', ..] => match find(&rest[1..rest.len().min(6)], b"'") {
            Some(end) if end > 0 && is_one_character(&rest[1..=end]) => end + 2,
            _ => 0,
        },
        _ => 0,
    }
}

fn is_one_character(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().count() == 1)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn quoted(rest: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw(rest: &[u8], start: usize) -> usize {
    let hashes = rest[start..].iter().take_while(|octet| **octet == b'#').count();
    if rest.get(start + hashes) != Some(&b'"') {
        return 0;
    }
    let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = start + hashes + 1;
    find(&rest[body..], &end).map_or(rest.len(), |at| body + at + end.len())
}

/// Returns every string literal with its offset. Comments have none.
pub fn strings(text: &str) -> Vec<(usize, &str)> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let length = unread(bytes, at);
        if length > 0 && !matches!(bytes[at], b'/' | b'\'') {
            found.push((at, &text[at..at + length]));
        }
        at += length.max(1);
    }
    found
}

/// Splits masked code into the code compiled without tests, and the test-only modules. Both are as
/// long as the whole. The third value is the names of test modules in their own files.
pub fn without_tests(masked: &str) -> (String, String, Vec<String>) {
    let (mut code, mut files) = (masked.as_bytes().to_vec(), Vec::new());
    let mut tests: Vec<u8> =
        code.iter().map(|octet| if *octet == b'\n' { b'\n' } else { b' ' }).collect();
    let markers = ["#[cfg(test)]", "#[cfg(all(test,"];
    let marked = markers.iter().flat_map(|marker| masked.match_indices(marker));
    for (start, marker) in marked {
        let item = start + marker.len();
        let Some((name, end)) = module(masked, item) else { continue };
        if masked[item..end].ends_with(';') {
            files.push(name);
        }
        for at in start..end {
            tests[at] = code[at];
            if code[at] != b'\n' {
                code[at] = b' ';
            }
        }
    }
    (text_of(code), text_of(tests), files)
}

fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("masked code is ASCII where it is cut")
}

/// Returns the name of the module declared at `at`, and where it ends; `None` for another item.
fn module(masked: &str, at: usize) -> Option<(String, usize)> {
    let end = at + masked[at..].find(['{', ';'])?;
    // Attributes can precede it.
    let head = masked[at..end].rsplit(']').next()?;
    let name = head.split_whitespace().skip_while(|word| *word != "mod").nth(1)?;
    let is_file = masked[end..].starts_with(';');
    Some((name.to_owned(), if is_file { end + 1 } else { closing(masked, end) }))
}

/// Returns the offset after the brace that closes the one at `open`.
fn closing(masked: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, octet) in masked.bytes().enumerate().skip(open) {
        match octet {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    masked.len()
}

/// Returns the number of the line that contains the octet at `at`.
pub fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at].iter().filter(|octet| **octet == b'\n').count()
}

/// A function with a body.
#[derive(Debug)]
pub struct Function {
    pub name: String,
    /// The line of its `fn`.
    pub line: usize,
    /// The text from `fn` to the closing brace.
    pub lines: usize,
    /// The parameters as written, without `self`.
    pub parameters: Vec<String>,
}

/// Returns every function with a body in masked code, with any qualifiers and any signature.
pub fn functions(code: &str) -> Vec<Function> {
    code.match_indices("fn ").filter_map(|(at, _)| function(code, at)).collect()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn function(code: &str, at: usize) -> Option<Function> {
    if code[..at].ends_with(is_name) {
        return None;
    }
    let head = code[at + 3..].trim_start();
    let name: String = head.chars().take_while(|c| is_name(*c)).collect();
    if name.is_empty() {
        return None;
    }
    let list = at + opening(&code[at..])?;
    let (parameters, after) = parameters(&code[list..]);
    let body = list + after + body(&code[list + after..])?;
    let end = closing(code, body);
    let line = line_of(code, at);
    Some(Function { name, line, lines: line_of(code, end - 1) - line, parameters })
}

/// Returns where the list of parameters begins: at the first parenthesis outside `<...>`.
fn opening(signature: &str) -> Option<usize> {
    let (mut angle, mut before) = (0, ' ');
    for (at, c) in signature.char_indices() {
        match c {
            '<' => angle += 1,
            '>' if before != '-' => angle -= 1,
            '(' if angle == 0 => return Some(at),
            _ => {}
        }
        before = c;
    }
    None
}

/// Returns the parameters of the list that begins at this parenthesis, and where it ends.
fn parameters(list: &str) -> (Vec<String>, usize) {
    let (mut found, mut depth, mut start, mut before) = (Vec::new(), 0, 1, ' ');
    for (at, c) in list.char_indices() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            '>' if before == '-' || before == '=' => {}
            ')' | ']' | '}' | '>' => depth -= 1,
            _ => {}
        }
        let is_end = depth == 0;
        if is_end || c == ',' && depth == 1 {
            let parameter = list[start..at].trim();
            let is_self = parameter.split([' ', '&', ':', '\'']).any(|word| word == "self");
            if !parameter.is_empty() && !is_self {
                found.push(parameter.to_owned());
            }
            start = at + 1;
        }
        if is_end {
            return (found, at + 1);
        }
        before = c;
    }
    (found, list.len())
}

/// Returns where the body begins; `None` for a declaration. A `;` inside brackets belongs to an
/// array.
fn body(rest: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in rest.char_indices() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            ';' if depth == 0 => return None,
            '{' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_comments_strings_and_characters_are_masked() {
        for (text, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"a("b\"c//", d)"#, "a(        , d)"),
            (r##"a(r#"b"c"#, d)"##, "a(        , d)"),
            (r#"a(b"c", br"d", e)"#, "a(    ,      , e)"),
            (r"a('b', '\'', '\n', e)", "a(   ,     ,     , e)"),
            ("fn a<'b>(c: &'b str) {}", "fn a<'b>(c: &'b str) {}"),
            ("var\"x\"", "var   "),
            ("'{'", "   "),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }

    #[test]
    fn strings_are_found_outside_comments() {
        let text = r##"a("b\"c", 'd', br"e") /* "f" */ // "g"
h(r#"i"j"#)"##;
        let found: Vec<_> = strings(text).into_iter().map(|(_, string)| string).collect();
        assert_eq!(found, [r#""b\"c""#, r#"br"e""#, r##"r#"i"j"#"##]);
    }

    #[test]
    fn functions_are_found_whatever_their_signature() {
        let text = "pub(in crate::a) const unsafe fn one(a: [u8; 4], b: bool) -> [u8; 4]\nwhere\n    \
                    A: B,\n{\n}\nfn two(&self);\nasync fn three<F: Fn(u8, u8) -> bool>(&mut self, \
                    f: impl Fn(u8, u8) -> u8, (a, b): (u8, u8)) {}\ntype A = fn(u8);";
        let found = functions(text);
        let found: Vec<_> =
            found.iter().map(|f| (&*f.name, f.line, f.lines, f.parameters.len())).collect();
        assert_eq!(found, [("one", 1, 4, 2), ("three", 7, 0, 2)]);
    }

    #[test]
    fn a_test_module_for_one_platform_is_a_test_module() {
        let (code, tests, _) = without_tests("a;\n#[cfg(all(test, unix))]\nmod t {\n  b;\n}\nc;\n");
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a;", "c;"]);
        assert!(tests.contains("b;"));
    }

    #[test]
    fn code_after_a_test_module_is_code() {
        let text =
            "a;\n#[cfg(test)]\nmod t {\n  b;\n}\nc;\n#[cfg(test)]\n#[path = x]\nmod u;\nd;\n";
        let (code, tests, files) = without_tests(text);
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a;", "c;", "d;"]);
        assert!(tests.contains("b;") && !tests.contains("c;"));
        assert_eq!(files, ["u"]);
        assert_eq!(code.len(), text.len());
    }
}
