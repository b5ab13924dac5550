//! The content of messages: a header block, and a body that looks like a newsletter.
use super::random::Random;

/// Stands for the sequence number of a message until it is known: ten digits.
pub const SEQUENCE: &[u8] = b"@@@@@@@@@@";

/// Bytes that a body has at least: two lines of a few words.
pub const BODY_BYTES_MIN: usize = 64;

/// Bytes of text before the attachment.
const TEXT_BYTES_MAX: usize = 1400;
/// A body with more bytes has an attachment.
const BODY_BYTES_WITHOUT_ATTACHMENT_MAX: usize = 4096;
/// A body gets the header of its first part only if at least this much text follows.
const TEXT_BYTES_IN_PART_MIN: usize = 300;
/// Bytes of a line of text before its CRLF: 60 to 75, and the end of the last word.
const TEXT_LINE_BYTES_MIN: usize = 60;
const TEXT_LINE_BYTES_SPREAD: u64 = 16;
/// Characters of a line of Base64 (RFC 2045 section 6.8).
const BASE64_LINE_CHARS: usize = 76;
/// One line of this number begins with a dot.
const LINES_PER_DOT: u64 = 20;
/// Which line of each `LINES_PER_DOT` begins with a dot.
const LINE_WITH_DOT: u64 = 7;

const WORDS: [&[u8]; 20] = [
    b"campaign",
    b"delivery",
    b"throughput",
    b"the",
    b"of",
    b"and",
    b"customer",
    b"offer",
    b"weekly",
    b"a",
    b"to",
    b"receipt",
    b"unsubscribe",
    b"product",
    b"is",
    b"ready",
    b"for",
    b"you",
    b"in",
    b"we",
];
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns a header block with the empty line at its end. `tag` makes Message-IDs of different
/// sizes different.
pub fn header(boundary: &str, tag: u64) -> String {
    format!(
        "Received: from mailer.example (mailer.example [192.0.2.10])\r\n\
         \tby sink.example with ESMTP id @@@@@@@@@@;\r\n\
         \tSun, 02 Mar 2025 10:20:30 +0000\r\n\
         Date: Sun, 02 Mar 2025 10:20:30 +0000\r\n\
         From: =?UTF-8?Q?Newsletter_M=C3=BCller?= <news@sender.example>\r\n\
         To: u@@@@@@@@@@@rcpt.example\r\n\
         Subject: Your weekly digest, issue @@@@@@@@@@\r\n\
         Message-ID: <@@@@@@@@@@.{tag:08x}@mailer.example>\r\n\
         X-Sequence: @@@@@@@@@@\r\n\
         List-Unsubscribe: <https://sender.example/u/@@@@@@@@@@>\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n"
    )
}

/// Returns a body of exactly `bytes`, without dot-stuffing: lines of the length that mail has,
/// about one in twenty with a dot at its beginning. `bytes` is `BODY_BYTES_MIN` or more.
pub fn body(bytes: usize, boundary: &str, random: &mut Random) -> Vec<u8> {
    let mut body = Vec::with_capacity(bytes + 256);
    let text_part = format!(
        "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n"
    );
    if bytes > text_part.len() + TEXT_BYTES_IN_PART_MIN {
        body.extend_from_slice(text_part.as_bytes());
    }
    let mut line = 0;
    while body.len() < bytes.min(TEXT_BYTES_MAX) {
        begin_line(&mut line, &mut body);
        push_text_line(&mut body, random);
    }
    if bytes > BODY_BYTES_WITHOUT_ATTACHMENT_MAX {
        let attachment = format!(
            "--{boundary}\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n"
        );
        body.extend_from_slice(attachment.as_bytes());
    }
    while body.len() < bytes {
        begin_line(&mut line, &mut body);
        for _ in 0..BASE64_LINE_CHARS {
            body.push(BASE64[random.below(BASE64.len())]);
        }
        body.extend_from_slice(b"\r\n");
    }
    body.truncate(bytes);
    end_in_whole_line(&mut body);
    body
}

