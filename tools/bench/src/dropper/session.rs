//! What a client's plain input leads to: canned replies, and a wish for the connection.
use memchr::memmem::Finder;
use sinkd_bench::canned::{Command, Dialogue, Part, replies};

pub const BANNER: &[u8] = b"220 dropper.example ESMTP\r\n";
const HELLO: &[u8] = b"250-dropper.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n\
    250-8BITMIME\r\n250 SIZE 104857600\r\n";
const HELLO_WITH_STARTTLS: &[u8] =
    b"250-dropper.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-STARTTLS\r\n\
    250-8BITMIME\r\n250 SIZE 104857600\r\n";
const READY_FOR_TLS: &[u8] = b"220 2.0.0 Ready\r\n";
const DROPPED: &[u8] = b"250 2.0.0 Ok: dropped\r\n";

/// What the client wants of the connection; the rest of its input is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Nothing,
    Tls,
    Quit,
}

/// Whether a session can continue under TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    Offered,
    Absent,
}

pub struct Session {
    dialogue: Dialogue,
    start_tls: StartTls,
    wish: Wish,
}

impl Session {
    pub fn new(start_tls: StartTls) -> Session {
        Session { dialogue: Dialogue::default(), start_tls, wish: Wish::Nothing }
    }

    pub fn wish(&self) -> Wish {
        self.wish
    }

    /// Appends the replies to `input` to `out`.
    #[inline]
    pub fn feed(&mut self, mut input: &[u8], out: &mut Vec<u8>, end_of_data: &Finder) {
        while self.wish == Wish::Nothing {
            match self.dialogue.next(&mut input, end_of_data) {
                Some(Part::Payload { is_last: true, .. }) => out.extend_from_slice(DROPPED),
                Some(Part::Payload { .. }) => {}
                Some(Part::Command(command)) => self.on_command(command, out),
                None => return,
            }
        }
    }

    fn on_command(&mut self, command: Command, out: &mut Vec<u8>) {
        let reply = match (command, self.start_tls) {
            (Command::Mail, _) => replies::MAIL,
            (Command::Recipient, _) => replies::RECIPIENT,
            (Command::Data, _) => replies::DATA,
            // The reply follows the payload.
            (Command::Chunk, _) => return,
            (Command::Hello, StartTls::Offered) => HELLO_WITH_STARTTLS,
            (Command::Hello, StartTls::Absent) => HELLO,
            (Command::StartTls, StartTls::Offered) => {
                self.wish = Wish::Tls;
                READY_FOR_TLS
            }
            (Command::StartTls, StartTls::Absent) | (Command::Quit, _) => {
                self.wish = Wish::Quit;
                replies::QUIT
            }
        };
        out.extend_from_slice(reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sinkd_bench::canned::END_OF_DATA;

    fn replies_to(start_tls: StartTls, input: &[u8]) -> (String, Wish) {
        let (mut session, mut out) = (Session::new(start_tls), Vec::new());
        session.feed(input, &mut out, &Finder::new(END_OF_DATA));
        (String::from_utf8_lossy(&out).into_owned(), session.wish())
    }

    #[test]
    fn input_after_starttls_is_ignored() {
        let input = b"EHLO a\r\nSTARTTLS\r\nMAIL\r\n";
        let (replies, wish) = replies_to(StartTls::Offered, input);
        assert!(replies.contains("250-STARTTLS") && replies.ends_with("220 2.0.0 Ready\r\n"));
        assert_eq!(wish, Wish::Tls);
        let (replies, wish) = replies_to(StartTls::Absent, input);
        assert!(!replies.contains("STARTTLS") && replies.ends_with("221 2.0.0 Bye\r\n"));
        assert_eq!(wish, Wish::Quit);
    }

    #[test]
    fn a_chunk_is_answered_when_it_is_complete() {
        let (replies, _) = replies_to(StartTls::Absent, b"BDAT 5 LAST\r\nabc");
        assert_eq!(replies, "");
        let (replies, _) = replies_to(StartTls::Absent, b"BDAT 5 LAST\r\nabcdeMAIL\r\n");
        assert_eq!(replies, "250 2.0.0 Ok: dropped\r\n250 2.1.0 Ok\r\n");
    }
}
