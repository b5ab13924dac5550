//! The table of counters.
use super::table::table;

table! {
    /// The recorded counters: numbers that are summed up in each second.
    Counter:
    Messages = "messages", 0, "Accepted messages.";
    MessageRecipients = "recipients", 0, "Forward-paths of accepted messages.";
    MessageBytes = "bytes", 0, "Bytes of accepted messages.";
    Refused = "refused", 0,
        "Messages refused at the end of data; in a sender, refused for all recipients.";
    Connections = "connections", 0, "Connections accepted.";
    Closed = "closed", 0, "Connections that ended.";
    ClosedMessages = "closed_messages", 0, "Messages accepted on connections that ended.";
    TurnedAway = "turned_away", 0,
        "Connections greeted with 421: too many, too many of one client, or stopping.";
    Dismissed = "dismissed", 0,
        "Open connections ended with 421: a timeout, stopping, or out of buffers.";
    Denied = "denied", 0,
        "Connections of clients that their listener does not serve (settings allow, deny).";
    Proxied = "proxied", 0, "Connections whose client a PROXY header named.";
    HealthChecks = "health_checks", 0,
        "Connections that a proxy made for itself; not sessions unless they carry mail.";
    ProxyRefused = "proxy_refused", 0,
        "Connections closed without a reply: PROXY header missing, invalid or not trusted.";
    ProxyUnexpected = "proxy_unexpected", 0,
        "PROXY headers that arrived at a listener that expects none, answered with 421.";
    Xclient = "xclient", 0, "Accepted XCLIENT commands.";
    XclientRefused = "xclient_refused", 0,
        "XCLIENT commands refused: not allowed (550), malformed (501), or in a transaction (503).";
    Commands = "commands", 0, "Commands.";
    Rounds = "rounds", 0, "Loop rounds.";
    BusyUs = "busy_us", 0, "Time in loop rounds, of all workers together.";
    Exchanges = "exchanges", 0, "Round trips: how often a client answered a reply of the sink.";
    ActiveUs = "active_us", 0,
        "Time in which a client waited for the sink or the sink for a client, counted once.";
    SinkUs = "sink_us", 0, "Time clients waited for the sink, of all connections together.";
    ThinkUs = "think_us", 0,
        "Time the sink waited for clients (round trip included), of all connections together.";
    UnreadUs = "unread_us", 0, "Part of think_us while the client did not read the sink's replies.";
    BetweenUs = "between_us", 0, "Part of think_us between transactions, up to 0.1 s each.";
    TransferUs = "transferring_us", 0,
        "Time in which payloads were in transit, of all connections together.";
    LocalTransferUs = "transferring_local_us", 0,
        "Part of transferring_us from clients on this machine.";
    LostSessions = "lost_sessions", 0,
        "How often a connection was not recorded individually: too many were active in a second.";
    StarvedUs = "starved_us", 0,
        "Part of think_us and transferring_us in which the sink's loops waited for a processor.";
    Retransmits = "retransmits", 0,
        "TCP segments that the sink retransmitted, in sessions that ended.";
    SegmentsIn = "segments_in", 0, "TCP segments with data received, in sessions that ended.";
    OutOfOrder = "out_of_order", 0,
        "Part of segments_in that arrived out of order: an earlier one was lost or delayed.";
    AcceptOverflows = "accept_overflows", 0,
        "Connections that found an accept queue full (all listeners of the network namespace).";
    Flushes = "flushes", 0, "Flushes requested (durability message).";
    StorageWaits = "storage_waits", 0, "How often a transfer had to wait for room in the log.";
    StorageUs = "storage_wait_us", 0,
        "Part of sink_us in which payload waited for room in the log.";
    CommitUs = "committing_us", 0, "Part of sink_us in which messages waited for their commit.";
    SlowedUs = "slowed_us", 0,
        "Part of sink_us in which the sink's loops were at work and waited for a processor.";
    LongRounds = "long_rounds", 0,
        "Loop rounds longer than 1 s, in which all clients of a worker waited.";
    Saturated = "saturated", 0,
        "Values above the maximum of their histogram, recorded as the maximum.";
    TlsHandshakes = "tls_handshakes", 0, "Completed TLS handshakes.";
    TlsResumed = "tls_resumed", 0, "Completed handshakes that resumed an earlier session.";
    Tls12 = "tls_1_2", 0, "Completed handshakes of TLS 1.2.";
    Tls13 = "tls_1_3", 0, "Completed handshakes of TLS 1.3.";
    TlsDiscarded = "tls_discarded", 0,
        "How often a client sent data between STARTTLS and its handshake, which was discarded.";
    TlsFailedUnknownCa = "tls_failed_unknown_ca", 0,
        "The client sent unknown_ca: it does not trust the CA that signed sinkd's certificate.";
    TlsFailedBadCertificate = "tls_failed_bad_certificate", 0,
        "The client sent bad_certificate: sinkd's certificate is invalid.";
    TlsFailedUnsupportedCertificate = "tls_failed_unsupported_certificate", 0,
        "The client sent unsupported_certificate: sinkd's certificate has an unsupported type.";
    TlsFailedCertificateExpired = "tls_failed_certificate_expired", 0,
        "The client sent certificate_expired: sinkd's certificate is not valid today.";
    TlsFailedCertificateUnknown = "tls_failed_certificate_unknown", 0,
        "The client sent certificate_unknown: it does not accept sinkd's certificate.";
    TlsFailedHandshakeFailure = "tls_failed_handshake_failure", 0,
        "The client sent handshake_failure: there is no common cipher, group or signature scheme.";
    TlsFailedProtocolVersion = "tls_failed_protocol_version", 0,
        "The client sent protocol_version: it does not support the version of TLS.";
    TlsFailedCertificateRequired = "tls_failed_certificate_required", 0,
        "The client sent certificate_required: it requires a client certificate.";
    TlsFailedAccessDenied = "tls_failed_access_denied", 0,
        "The client sent access_denied: it does not accept sinkd's certificate.";
    TlsFailedDecryptError = "tls_failed_decrypt_error", 0,
        "The client sent decrypt_error: it could not verify a signature.";
    TlsFailedUnrecognizedName = "tls_failed_unrecognized_name", 0,
        "The client sent unrecognized_name: it has no certificate for the requested name.";
    TlsFailedInternalError = "tls_failed_internal_error", 0,
        "The client sent internal_error.";
    TlsFailedUserCanceled = "tls_failed_user_canceled", 0,
        "The client sent user_canceled.";
    TlsFailedOtherAlert = "tls_failed_other_alert", 0,
        "The client sent an alert of another kind.";
    TlsFailedNotTls = "tls_failed_not_tls", 0,
        "The received data is not TLS.";
    TlsFailedTlsOnPlainPort = "tls_failed_tls_on_plain_port", 0,
        "The client speaks TLS on a port that begins in plain text.";
    TlsFailedNoCommonVersion = "tls_failed_no_common_version", 0,
        "The client supports no version of TLS that sinkd supports.";
    TlsFailedNoCommonCipher = "tls_failed_no_common_cipher", 0,
        "The client supports no cipher, group or signature scheme that sinkd supports.";
    TlsFailedNoPeerCertificate = "tls_failed_no_peer_certificate", 0,
        "The client sent no certificate, although one is required.";
    TlsFailedPeerUnknownCa = "tls_failed_peer_unknown_ca", 0,
        "The client's certificate is not signed by a trusted CA.";
    TlsFailedPeerWrongName = "tls_failed_peer_wrong_name", 0,
        "The client's certificate is for another name.";
    TlsFailedPeerExpired = "tls_failed_peer_expired", 0,
        "The client's certificate has expired, or is not valid yet.";
    TlsFailedPeerBadCertificate = "tls_failed_peer_bad_certificate", 0,
        "The client's certificate is invalid for another reason.";
    TlsFailedMalformed = "tls_failed_malformed", 0,
        "A message is malformed.";
    TlsFailedUnexpected = "tls_failed_unexpected_message", 0,
        "A message is well-formed, but not allowed at this point.";
    TlsFailedBadRecord = "tls_failed_bad_record", 0,
        "A record was altered, or encrypted with another key.";
    TlsFailedTooLong = "tls_failed_record_overflow", 0,
        "A record exceeds the maximum length.";
    TlsFailedTimedOut = "tls_failed_timed_out", 0,
        "The handshake took too long.";
    TlsFailedCutOff = "tls_failed_cut_off", 0,
        "The client closed the connection during the handshake.";
    TlsFailedKeysUsedUp = "tls_failed_keys_used_up", 0,
        "A TLS 1.2 connection reached the maximum amount of data for its keys.";
    TlsFailedOther = "tls_failed_other", 0,
        "Another error in sinkd.";
    ToleratedUnderscore = "tolerated_underscore", 0,
        "Commands accepted with a domain with an underscore.";
    ToleratedTrailingDot = "tolerated_trailing_dot", 0,
        "Commands accepted with a domain with a dot at its end.";
    ToleratedHelloName = "tolerated_hello_name", 0,
        "Commands accepted with a name in EHLO, HELO or LHLO that is not one printable ASCII word.";
    ToleratedBlanks = "tolerated_blanks", 0,
        "Commands accepted with tabs, or spaces in a row.";
    ToleratedAuthParameter = "tolerated_auth_parameter", 0,
        "Commands accepted with AUTH= in MAIL.";
    ToleratedNonAscii = "tolerated_non_ascii", 0,
        "Commands accepted with a non-ASCII address without SMTPUTF8.";
    ToleratedNoBrackets = "tolerated_no_brackets", 0,
        "Commands accepted with a path without angle brackets.";
    ToleratedNoDomain = "tolerated_no_domain", 0,
        "Commands accepted with a mailbox without a domain.";
    ToleratedDots = "tolerated_dots", 0,
        "Commands accepted with a local-part with dots in a row or at an end.";
}

impl Counter {
    /// Commands that were accepted although they broke a rule, one counter per kind of deviation.
    pub const TOLERATED: &[Counter] =
        Counter::ALL.split_at(Counter::ToleratedUnderscore as usize).1;

    /// TLS failures, one counter per kind.
    pub const TLS_FAILED: &[Counter] = Counter::ALL
        .split_at(Counter::ToleratedUnderscore as usize)
        .0
        .split_at(Counter::TlsFailedUnknownCa as usize)
        .1;

    /// Returns the kind of a TLS failure (`unknown_ca`); `None` for other counters.
    pub fn tls_failure(self) -> Option<&'static str> {
        self.tag().strip_prefix("tls_failed_")
    }

    /// Returns the kind of deviation (`no-brackets`); `None` for other counters.
    pub fn deviation(self) -> Option<String> {
        Some(self.tag().strip_prefix("tolerated_")?.replace('_', "-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_tag_of_its_own() {
        for counter in Counter::ALL {
            assert_eq!(Counter::from_tag(counter.tag()), Some(*counter));
            assert_eq!(Counter::TOLERATED.contains(counter), counter.deviation().is_some());
        }
    }
}
