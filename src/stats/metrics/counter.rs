//! The table of counters.
use super::table::table;
use crate::smtp::deviation::Deviation;
use crate::tls::Failure;

/// Defines the counters: first single ones, then groups with a counter for each variant of an enum.
/// The row of a group names the variant that it counts, and a variant without a row does not
/// compile.
macro_rules! counters {
    (
        single { $($single:ident = $single_tag:literal, $single_help:literal;)* }
        $(
            $(#[$doc:meta])+
            $group:ident by $kinds:ident {
                $($kind:ident: $variant:ident = $tag:literal, $help:literal;)*
            }
        )*
    ) => {
        table! {
            /// The recorded counters: numbers that are summed up in each second.
            Counter:
            $($single = $single_tag, $single_help;)*
            $($($variant = $tag, $help;)*)*
        }

        impl Counter {
            $(
                $(#[$doc])+
                pub const $group: &[($kinds, Counter)] =
                    &[$(($kinds::$kind, Counter::$variant)),*];
            )*
        }

        $(
            impl From<$kinds> for Counter {
                #[inline]
                fn from(kind: $kinds) -> Counter {
                    match kind { $($kinds::$kind => Counter::$variant),* }
                }
            }
        )*
    };
}

counters! {
    single {
        Messages = "messages", "Accepted messages.";
        MessageRecipients = "recipients", "Forward-paths of accepted messages.";
        MessageBytes = "bytes", "Bytes of accepted messages.";
        Refused = "refused",
            "Messages refused at the end of data; in a sender, refused for all recipients.";
        Connections = "connections", "Connections accepted.";
        Closed = "closed", "Connections that ended.";
        ClosedMessages = "closed_messages", "Messages accepted on connections that ended.";
        TurnedAway = "turned_away",
            "Connections greeted with 421: too many, too many of one client, or stopping.";
        Dismissed = "dismissed",
            "Open connections ended with 421: a timeout, stopping, or out of buffers.";
        Denied = "denied",
            "Connections of clients that their listener does not serve (settings allow, deny).";
        Proxied = "proxied", "Connections whose client a PROXY header named.";
        HealthChecks = "health_checks",
            "Connections that a proxy made for itself; not sessions unless they carry mail.";
        ProxyRefused = "proxy_refused",
            "Connections closed without a reply: PROXY header missing, invalid or not trusted.";
        ProxyUnexpected = "proxy_unexpected",
            "PROXY headers that arrived at a listener that expects none, answered with 421.";
        Xclient = "xclient", "Accepted XCLIENT commands.";
        XclientRefused = "xclient_refused",
            "XCLIENT commands refused: not allowed (550), malformed (501), or in a transaction \
             (503).";
        Commands = "commands", "Commands.";
        Rounds = "rounds", "Loop rounds.";
        BusyUs = "busy_us", "Time in loop rounds, of all workers together.";
        Exchanges = "exchanges", "Round trips: how often a client answered a reply of the sink.";
        ActiveUs = "active_us",
            "Time in which a client waited for the sink or the sink for a client, counted once.";
        SinkUs = "sink_us", "Time clients waited for the sink, of all connections together.";
        ThinkUs = "think_us",
            "Time the sink waited for clients (round trip included), of all connections together.";
        UnreadUs = "unread_us", "Part of think_us while the client did not read the sink's \
            replies.";
        BetweenUs = "between_us", "Part of think_us between transactions, up to 0.1 s each.";
        TransferUs = "transferring_us",
            "Time in which payloads were in transit, of all connections together.";
        LocalTransferUs = "transferring_local_us",
            "Part of transferring_us from clients on this machine.";
        LostSessions = "lost_sessions",
            "How often a connection was not recorded individually: too many were active in a \
             second.";
        StarvedUs = "starved_us",
            "Part of think_us and transferring_us in which the sink's loops waited for a \
             processor.";
        Retransmits = "retransmits",
            "TCP segments that the sink retransmitted, in sessions that ended.";
        SegmentsIn = "segments_in", "TCP segments with data received, in sessions that ended.";
        OutOfOrder = "out_of_order",
            "Part of segments_in that arrived out of order: an earlier one was lost or delayed.";
        AcceptOverflows = "accept_overflows",
            "Connections that found an accept queue full (all listeners of the network namespace).";
        Flushes = "flushes", "Flushes requested (durability message).";
        StorageWaits = "storage_waits", "How often a transfer had to wait for room in the log.";
        StorageUs = "storage_wait_us",
            "Part of sink_us in which payload waited for room in the log.";
        CommitUs = "committing_us", "Part of sink_us in which messages waited for their commit.";
        SlowedUs = "slowed_us",
            "Part of sink_us in which the sink's loops had work to do but waited for a processor.";
        LongRounds = "long_rounds",
            "Loop rounds longer than 1 s, in which all clients of a worker waited.";
        Saturated = "saturated",
            "Values above the maximum of their histogram, recorded as the maximum.";
        TlsHandshakes = "tls_handshakes", "Completed TLS handshakes.";
        TlsResumed = "tls_resumed", "Completed handshakes that resumed an earlier session.";
        Tls12 = "tls_1_2", "Completed handshakes of TLS 1.2.";
        Tls13 = "tls_1_3", "Completed handshakes of TLS 1.3.";
        TlsDiscarded = "tls_discarded",
            "How often a client sent data between STARTTLS and its handshake, which was discarded.";
    }

    /// TLS failures, each kind with its counter.
    TLS_FAILED by Failure {
        UnknownCa: TlsFailedUnknownCa = "tls_failed_unknown_ca",
            "The client sent unknown_ca: it does not trust the CA that signed sinkd's certificate.";
        BadCertificate: TlsFailedBadCertificate = "tls_failed_bad_certificate",
            "The client sent bad_certificate: sinkd's certificate is invalid.";
        UnsupportedCertificate: TlsFailedUnsupportedCertificate =
            "tls_failed_unsupported_certificate",
            "The client sent unsupported_certificate: sinkd's certificate has an unsupported type.";
        CertificateExpired: TlsFailedCertificateExpired = "tls_failed_certificate_expired",
            "The client sent certificate_expired: sinkd's certificate is not valid today.";
        CertificateUnknown: TlsFailedCertificateUnknown = "tls_failed_certificate_unknown",
            "The client sent certificate_unknown: it does not accept sinkd's certificate.";
        HandshakeFailure: TlsFailedHandshakeFailure = "tls_failed_handshake_failure",
            "The client sent handshake_failure: there is no common cipher, group or signature \
             scheme.";
        ProtocolVersion: TlsFailedProtocolVersion = "tls_failed_protocol_version",
            "The client sent protocol_version: it does not support the version of TLS.";
        CertificateRequired: TlsFailedCertificateRequired = "tls_failed_certificate_required",
            "The client sent certificate_required: it requires a client certificate.";
        AccessDenied: TlsFailedAccessDenied = "tls_failed_access_denied",
            "The client sent access_denied: it does not accept sinkd's certificate.";
        DecryptError: TlsFailedDecryptError = "tls_failed_decrypt_error",
            "The client sent decrypt_error: it could not verify a signature.";
        UnrecognizedName: TlsFailedUnrecognizedName = "tls_failed_unrecognized_name",
            "The client sent unrecognized_name: it has no certificate for the requested name.";
        InternalError: TlsFailedInternalError = "tls_failed_internal_error",
            "The client sent internal_error.";
        UserCanceled: TlsFailedUserCanceled = "tls_failed_user_canceled",
            "The client sent user_canceled.";
        OtherAlert: TlsFailedOtherAlert = "tls_failed_other_alert",
            "The client sent an alert of another kind.";
        NotTls: TlsFailedNotTls = "tls_failed_not_tls",
            "The received data is not TLS.";
        TlsOnPlainPort: TlsFailedTlsOnPlainPort = "tls_failed_tls_on_plain_port",
            "The client speaks TLS on a port that begins in plain text.";
        NoCommonVersion: TlsFailedNoCommonVersion = "tls_failed_no_common_version",
            "The client supports no version of TLS that sinkd supports.";
        NoCommonCipher: TlsFailedNoCommonCipher = "tls_failed_no_common_cipher",
            "The client supports no cipher, group or signature scheme that sinkd supports.";
        NoPeerCertificate: TlsFailedNoPeerCertificate = "tls_failed_no_peer_certificate",
            "The client sent no certificate, although one is required.";
        PeerUnknownCa: TlsFailedPeerUnknownCa = "tls_failed_peer_unknown_ca",
            "The client's certificate is not signed by a trusted CA.";
        PeerWrongName: TlsFailedPeerWrongName = "tls_failed_peer_wrong_name",
            "The client's certificate is for another name.";
        PeerExpired: TlsFailedPeerExpired = "tls_failed_peer_expired",
            "The client's certificate has expired, or is not valid yet.";
        PeerBadCertificate: TlsFailedPeerBadCertificate = "tls_failed_peer_bad_certificate",
            "The client's certificate is invalid for another reason.";
        Malformed: TlsFailedMalformed = "tls_failed_malformed",
            "A message is malformed.";
        Unexpected: TlsFailedUnexpected = "tls_failed_unexpected_message",
            "A message is well-formed, but not allowed at this point.";
        BadRecord: TlsFailedBadRecord = "tls_failed_bad_record",
            "A record was altered, or encrypted with another key.";
        TooLong: TlsFailedTooLong = "tls_failed_record_overflow",
            "A record exceeds the maximum length.";
        TimedOut: TlsFailedTimedOut = "tls_failed_timed_out",
            "The handshake took too long.";
        CutOff: TlsFailedCutOff = "tls_failed_cut_off",
            "The client closed the connection during the handshake.";
        KeysUsedUp: TlsFailedKeysUsedUp = "tls_failed_keys_used_up",
            "A TLS 1.2 connection reached the maximum amount of data for its keys.";
        Other: TlsFailedOther = "tls_failed_other",
            "Another error in sinkd.";
    }

    /// Commands that were accepted although they broke a rule, each kind of deviation with its
    /// counter.
    TOLERATED by Deviation {
        Underscore: ToleratedUnderscore = "tolerated_underscore",
            "Commands accepted with a domain with an underscore.";
        TrailingDot: ToleratedTrailingDot = "tolerated_trailing_dot",
            "Commands accepted with a domain with a dot at its end.";
        HelloName: ToleratedHelloName = "tolerated_hello_name",
            "Commands accepted with a name in EHLO, HELO or LHLO that is not one printable ASCII \
             word.";
        Blanks: ToleratedBlanks = "tolerated_blanks",
            "Commands accepted with tabs, or spaces in a row.";
        AuthParameter: ToleratedAuthParameter = "tolerated_auth_parameter",
            "Commands accepted with AUTH= in MAIL.";
        NonAscii: ToleratedNonAscii = "tolerated_non_ascii",
            "Commands accepted with a non-ASCII address without SMTPUTF8.";
        NoBrackets: ToleratedNoBrackets = "tolerated_no_brackets",
            "Commands accepted with a path without angle brackets.";
        NoDomain: ToleratedNoDomain = "tolerated_no_domain",
            "Commands accepted with a mailbox without a domain.";
        Dots: ToleratedDots = "tolerated_dots",
            "Commands accepted with a local-part with dots in a row or at an end.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_tag_of_its_own() {
        for counter in Counter::ALL {
            assert_eq!(Counter::from_tag(counter.tag()), Some(*counter));
        }
    }

    #[test]
    fn the_tags_of_a_group_name_the_kinds_that_they_count() {
        for (kind, counter) in Counter::TLS_FAILED {
            assert_eq!(counter.tag(), format!("tls_failed_{}", kind.name()));
        }
        for (kind, counter) in Counter::TOLERATED {
            assert_eq!(counter.tag(), format!("tolerated_{}", kind.name().replace('-', "_")));
        }
    }
}
