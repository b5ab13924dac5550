//! One random client: it knows which replies its commands can get, and checks that the server sends
//! them.
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use super::ledger::Ledger;
use super::wire::{Target, Wire};
use crate::common::Dice;

/// Longer than anything here takes; a client that waits longer has found a hang.
const PATIENCE: Duration = Duration::from_secs(60);
/// Number of recent lines of its story that a client prints when it fails.
const STORY_LINES: usize = 60;

/// The server ended the session, in an allowed way.
pub struct Gone;

type Step<T = ()> = Result<T, Gone>;

/// A command that was sent and is not answered yet.
#[derive(Debug, Clone)]
enum Sent {
    Hello,
    Mail {
        declared: Option<usize>,
    },
    Rcpt,
    Data,
    /// `octets` is the size of the message without stuffed dots.
    EndOfData {
        tag: String,
        octets: usize,
    },
    Chunk {
        tag: String,
        bytes: usize,
        last: bool,
    },
    Rset,
    Noop,
    Vrfy,
    Help,
    Unknown,
    Quit,
}

/// The state of the transaction according to the replies.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Nothing,
    Mail,
    Rcpt { recipients: usize, chunk_bytes: usize },
}

/// One session of one client.
pub struct Client<'a> {
    wire: Wire,
    /// Octets that were read and belong to no reply yet.
    input: Vec<u8>,
    is_lmtp: bool,
    message_bytes_max: usize,
    large_bytes: usize,
    may_lack_room: bool,
    dice: &'a mut Dice,
    ledger: &'a Arc<Ledger>,
    stage: Stage,
    /// Commands to be written together; `sent` lists them.
    flight: Vec<u8>,
    sent: VecDeque<Sent>,
    story: VecDeque<String>,
    name: String,
    serial: usize,
}

/// What the clients of one sink share.
pub struct Setting {
    pub message_bytes_max: usize,
    /// Octets of payloads that are meant to be large.
    pub large_bytes: usize,
    /// Whether a message can occasionally find no room.
    pub may_lack_room: bool,
}

