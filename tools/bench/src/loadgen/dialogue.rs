//! What a connection sends next: after each reply, and when it is idle.
use sinkd_bench::system::monotonic_ns;

use super::connection::{Connection, Stage};
use super::message::Section;
use super::options::{Mode, Options, TlsUse};
use super::reply::Expected;
use super::supply::Supply;
use super::tally::Tally;

const EHLO: &[u8] = b"EHLO mailer.example\r\n";
const STARTTLS: &[u8] = b"STARTTLS\r\n";
const QUIT: &[u8] = b"QUIT\r\n";

/// What the owner of a connection does after a reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Nothing,
    /// Call `Connection::start_tls`.
    StartTls,
    /// The connection is ready: call `Connection::proceed`, unless it has to wait.
    Ready,
    /// Close the connection: QUIT was answered.
    End,
}

/// What all connections share.
pub struct Shared<'a> {
    pub options: &'a Options,
    pub supply: &'a mut Supply,
    pub tally: &'a mut Tally,
}

impl Connection {
    /// Queues what follows a reply. `line` is its last line, three octets or more, without its LF.
    ///
    /// Errors: the reply is unexpected or refuses something; the connection is of no further use.
    #[inline]
    pub fn on_reply(&mut self, line: &[u8], shared: &mut Shared<'_>) -> Result<Step, String> {
        let Some(expected) = self.expected.pop_front() else {
            return Err(format!("unexpected reply: {}", String::from_utf8_lossy(line)));
        };
        if !expected.is_met_by(line) {
            return Err(format!("{expected:?}: {}", String::from_utf8_lossy(line).trim_end()));
        }
        match expected {
            Expected::Banner => self.queue(EHLO, Expected::Ehlo),
            Expected::Ehlo if self.must_start_tls(shared.options) => {
                self.queue(STARTTLS, Expected::StartTls);
            }
            Expected::StartTls => return Ok(Step::StartTls),
            Expected::Ehlo => {
                self.set_stage(Stage::Ready);
                return Ok(Step::Ready);
            }
            Expected::Mail => self.on_mail_accepted(shared),
            Expected::Rcpt => self.on_recipient_accepted(shared),
            Expected::Data => self.on_data_accepted(shared),
            Expected::Final => self.on_message_accepted(shared),
            Expected::Quit => return Ok(Step::End),
        }
        Ok(Step::Nothing)
    }

    /// Continues under TLS: rustls keeps what is queued until the handshake is done.
    pub fn start_tls(&mut self, tls: Box<rustls::ClientConnection>) {
        if let Some(link) = &mut self.link {
            link.tls = Some(tls);
        }
        self.queue(EHLO, Expected::Ehlo);
    }

    /// Queues whatever this connection sends next of its own accord: messages, or QUIT.
    pub fn proceed(&mut self, options: &Options, supply: &mut Supply) {
        match options.mode {
            Mode::Idle => {}
            Mode::Connect => self.quit(),
            Mode::Plain => match self.begin(options, supply) {
                Some(message) => {
                    let mail = supply.class(self.messages[message].class).mail;
                    self.queue_head(message, mail, Expected::Mail);
                }
                None => self.quit(),
            },
            Mode::Pipelined => match self.begin(options, supply) {
                Some(message) => self.queue_group(message, options, supply),
                None => self.quit(),
            },
            Mode::Chunking => self.fill_window(options, supply),
        }
    }

    fn must_start_tls(&self, options: &Options) -> bool {
        let is_plain = self.link.as_ref().is_some_and(|link| link.tls.is_none());
        options.tls == TlsUse::StartTls && is_plain
    }

    fn on_mail_accepted(&mut self, shared: &Shared<'_>) {
        if shared.options.mode == Mode::Plain {
            self.recipients_accepted = 0;
            let message = self.latest();
            let class = shared.supply.class(self.messages[message].class);
            self.queue_head(message, class.recipients[0], Expected::Rcpt);
        }
    }