fn begin_line(line: &mut u64, body: &mut Vec<u8>) {
    *line += 1;
    if *line % LINES_PER_DOT == LINE_WITH_DOT {
        body.push(b'.');
    }
}

fn push_text_line(body: &mut Vec<u8>, random: &mut Random) {
    let spread = (random.next() % TEXT_LINE_BYTES_SPREAD) as usize;
    let end = body.len() + TEXT_LINE_BYTES_MIN + spread;
    while body.len() < end {
        body.extend_from_slice(WORDS[random.below(WORDS.len())]);
        body.push(b' ');
    }
    body.extend_from_slice(b"\r\n");
}

/// Overwrites the end of `body` by CRLF, and the four octets before it if they end lines.
///
/// No LF is left without its CR, but a CR right before these octets loses its LF. The measured
/// sizes have no such CR (a test of `Class` checks them), and bodies stay as those of earlier
/// versions.
fn end_in_whole_line(body: &mut [u8]) {
    let text_end = body.len() - 2;
    for octet in &mut body[text_end - 4..text_end] {
        if *octet == b'\r' || *octet == b'\n' {
            *octet = b'x';
        }
    }
    body[text_end..].copy_from_slice(b"\r\n");
}

/// Returns `content` as DATA transmits it: with a dot before each dot at the beginning of a line
/// (RFC 5321 section 4.5.2), and with the end of data. `content` ends with CRLF.
pub fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(content.len() + content.len() / 512 + 8);
    let mut is_line_start = true;
    for &octet in content {
        if is_line_start && octet == b'.' {
            stuffed.push(b'.');
        }
        stuffed.push(octet);
        is_line_start = octet == b'\n';
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}

/// Returns `number` in decimal, with zeros before it. Digits that don't fit are left out.
#[inline]
pub fn digits(mut number: u64) -> [u8; SEQUENCE.len()] {
    let mut digits = [b'0'; SEQUENCE.len()];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_the_requested_bytes_and_ends_with_a_whole_line() {
        let sizes = (BODY_BYTES_MIN..600).chain([1399, 1400, 1401, 4095, 4096, 4097, 20_480]);
        for bytes in sizes {
            for seed in 1..4 {
                let body = body(bytes, "=_0123456789abcdef", &mut Random::new(seed));
                assert_eq!(body.len(), bytes);
                assert!(body.ends_with(b"\r\n"), "{bytes}");
                let is_bare = |at: usize| body[at] == b'\n' && body[at - 1] != b'\r';
                assert!(!(1..bytes).any(is_bare), "{bytes}: LF without CR");
            }
        }
    }

    #[test]
    fn a_seed_determines_the_body() {
        let of_seed = |seed| body(2048, "=_0", &mut Random::new(seed));
        assert_eq!(of_seed(1), of_seed(1));
        assert_ne!(of_seed(1), of_seed(2));
    }

    #[test]
    fn dots_are_stuffed_at_the_beginning_of_lines_only() {
        let rows: &[(&[u8], &[u8])] = &[
            (b"\r\n", b"\r\n.\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b"..\r\n", b"...\r\n.\r\n"),
            (b"a.b\r\n.c\r\n", b"a.b\r\n..c\r\n.\r\n"),
            (b"a\r\n\r\n.\r\nb\r\n", b"a\r\n\r\n..\r\nb\r\n.\r\n"),
        ];
        for (content, expected) in rows {
            assert_eq!(stuffed(content), *expected, "{}", String::from_utf8_lossy(content));
        }
    }

    #[test]
    fn a_sequence_number_has_ten_digits() {
        for (number, expected) in [
            (0, b"0000000000"),
            (1, b"0000000001"),
            (9_876_543_210, b"9876543210"),
            (10_000_000_007, b"0000000007"),
        ] {
            assert_eq!(&digits(number), expected, "{number}");
        }
    }
}
