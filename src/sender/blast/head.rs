//! Header fields that identify a message, with placeholders for the values that vary.
//!
//! docs/blast.md explains the fields for programs that check the mail.
use crate::time::UnixNs;

/// Number of digits of a message number; leading zeros are written.
pub const DIGITS: usize = 12;

/// Formats a number below 10^12. Costs 3 ns.
///
/// Works on all digits at once, in registers. If they were written octet by octet, the copies that
/// follow would have to wait for the stores (measured: a fifth of the cost of a message).
pub fn digits(number: u64) -> [u8; DIGITS] {
    let mut digits = [b'0'; DIGITS];
    let mut low = number;
    if number >= 100_000_000 {
        digits[..4].copy_from_slice(&eight_digits(number / 100_000_000)[4..]);
        low = number % 100_000_000;
    }
    digits[4..].copy_from_slice(&eight_digits(low));
    digits
}

/// Splits the number into groups of four digits, then two, then one. Multiply-and-shift replaces
/// each division; the factors are exact for that many digits.
fn eight_digits(number: u64) -> [u8; 8] {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens | ((twos - tens * 10) << 8);
    (ones + 0x3030_3030_3030_3030).to_le_bytes()
}

/// Placeholder for the number in the text of a head.
pub const NUMBER: &str = "\0\0\0\0\0\0\0\0\0\0\0\0";

/// Placeholder for the checksum in the text of a head.
pub const CHECKSUM: &str = "\x01\x01\x01\x01\x01\x01\x01\x01";

/// The head that all messages share, with the positions of each message's own number and checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageHead {
    octets: Vec<u8>,
    numbers: Vec<usize>,
    checksum: usize,
}

impl MessageHead {
    /// Finds the placeholders in `text`: [`NUMBER`] any number of times, and [`CHECKSUM`] once.
    pub fn new(text: &str) -> MessageHead {
        let numbers = text.match_indices(NUMBER).map(|(at, _)| at).collect();
        let checksum = text.find(CHECKSUM).expect("every head has a checksum");
        MessageHead { octets: text.as_bytes().to_vec(), numbers, checksum }
    }

    /// Returns the length in octets.
    pub fn bytes(&self) -> usize {
        self.octets.len()
    }

    /// Appends the head of one message. The checksum may be filled in later by
    /// [`MessageHead::write_checksum`].
    pub fn append(&self, number: &[u8; DIGITS], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.octets);
        for at in &self.numbers {
            out[start + at..start + at + DIGITS].copy_from_slice(number);
        }
    }

    /// Fills in the checksum, as hexadecimal digits. `out` begins with the head that
    /// [`MessageHead::append`] wrote.
    pub fn write_checksum(&self, checksum: [u8; 8], out: &mut [u8]) {
        out[self.checksum..self.checksum + 8].copy_from_slice(&checksum);
    }
}

/// The name of the first field: the time at which sending of the message began.
const SENT_NAME: &str = "X-Sent: ";

/// Number of digits of a Unix time in ms, until the year 2286.
const SENT_DIGITS: usize = DIGITS + 1;

/// Returns the field at the beginning of every message, so its digits are at the same position in
/// all of them. The digits are 0 until [`write_sent`].
pub fn sent() -> String {
    format!("{SENT_NAME}{:0SENT_DIGITS$}\r\n", 0)
}

/// Fills in the sending time. `head` is the head of a message that begins with [`sent`]. Costs 5
/// ns.
pub fn write_sent(unix_ns: UnixNs, head: &mut [u8]) {
    let unix_ms = unix_ns.get() / 1_000_000;
    let (first, rest) = (unix_ms / 1_000_000_000_000 % 10, unix_ms % 1_000_000_000_000);
    let value = &mut head[SENT_NAME.len()..SENT_NAME.len() + SENT_DIGITS];
    value[0] = b'0' + first as u8;
    value[1..].copy_from_slice(&digits(rest));
}

/// Returns the fields of every message that templates can't override: number and run of the
/// message.
pub fn marks(run_id: &str) -> String {
    format!("X-Sequence: {NUMBER}\r\nX-Content-CRC32C: {CHECKSUM}\r\nX-Run: {run_id}\r\n")
}

/// Returns the Message-ID field, with a unique value for each message of each run.
pub fn message_id(run_id: &str, from: &str) -> String {
    let domain = from.rsplit_once('@').map_or(from, |(_, domain)| domain);
    format!("Message-ID: <{NUMBER}.{run_id}@{domain}>\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_twelve_digits() {
        let some = (0..1_000_000_000_000).step_by(9_999_991);
        for number in (0..20_000).chain(some).chain([99_999_999, 100_000_000, 999_999_999_999]) {
            assert_eq!(&digits(number), format!("{number:012}").as_bytes());
        }
    }

    #[test]
    fn the_time_sent_has_13_digits_in_the_first_field() {
        let mut head = (sent() + "X-Run: r\r\n").into_bytes();
        for unix_ms in [0, 1_795_248_000_123, 9_999_999_999_999] {
            write_sent(UnixNs::new(unix_ms * 1_000_000), &mut head);
            let expected = format!("X-Sent: {unix_ms:013}\r\nX-Run: r\r\n");
            assert_eq!(str::from_utf8(&head), Ok(&*expected));
        }
    }

    #[test]
    fn what_differs_is_put_in_place() {
        let head = MessageHead::new(&(message_id("r", "a@b.example") + &marks("r")));
        let mut out = Vec::new();
        head.append(b"000000000042", &mut out);
        head.write_checksum(*b"0123abcd", &mut out);
        let expected = "Message-ID: <000000000042.r@b.example>\r\nX-Sequence: 000000000042\r\n\
            X-Content-CRC32C: 0123abcd\r\nX-Run: r\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(head.bytes(), expected.len());
    }
}
