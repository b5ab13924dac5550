//! The server's side of a dialogue, as cheap as it can be: floor and dropper are yardsticks, not
//! SMTP servers. Commands are distinguished by their first letter, and the end of data is only
//! found where loadgen and blast put it.
use memchr::memchr;
use memchr::memmem::Finder;

/// What ends the payload of DATA.
pub const END_OF_DATA: &[u8] = b"\r\n.\r\n";
/// Octets of an end of data that a read can lack.
const TAIL_BYTES: usize = END_OF_DATA.len() - 1;
/// An end of data is searched for in this many last octets of a read: generators send fewer octets
/// of commands after it.
const SEARCHED_BYTES_MAX: usize = 4096;

/// Replies that are the same in both programs.
pub mod replies {
    pub const MAIL: &[u8] = b"250 2.1.0 Ok\r\n";
    pub const RECIPIENT: &[u8] = b"250 2.1.5 Ok\r\n";
    pub const DATA: &[u8] = b"354 End data with <CR><LF>.<CR><LF>\r\n";
    pub const QUIT: &[u8] = b"221 2.0.0 Bye\r\n";
}

/// A command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// MAIL, and NOOP, which has the same reply.
    Mail,
    Recipient,
    Data,
    /// BDAT: the reply follows its payload.
    Chunk,
    Hello,
    StartTls,
    /// QUIT, and everything else.
    Quit,
}

/// What `Dialogue::next` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Command(Command),
    /// Octets of a payload, with its end of data.
    Payload {
        bytes: usize,
        is_last: bool,
    },
}

/// What octets of a client mean, wherever reads cut them.
#[derive(Default)]
pub struct Dialogue {
    state: State,
    /// The command line that is incomplete so far.
    part: Vec<u8>,
}

#[derive(Default)]
enum State {
    #[default]
    Commands,
    Data(Tail),
    /// The payload of BDAT, and the octets of it that did not arrive yet.
    Chunk {
        missing_bytes: u64,
    },
}

impl Dialogue {
    /// Removes the next part from `input` and returns it; `None` when all of `input` is used.
    /// `end_of_data` finds `END_OF_DATA`: all dialogues share it.
    #[inline]
    pub fn next(&mut self, input: &mut &[u8], end_of_data: &Finder) -> Option<Part> {
        if input.is_empty() {
            return None;
        }
        let (bytes, is_last) = match &mut self.state {
            State::Commands => return self.next_command(input).map(Part::Command),
            State::Data(tail) => match tail.end_of_data(input, end_of_data) {
                Some(end) => (end, true),
                None => {
                    tail.extend(input);
                    (input.len(), false)
                }
            },
            State::Chunk { missing_bytes } => {
                let bytes = (*missing_bytes).min(input.len() as u64);
                *missing_bytes -= bytes;
                (bytes as usize, *missing_bytes == 0)
            }
        };
        *input = &input[bytes..];
        if is_last {
            self.state = State::Commands;
        }
        Some(Part::Payload { bytes, is_last })
    }

    #[inline]
    fn next_command(&mut self, input: &mut &[u8]) -> Option<Command> {
        let Some(end) = memchr(b'\n', input) else {
            self.part.extend_from_slice(input);
            *input = &[];
            return None;
        };
        let (line, rest) = input.split_at(end + 1);
        *input = rest;
        if self.part.is_empty() {
            return Some(self.on_line(line));
        }
        let mut whole = std::mem::take(&mut self.part);
        whole.extend_from_slice(line);
        Some(self.on_line(&whole))
    }

    #[inline]
    fn on_line(&mut self, line: &[u8]) -> Command {
        match line[0] {
            b'M' | b'N' => Command::Mail,
            b'R' => Command::Recipient,
            b'D' => {
                self.state = State::Data(Tail::default());
                Command::Data
            }
            b'B' => {
                self.state = State::Chunk { missing_bytes: chunk_bytes(line) };
                Command::Chunk
            }
            b'E' | b'H' => Command::Hello,
            b'S' => Command::StartTls,
            _ => Command::Quit,
        }
    }
}