impl<'a> Client<'a> {
    pub fn connect(
        target: &Target,
        setting: &Setting,
        name: String,
        dice: &'a mut Dice,
        ledger: &'a Arc<Ledger>,
    ) -> Step<Client<'a>> {
        let wire = target.connect(PATIENCE).map_err(|_| Gone)?;
        let mut client = Client {
            wire,
            input: Vec::new(),
            is_lmtp: target.is_lmtp(),
            message_bytes_max: setting.message_bytes_max,
            large_bytes: setting.large_bytes,
            may_lack_room: setting.may_lack_room,
            dice,
            ledger,
            stage: Stage::Nothing,
            flight: Vec::new(),
            sent: VecDeque::new(),
            story: VecDeque::new(),
            name,
            serial: 0,
        };
        let (code, text) = client.reply()?;
        client.check(code == 220, &format!("greeted with {code} {text}"));
        Ok(client)
    }

    /// Runs a whole session.
    pub fn run(&mut self) -> Step {
        let hello = if self.is_lmtp { "LHLO soup.example\r\n" } else { "EHLO soup.example\r\n" };
        self.line(hello, Sent::Hello);
        self.maybe_flush()?;
        for _ in 0..self.dice.roll(12) {
            self.aside()?;
            self.transaction()?;
        }
        match self.dice.roll(4) {
            0 => self.drop_now(),
            1 => self.half_close(),
            2 => self.stop_reading(),
            _ => self.quit(),
        }
    }

    fn quit(&mut self) -> Step {
        self.line("QUIT\r\n", Sent::Quit);
        self.flush()
    }

    /// Sends commands that do not affect a transaction.
    fn aside(&mut self) -> Step {
        match self.dice.roll(20) {
            0 => self.line("NOOP\r\n", Sent::Noop),
            1 => self.line("VRFY <a@b.example>\r\n", Sent::Vrfy),
            2 => self.line("HELP\r\n", Sent::Help),
            3 => self.line("WHAT is this\r\n", Sent::Unknown),
            4 => self.line("RSET\r\n", Sent::Rset),
            _ => {}
        }
        Ok(())
    }

    /// Sends RSET or QUIT, or cuts the connection, at any point. Returns whether the transaction
    /// continues.
    fn goes_on(&mut self) -> Step<bool> {
        match self.dice.roll(60) {
            0 => {
                self.line("RSET\r\n", Sent::Rset);
                Ok(false)
            }
            1 => self.quit().map(|()| false),
            2 => self.drop_now().map(|()| false),
            3 => {
                self.line("NOOP\r\n", Sent::Noop);
                Ok(true)
            }
            4 => self.flush().map(|()| true),
            _ => Ok(true),
        }
    }

    fn transaction(&mut self) -> Step {
        let tag = format!("{}-{}", self.name, self.serial);
        self.serial += 1;
        let is_chunked = self.dice.roll(2) == 0;
        let payload = if is_chunked { self.octets() } else { self.mail_data() };
        let octets = if is_chunked { payload.len() } else { payload.len() - stuffed(&payload) };
        let declared = match self.dice.roll(3) {
            0 => None,
            1 => Some(octets),
            // Wrong by a little or a lot; never declared as too large.
            _ => Some(self.dice.roll(self.message_bytes_max.min(2 * octets + 70_000))),
        };
        let size = declared.map_or(String::new(), |size| format!(" SIZE={size}"));
        self.line(&format!("MAIL FROM:<{tag}@soup.example>{size}\r\n"), Sent::Mail { declared });
        if !self.goes_on()? {
            return Ok(());
        }
        // Scenarios store the mail of each domain in a different mode.
        let domain = ["keep", "envelope", "counted", "other"][self.dice.roll(4)];
        for _ in 0..self.recipients() {
            self.line(&format!("RCPT TO:<someone@{domain}.example>\r\n"), Sent::Rcpt);
        }
        if !self.goes_on()? {
            return Ok(());
        }
        self.maybe_flush()?;
        if is_chunked { self.chunks(&tag, &payload) } else { self.data(&tag, &payload, octets) }
    }

    fn recipients(&mut self) -> usize {
        match self.dice.roll(30) {
            0 => 300,
            n => 1 + n % 3,
        }
    }

    fn data(&mut self, tag: &str, payload: &[u8], octets: usize) -> Step {
        self.line("DATA\r\n", Sent::Data);
        let begun = self.flush_and_return_whether_354_came()?;
        if !begun {
            return Ok(());
        }
        if self.dice.roll(25) == 0 {
            // Leaves without sending the end.
            let part = self.dice.roll(payload.len() + 1);
            self.write(&payload[..part])?;
            return self.drop_now();
        }
        let wire = [payload, b".\r\n"].concat();
        self.ledger.sending(tag, payload);
        self.flight.extend_from_slice(&wire);
        self.sent.push_back(Sent::EndOfData { tag: tag.to_owned(), octets });
        self.maybe_flush()
    }

    fn chunks(&mut self, tag: &str, payload: &[u8]) -> Step {
        let mut from = 0;
        loop {
            let left = payload.len() - from;
            let bytes = match self.dice.roll(3) {
                0 => left,
                _ => self.dice.roll(left.min(80_000) + 1),
            };
            let last = from + bytes == payload.len() && self.dice.roll(4) > 0;
            if last {
                self.ledger.sending(tag, payload);
            }
            let end = if last { " LAST" } else { "" };
            let sent = Sent::Chunk { tag: tag.to_owned(), bytes, last };
            self.line(&format!("BDAT {bytes}{end}\r\n"), sent);
            self.flight.extend_from_slice(&payload[from..from + bytes]);
            from += bytes;
            if last {
                return self.maybe_flush();
            }
            if self.dice.roll(2) == 0 {
                self.flush()?;
                if self.stage == Stage::Nothing {
                    return Ok(());
                }
            }
            if !self.goes_on()? {
                return Ok(());
            }
        }
    }

    /// Returns any octets: content sent by BDAT has no required form.
    fn octets(&mut self) -> Vec<u8> {
        let octets = self.size();
        let seed = self.dice.roll(1 << 30);
        (0..octets).map(|i| (i.wrapping_mul(seed) >> 7) as u8 ^ (i >> 10) as u8).collect()
    }

    /// Returns lines in wire form, with dots stuffed and an occasional lone CR or LF.
    fn mail_data(&mut self) -> Vec<u8> {
        let octets = self.size();
        let mut data = Vec::with_capacity(octets + 100);
        while data.len() < octets {
            match self.dice.roll(12) {
                0 => {}
                1 => data.extend_from_slice(b".."),
                2 => data.extend_from_slice(b"..\r"),
                3 => data.extend_from_slice(b"a\n.\n"),
                4 => data.extend_from_slice(b"Subject: soup"),
                n => data.extend(std::iter::repeat_n(b'a' + n as u8, 70.min(octets))),
            }
            data.extend_from_slice(b"\r\n");
        }
        data
    }

    /// Chooses the size of a payload in octets: mostly small, and around every limit.
    fn size(&mut self) -> usize {
        const BORDERS: [usize; 6] = [4096, 16 << 10, 64 << 10, 65_300, 128 << 10, 256 << 10];
        let near = self.dice.roll(700);
        match self.dice.roll(24) {
            0 => 0,
            1..=11 => self.dice.roll(5000),
            12..=17 => BORDERS[self.dice.roll(BORDERS.len())].saturating_sub(350) + near,
            18..=20 => self.dice.roll(200_000),
            21 => self.message_bytes_max.saturating_sub(350) + near,
            22 => self.large_bytes + self.dice.roll(self.large_bytes / 4 + 1),
            _ => 1,
        }
    }

    // ------------------------------------------------------------ writing

    fn line(&mut self, line: &str, sent: Sent) {
        self.note(format!("C: {}", line.trim_end()));
        self.flight.extend_from_slice(line.as_bytes());
        self.sent.push_back(sent);
    }

    /// Sends the pending commands at once or waits for more, at random.
    fn maybe_flush(&mut self) -> Step {
        // Unread replies must fit into our buffers.
        if self.sent.len() > 400 || self.dice.roll(3) > 0 { self.flush() } else { Ok(()) }
    }

    /// Writes all pending commands, split at random, and reads the replies.
    fn flush(&mut self) -> Step {
        let flight = std::mem::take(&mut self.flight);
        self.write(&flight)?;
        while let Some(sent) = self.sent.pop_front() {
            self.answer(sent)?;
        }
        Ok(())
    }

    fn flush_and_return_whether_354_came(&mut self) -> Step<bool> {
        let flight = std::mem::take(&mut self.flight);
        self.write(&flight)?;
        let mut wanted = false;
        while let Some(sent) = self.sent.pop_front() {
            let is_data = matches!(sent, Sent::Data);
            let code = self.answer(sent)?;
            wanted = is_data && code == 354;
        }
        Ok(wanted)
    }

    fn write(&mut self, octets: &[u8]) -> Step {
        let mut rest = octets;
        let piece_bytes_max = match self.dice.roll(8) {
            0 => 3,
            1 => 700,
            2 => 20_000,
            _ => usize::MAX,
        };
        let mut pieces = 0;
        while !rest.is_empty() {
            // Single octets take time, so not for the whole of a large payload.
            pieces += 1;
            let most = if pieces > 200 { rest.len() } else { rest.len().min(piece_bytes_max) };
            let n = 1 + self.dice.roll(most);
            let n = if piece_bytes_max == usize::MAX { rest.len() } else { n.min(rest.len()) };
            if let Err(error) = self.wire.write_all(&rest[..n]) {
                return self.gone(&error);
            }
            rest = &rest[n..];
        }
        Ok(())
    }

    /// Disconnects at any point, sometimes with a reset.
    fn drop_now(&mut self) -> Step {
        if self.dice.roll(2) == 0 {
            self.wire.reset_on_close();
        }
        Err(Gone)
    }

    /// Shuts down the sending side, but reads every reply.
    fn half_close(&mut self) -> Step {
        let flight = std::mem::take(&mut self.flight);
        self.write(&flight)?;
        let _ = self.wire.shutdown(Shutdown::Write);
        self.note("C: (shuts its side)".into());
        while let Some(sent) = self.sent.pop_front() {
            self.answer(sent)?;
        }
        self.nothing_more()
    }

    /// Sends a lot and reads nothing until the server accepts no more; then reads, or leaves.
    fn stop_reading(&mut self) -> Step {
        self.flush()?;
        let Ok(()) = self.wire.set_nonblocking(true) else { return Err(Gone) };
        let noops = b"NOOP\r\n".repeat(2000);
        let mut written = 0;
        for _ in 0..400 {
            match self.wire.write(&noops[written % 6..]) {
                Ok(n) => written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return self.gone(&error),
            }
        }
        let Ok(()) = self.wire.set_nonblocking(false) else { return Err(Gone) };
        self.note(format!("C: (says {} NOOPs and reads nothing)", written / 6));
        if self.dice.roll(2) == 0 {
            return self.drop_now();
        }
        for _ in 0..written / 6 {
            self.answer(Sent::Noop)?;
        }
        Ok(())
    }

    // ------------------------------------------------------------ reading

    /// Asserts that the replies to `sent` are correct, and updates the state of the transaction;
    /// returns the last code.
    fn answer(&mut self, sent: Sent) -> Step<u16> {
        match sent {
            Sent::EndOfData { tag, octets } => {
                let too_large = octets > self.message_bytes_max;
                return self.final_replies(&tag, too_large);
            }
            Sent::Chunk { tag, bytes, last } => return self.chunk_replies(&tag, bytes, last),
            _ => {}
        }
        let (code, text) = self.reply()?;
        let is = |want: u16, start: &str| code == want && text.starts_with(start);
        let right = match (&sent, self.stage) {
            (Sent::Hello, _) => code == 250,
            (Sent::Mail { declared }, _) => {
                let too_large = declared.is_some_and(|size| size > self.message_bytes_max);
                is(250, "2.1.0") || is(452, "4.3.1") || (too_large && is(552, "5.3.4"))
            }
            (Sent::Rcpt, Stage::Nothing) => code == 503,
            (Sent::Rcpt, _) => is(250, "2.1.5") || is(452, "4.3.1") || is(452, "4.5.3"),
            (Sent::Data, Stage::Nothing) => code == 503,
            (Sent::Data, Stage::Mail) => code == 503 || code == 554,
            (Sent::Data, Stage::Rcpt { .. }) => code == 354,
            (Sent::Rset, _) => is(250, "2.0.0 Transaction reset"),
            (Sent::Noop, _) => is(250, "2.0.0 Ok") && text.len() == "2.0.0 Ok".len(),
            (Sent::Vrfy, _) => code == 252,
            (Sent::Help, _) => code == 214,
            (Sent::Unknown, _) => code == 500,
            (Sent::Quit, _) => code == 221,
            (Sent::EndOfData { .. } | Sent::Chunk { .. }, _) => unreachable!("handled above"),
        };
        self.check(right, &format!("{sent:?} at {:?} was answered {code} {text}", self.stage));
        self.stage = match (&sent, self.stage, code) {
            (Sent::Mail { .. }, _, 250) => Stage::Mail,
            (Sent::Rcpt, Stage::Mail, 250) => Stage::Rcpt { recipients: 1, chunk_bytes: 0 },
            (Sent::Rcpt, Stage::Rcpt { recipients, chunk_bytes }, 250) => {
                Stage::Rcpt { recipients: recipients + 1, chunk_bytes }
            }
            (Sent::Rset | Sent::Hello, ..) => Stage::Nothing,
            (_, stage, _) => stage,
        };
        if matches!(sent, Sent::Quit) {
            self.nothing_more()?;
            return Err(Gone);
        }
        Ok(code)
    }

    fn chunk_replies(&mut self, tag: &str, bytes: usize, last: bool) -> Step<u16> {
        let Stage::Rcpt { recipients, chunk_bytes } = self.stage else {
            let (code, text) = self.reply()?;
            let right = code == 503 || (code == 554 && self.stage == Stage::Mail);
            self.check(right, &format!("a chunk outside a transaction: {code} {text}"));
            return Ok(code);
        };
        let total = chunk_bytes + bytes;
        if last {
            return self.final_replies(tag, total > self.message_bytes_max);
        }
        let (code, text) = self.reply()?;
        let right = match code {
            250 => text == "2.0.0 Chunk received" && total <= self.message_bytes_max,
            552 => total > self.message_bytes_max,
            452 | 451 => self.may_lack_room,
            _ => false,
        };
        self.check(right, &format!("a chunk of {bytes}, {total} in all: {code} {text}"));
        self.stage = match code {
            250 => Stage::Rcpt { recipients, chunk_bytes: total },
            _ => Stage::Nothing,
        };
        Ok(code)
    }

    fn final_replies(&mut self, tag: &str, too_large: bool) -> Step<u16> {
        let Stage::Rcpt { recipients, .. } = self.stage else {
            self.fail("a payload without recipients was wanted");
        };
        self.stage = Stage::Nothing;
        let times = if self.is_lmtp { recipients } else { 1 };
        let mut first = None;
        for _ in 0..times {
            let (code, text) = self.reply()?;
            let right = match code {
                250 => !too_large,
                552 => too_large,
                452 | 451 => self.may_lack_room,
                _ => false,
            };
            self.check(right, &format!("the end of {tag} was answered {code} {text}"));
            let before = first.get_or_insert_with(|| (code, text.clone()));
            let same = *before == (code, text.clone());
            self.check(same, &format!("one reply of {tag} is unlike another: {code} {text}"));
            if code == 250 {
                let prefix = if self.is_lmtp { "2.1.5 Ok " } else { "2.0.0 Ok " };
                let Some(name) = text.strip_prefix(prefix) else {
                    self.fail(&format!("no name in {text}"));
                };
                self.ledger.acknowledged(tag, name);
            }
        }
        Ok(first.map_or(0, |(code, _)| code))
    }

    /// Reads the next reply: its code and the text of its last line. A 421 ends the session.
    fn reply(&mut self) -> Step<(u16, String)> {
        loop {
            while let Some(end) = self.input.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.input[..end]).into_owned();
                self.input.drain(..end + 2);
                self.note(format!("S: {line}"));
                let code = line.get(..3).and_then(|code| code.parse().ok());
                let Some(code) = code.filter(|_| line.len() > 3) else {
                    self.fail("a reply without a code");
                };
                match (code, line.as_bytes()[3]) {
                    (421, _) => return Err(Gone),
                    (_, b' ') => return Ok((code, line[4..].to_owned())),
                    (_, b'-') => {}
                    _ => self.fail("a reply without a space"),
                }
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> Step {
        let mut piece = [0; 16 << 10];
        match self.wire.read(&mut piece) {
            Ok(0) => self.gone(&ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                self.input.extend_from_slice(&piece[..n]);
                Ok(())
            }
            Err(error) => self.gone(&error),
        }
    }

    /// Asserts that the server closes without another reply, or sends 421 because it stops.
    fn nothing_more(&mut self) -> Step {
        loop {
            let mut piece = [0; 1024];
            match self.wire.read(&mut piece) {
                Ok(n) if n > 0 => self.input.extend_from_slice(&piece[..n]),
                _ => break,
            }
        }
        let rest = String::from_utf8_lossy(&self.input).into_owned();
        self.check(rest.is_empty() || rest.starts_with("421 "), &format!("unasked: {rest}"));
        Ok(())
    }

    /// Handles the end of the connection. It is allowed if the server's explanation was overtaken
    /// by a reset: while it stops, and when it is short of buffers.
    fn gone<T>(&mut self, error: &std::io::Error) -> Step<T> {
        let waits = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        self.check(!waits, "the server says nothing");
        self.check(self.ledger.may_close(), &format!("closed without a word: {error}"));
        Err(Gone)
    }

    fn note(&mut self, line: String) {
        if self.story.len() == STORY_LINES {
            self.story.pop_front();
        }
        self.story.push_back(line);
    }

    #[track_caller]
    fn check(&self, holds: bool, what: &str) {
        if !holds {
            self.fail(what);
        }
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        let story: Vec<&str> = self.story.iter().map(String::as_str).collect();
        self.ledger.failed();
        let (name, port) = (&self.name, self.wire.local_port());
        panic!("client {name}, port {port:?}: {what}\n{}\n", story.join("\n"));
    }
}

/// Counts the dots in the wire form that are not part of the message.
fn stuffed(data: &[u8]) -> usize {
    let at_start = usize::from(data.starts_with(b"."));
    at_start + data.windows(3).filter(|three| *three == b"\r\n.").count()
}
