//! The table of histograms, with units and maximum values.
use hdrhistogram::Histogram;

use super::metric_unit::MetricUnit;
use super::table::table;

/// Significant digits of every histogram: values are accurate within 1%.
pub const DIGITS: u8 = 2;
const DAY_US: u64 = 24 * 3600 * 1_000_000;

/// Defines the histograms, in groups. The first group is the one that sinks record.
macro_rules! metrics {
    ($(
        $(#[$doc:meta])+
        $group:ident { $($variant:ident = $tag:literal, $max:expr, $help:literal;)* }
    )*) => {
        table! {
            /// The recorded histograms. Values are whole numbers in the unit that ends the tag,
            /// accurate within 1%.
            Metric:
            $($($variant = $tag, $help;)*)*
        }

        impl Metric {
            $($(#[$doc])+ pub const $group: &[Metric] = &[$(Metric::$variant),*];)*

            /// The maximum values, in the order of the table.
            pub(in crate::stats) const MAX: &[u64] = &[$($($max),*),*];
        }
    };
}

metrics! {
    /// The metrics that a sink records; senders record a few of these, too.
    SINK {
        Transaction = "transaction_us", DAY_US,
            "From MAIL to the final reply, for accepted messages. In a sender: from when it was \
             due.";
        ServiceCommand = "service_command_us", DAY_US,
            "The sink's time for a command: from waking to the end of the loop round that \
             answered it.";
        ServiceMessage = "service_message_us", DAY_US,
            "The sink's time for the end of data: commit and final reply.";
        ThinkEhlo = "think_ehlo_us", DAY_US, "The sender's time from the greeting to EHLO.";
        ThinkMail = "think_mail_us", DAY_US, "The sender's time from the reply to EHLO to MAIL.";
        ThinkRcpt = "think_rcpt_us", DAY_US, "The sender's time from a reply to its next RCPT.";
        ThinkData = "think_data_us", DAY_US, "The sender's time from a reply to its DATA or BDAT.";
        ThinkPayload = "think_payload_us", DAY_US,
            "The sender's time from 354 to the first byte.";
        ThinkNext = "think_next_us", DAY_US,
            "The sender's time from a final reply to its next MAIL.";
        ThinkClose = "think_close_us", DAY_US,
            "The sender's time from the last reply to its QUIT or close.";
        Transfer = "transfer_us", DAY_US,
            "From a payload's first byte to its last, without waits for the sink and between \
             chunks.";
        TransferRate = "transfer_bytes_per_s", 1 << 40,
            "Rate of payloads that took more than one round.";
        MessageSize = "message_bytes", 1 << 32, "Size of accepted messages (RFC 1870).";
        Recipients = "recipients_per_message", 1 << 20, "Forward-paths of accepted messages.";
        SessionMessages = "messages_per_session", 1 << 32, "Accepted messages per session that \
            ended.";
        Session = "session_us", 7 * DAY_US, "From accepting a connection to its end.";
        Pause = "pause_us", DAY_US,
            "A client's pause of 20 ms or more between bytes while it waited for no reply.";
        CommandsPerRead = "commands_per_read", 1 << 20,
            "Depth of pipelining: commands per read.";
        Rtt = "rtt_us", DAY_US,
            "TCP's smoothed round-trip time, sampled during a session and at its end.";
        RttMin = "rtt_min_us", DAY_US,
            "The minimum round-trip time of a connection: the network without the sender.";
        Round = "round_us", DAY_US, "A loop round's work; its maximum is the longest stall.";
        CommitWait = "commit_wait_us", DAY_US,
            "A message's wait for its flush (durability message), or for a file of its own.";
        Handshake = "handshake_us", DAY_US,
            "A TLS handshake, from STARTTLS or the connection to its last message.";
    }

    /// The metrics that only senders record.
    SENDER {
        Connect = "connect_us", DAY_US, "In a sender: from requesting a connection to having it.";
        ReplyGreeting = "reply_greeting_us", DAY_US,
            "In a sender: from the connection to the greeting.";
        ReplyHello = "reply_hello_us", DAY_US, "In a sender: from EHLO, HELO or LHLO to the reply.";
        ReplyAuth = "reply_auth_us", DAY_US,
            "In a sender: from AUTH, or the response to a challenge, to the reply.";
        ReplyMail = "reply_mail_us", DAY_US, "In a sender: from MAIL to the reply.";
        ReplyRcpt = "reply_rcpt_us", DAY_US, "In a sender: from RCPT to the reply.";
        ReplyData = "reply_data_us", DAY_US, "In a sender: from DATA to the reply.";
        ReplyPayload = "reply_payload_us", DAY_US,
            "In a sender: from the end of data, or of BDAT LAST, to the (first) final reply.";
        Sent = "sent_us", DAY_US,
            "In a sender: like transaction_us, but from when the message was begun.";
        Late = "late_us", DAY_US, "In a sender: how long after its due time a message was begun.";
    }
}

impl Metric {
    /// The sender's own times, in the order of a session.
    pub const THINK: [Metric; 7] = [
        Metric::ThinkEhlo,
        Metric::ThinkMail,
        Metric::ThinkRcpt,
        Metric::ThinkData,
        Metric::ThinkPayload,
        Metric::ThinkNext,
        Metric::ThinkClose,
    ];

    /// What a sender waits for, in the order of a session.
    pub const REPLY: [Metric; 9] = [
        Metric::Connect,
        Metric::Handshake,
        Metric::ReplyGreeting,
        Metric::ReplyHello,
        Metric::ReplyAuth,
        Metric::ReplyMail,
        Metric::ReplyRcpt,
        Metric::ReplyData,
        Metric::ReplyPayload,
    ];

    /// Returns the maximum; larger values are recorded as this one.
    #[inline]
    pub const fn max(self) -> u64 {
        Metric::MAX[self as usize]
    }

    /// Returns an empty histogram for the metric. Costs about 30 KiB.
    pub fn histogram(self) -> Histogram<u64> {
        Histogram::new_with_max(self.max(), DIGITS).expect("the bounds of the table are valid")
    }

    /// Returns the unit of its values.
    pub fn unit(self) -> MetricUnit {
        MetricUnit::split(self.tag()).1
    }

    /// Returns the tag; if the values are times, without their unit. Both name the metric on the
    /// command line.
    pub fn short_name(self) -> &'static str {
        match MetricUnit::split(self.tag()) {
            (name, MetricUnit::Microseconds) => name,
            _ => self.tag(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_tag_of_its_own_and_a_bound_that_holds() {
        for metric in Metric::ALL {
            assert_eq!(Metric::from_tag(metric.tag()), Some(*metric));
            let mut histogram = metric.histogram();
            histogram.record(Metric::max(*metric)).unwrap();
            histogram.record(0).unwrap();
            assert!(metric.help().ends_with('.'));
        }
    }
}