/// Returns the number after `BDAT `; 0 if there is none.
fn chunk_bytes(line: &[u8]) -> u64 {
    let digits = line.iter().skip(b"BDAT ".len()).take_while(|octet| octet.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// The last octets of the payload so far, up to four.
#[derive(Default)]
struct Tail {
    octets: [u8; TAIL_BYTES],
    length: u8,
}

impl Tail {
    fn octets(&self) -> &[u8] {
        &self.octets[..self.length.into()]
    }

    /// Returns where the payload ends in `input`, after its end of data.
    #[inline]
    fn end_of_data(&self, input: &[u8], end_of_data: &Finder) -> Option<usize> {
        if input.ends_with(END_OF_DATA) {
            return Some(input.len());
        }
        if !self.octets().is_empty() {
            let head = &input[..input.len().min(TAIL_BYTES)];
            let (joined, length) = joined(self.octets(), head);
            if let Some(at) = end_of_data.find(&joined[..length]) {
                return Some(at + END_OF_DATA.len() - self.octets().len());
            }
        }
        let start = input.len().saturating_sub(SEARCHED_BYTES_MAX);
        end_of_data.find(&input[start..]).map(|at| start + at + END_OF_DATA.len())
    }

    /// Becomes the tail of the payload with `input` after it.
    fn extend(&mut self, input: &[u8]) {
        let last = &input[input.len().saturating_sub(TAIL_BYTES)..];
        let (joined, length) = joined(self.octets(), last);
        let kept = &joined[length.saturating_sub(TAIL_BYTES)..length];
        self.octets[..kept.len()].copy_from_slice(kept);
        self.length = kept.len() as u8;
    }
}

/// Returns both, one after the other, and how many octets they have.
fn joined(first: &[u8], second: &[u8]) -> ([u8; 2 * TAIL_BYTES], usize) {
    let mut joined = [0; 2 * TAIL_BYTES];
    let length = first.len() + second.len();
    joined[..first.len()].copy_from_slice(first);
    joined[first.len()..length].copy_from_slice(second);
    (joined, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the commands, and the bytes of each complete payload.
    fn parts_of(reads: &[&[u8]]) -> Vec<Result<Command, usize>> {
        let finder = Finder::new(END_OF_DATA);
        let mut dialogue = Dialogue::default();
        let (mut found, mut payload_bytes) = (Vec::new(), 0);
        for mut input in reads.iter().copied() {
            while let Some(part) = dialogue.next(&mut input, &finder) {
                match part {
                    Part::Command(command) => found.push(Ok(command)),
                    Part::Payload { bytes, is_last } => {
                        payload_bytes += bytes;
                        if is_last {
                            found.push(Err(std::mem::take(&mut payload_bytes)));
                        }
                    }
                }
            }
        }
        found
    }

    #[test]
    fn parts_do_not_depend_on_where_reads_are_cut() {
        let dialogue = b"EHLO a\r\nMAIL F\r\nRCPT T\r\nDATA\r\na\r\n..\r\n\r\n.\r\n\
            MAIL F\r\nBDAT 7 LAST\r\nabcde\r\nQUIT\r\n";
        let expected = [
            Ok(Command::Hello),
            Ok(Command::Mail),
            Ok(Command::Recipient),
            Ok(Command::Data),
            Err(12),
            Ok(Command::Mail),
            Ok(Command::Chunk),
            Err(7),
            Ok(Command::Quit),
        ];
        assert_eq!(parts_of(&[dialogue]), expected);
        for first in 0..=dialogue.len() {
            for second in first..=dialogue.len() {
                let reads = [&dialogue[..first], &dialogue[first..second], &dialogue[second..]];
                assert_eq!(parts_of(&reads), expected, "cut at {first} and {second}");
            }
        }
        let octets: Vec<&[u8]> = dialogue.chunks(1).collect();
        assert_eq!(parts_of(&octets), expected);
    }

    #[test]
    fn the_end_of_data_is_found_before_4_kib_of_commands() {
        let commands = b"RCPT\n".repeat((SEARCHED_BYTES_MAX - END_OF_DATA.len()) / 5);
        let input = [b"DATA\r\n", &b"x".repeat(10_000)[..], END_OF_DATA, &commands].concat();
        assert_eq!(parts_of(&[&input])[1], Err(10_000 + END_OF_DATA.len()));
    }

    #[test]
    fn other_lines_have_no_payload() {
        let commands = parts_of(&[b"NOOP\r\nSTARTTLS\r\n\nRSET\r\n"]);
        let expected = [Command::Mail, Command::StartTls, Command::Quit, Command::Recipient];
        assert_eq!(commands, expected.map(Ok));
    }
}
