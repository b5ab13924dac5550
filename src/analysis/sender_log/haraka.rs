//! Haraka: one line for each message that its outbound queue delivered, in the log formats
//! `default` and `logfmt` (`json` is read as free text).
//!
//! `2026-11-28T10:00:01.000Z [NOTICE] [UUID.1.1] [outbound] delivered file=… domain=b.example …
//! response="Ok 17:3 sink-a" delay=0.1 fails=0 rcpts=2/0/0`
//!
//! The response has no codes, and the line names no recipient.
use memchr::memmem;

use super::answer::{self, Code};
use super::claim::{Reading, Recipients};
use super::reason::Reason;
use super::stamp;

const DELIVERED: &[u8] = b" delivered file=";
const RESPONSE: &[u8] = b" response=\"";

/// Reads a line of Haraka's log. A line that is not about a delivery is foreign.
pub(super) fn read(line: &[u8]) -> Reading<'_> {
    let Some(at) = memmem::find(line, DELIVERED) else { return Reading::Foreign };
    let rest = &line[at + DELIVERED.len()..];
    let Some(at) = memmem::find(rest, RESPONSE) else { return Reading::Foreign };
    let response = &rest[at + RESPONSE.len()..];
    let Some(end) = memchr::memchr(b'"', response) else {
        return Reading::Bad(Reason::OpenReply("\""));
    };
    match answer::find(&response[..end], Code::Stripped) {
        Ok(None) => Reading::Nothing,
        Ok(Some(answer)) => Reading::claim(answer, Recipients::Unnamed, stamp::leading(line)),
        Err(reason) => Reading::Bad(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sender_log::testkit::{
        check_bad, check_claim, check_foreign, check_nothing,
    };
    use crate::time::UnixNs;

    const START: &str = "[NOTICE] [D33D6290-C923-4DAC-A4B4-D0E7B8FAF010.1.1] [outbound]  delivered \
        file=1606860914133_1606860914133_0_90_adwUhC_83_mx domain=b.example host=127.0.0.1 \
        ip=127.0.0.1 port=2525 mode=SMTP tls=N auth=N";

    #[test]
    fn a_delivered_line_claims_its_message() {
        let end = "delay=0.048 fails=0 rcpts=2/0/0";
        for (response, sink) in [
            ("Ok 17:3 sink-a", Some("sink-a")),
            ("Ok 17:3", None),
            // Haraka 2.7 and older kept the enhanced code.
            ("2.0.0 Ok 17:3 sink-a", Some("sink-a")),
            // LMTP: one reply per recipient, in one text.
            ("Ok 17:3 sink-a Ok 17:3 sink-a", Some("sink-a")),
            ("Ok 17:3 Ok 17:3", None),
        ] {
            let line = format!("{START} response=\"{response}\" {end}");
            check_claim(read, &line, ("17:3", sink, None, None));
        }
        let line = format!("2026-11-28T10:00:01.000Z {START} response=\"Ok 17:3\" {end}");
        check_claim(read, &line, ("17:3", None, None, Some(UnixNs::of_second(1_795_860_001))));
    }

    #[test]
    fn other_lines_claim_nothing() {
        check_nothing(read, &format!("{START} response=\"Queued as BA5AF7A207E, Ok 17:3\""));
        check_foreign(read, "[PROTOCOL] [D33D6290.1.1] [outbound] S: 250 2.0.0 Ok 17:3");
        check_bad(read, &format!("{START} response=\"Ok 17:3"), "the reply has no end");
    }
}