    fn on_recipient_accepted(&mut self, shared: &Shared<'_>) {
        if shared.options.mode == Mode::Plain {
            self.recipients_accepted += 1;
            let message = self.latest();
            let class = shared.supply.class(self.messages[message].class);
            match class.recipients.get(self.recipients_accepted) {
                Some(&recipient) => self.queue_head(message, recipient, Expected::Rcpt),
                None => self.queue_head(message, class.data, Expected::Data),
            }
        }
    }

    fn on_data_accepted(&mut self, shared: &mut Shared<'_>) {
        let message = self.latest();
        let class = shared.supply.class(self.messages[message].class);
        self.queue_head(message, class.header, Expected::Final);
        self.outbox.push(class.body);
        // The commands of the next message leave together with this body.
        if shared.options.mode == Mode::Pipelined
            && let Some(next) = self.begin(shared.options, shared.supply)
        {
            self.queue_group(next, shared.options, shared.supply);
        }
    }

    fn on_message_accepted(&mut self, shared: &mut Shared<'_>) {
        let Shared { options, supply, tally } = shared;
        let message = &self.messages[self.accepted as usize % self.messages.len()];
        self.accepted += 1;
        tally.accepted(message.begun_ns, supply.class(message.class).content_bytes);
        match options.mode {
            Mode::Plain => self.proceed(options, supply),
            Mode::Pipelined if self.begun == self.accepted => self.proceed(options, supply),
            // The window is filled once for all replies of a read, by the owner.
            _ => {}
        }
    }

    /// Makes the next message ready to be sent, if there is one for this connection. Returns its
    /// index.
    #[inline]
    fn begin(&mut self, options: &Options, supply: &mut Supply) -> Option<usize> {
        let is_quitting = self.link.as_ref().is_none_or(|link| link.stage == Stage::Quitting);
        let is_used_up = options.messages_per_connection.is_some_and(|limit| self.begun >= limit);
        if is_quitting || is_used_up {
            return None;
        }
        let numbered = supply.take()?;
        let index = self.begun as usize % self.messages.len();
        self.begun += 1;
        let message = &mut self.messages[index];
        message.class = numbered.class;
        message.write(supply.class(numbered.class), numbered.sequence);
        message.begun_ns = monotonic_ns();
        Some(index)
    }

    /// Returns the index of the message that was begun last.
    #[inline]
    fn latest(&self) -> usize {
        (self.begun - 1) as usize % self.messages.len()
    }

    /// Queues MAIL, each RCPT and DATA.
    fn queue_group(&mut self, message: usize, options: &Options, supply: &Supply) {
        let class = supply.class(self.messages[message].class);
        self.queue_head(message, class.mail.through(class.data), Expected::Mail);
        self.expect_recipients(options);
        self.expected.push_back(Expected::Data);
    }

    /// Queues messages with their chunks until the window is full; QUIT if there are no more and
    /// all were accepted.
    fn fill_window(&mut self, options: &Options, supply: &mut Supply) {
        loop {
            let in_flight = (self.begun - self.accepted) as usize;
            if in_flight >= options.window {
                return;
            }
            let Some(message) = self.begin(options, supply) else {
                if in_flight == 0 {
                    self.quit();
                }
                return;
            };
            let class = supply.class(self.messages[message].class);
            self.queue_head(message, class.mail.through(class.header), Expected::Mail);
            self.outbox.push(class.body);
            self.expect_recipients(options);
            self.expected.push_back(Expected::Final);
        }
    }

    fn quit(&mut self) {
        if self.link.as_ref().is_some_and(|link| link.stage != Stage::Quitting) {
            self.set_stage(Stage::Quitting);
            self.queue(QUIT, Expected::Quit);
        }
    }

    fn set_stage(&mut self, stage: Stage) {
        if let Some(link) = &mut self.link {
            link.stage = stage;
        }
    }

    fn queue(&mut self, command: &'static [u8], expected: Expected) {
        self.outbox.push(command);
        self.expected.push_back(expected);
    }

    #[inline]
    fn queue_head(&mut self, message: usize, section: Section, expected: Expected) {
        self.outbox.push_head(message, section);
        self.expected.push_back(expected);
    }

    #[inline]
    fn expect_recipients(&mut self, options: &Options) {
        self.expected.extend(std::iter::repeat_n(Expected::Rcpt, options.recipients));
    }
}
