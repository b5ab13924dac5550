//! Checks that hold for any text parsed as a query, for fuzzing and tests.
use crate::index::query::{Query, Scratch};
use crate::index::{Columns, TextColumn};
use crate::log::{Run, Runs};
use crate::mime::sent_time::SentTime;
use crate::smtp::deviation::{Deviation, Deviations};
use crate::smtp::tls::TlsVersion;
use crate::time::UnixNs;

/// The message that queries are matched against; it agrees with [`columns`].
pub const MAIL: &[u8] = b"From: Ann <ann@example.org>\r\nTo: bob@mail.example.com\r\n\
    Subject: Your order 4711\r\nMessage-ID: <1@example.org>\r\nX-Campaign: spring sale\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nDear Bob, thank you!\r\n\
    --b\r\nContent-Disposition: attachment; filename=invoice.pdf\r\n\r\nx\r\n--b--\r\n";

/// Returns the message's columns.
pub fn columns() -> Columns<'static> {
    Columns {
        received_at_ns: UnixNs::of_second(1_795_248_000),
        message_bytes: MAIL.len() as u64,
        reverse_path: "bounce@example.org",
        forward_paths: TextColumn("bob@mail.example.com"),
        from: TextColumn("ann@example.org"),
        to: TextColumn("bob@mail.example.com"),
        cc: TextColumn(""),
        subject: "Your order 4711",
        message_id: "1@example.org",
        has_attachment: true,
        file_names: TextColumn("invoice.pdf"),
        listener: "mx-a",
        auth_user: "ann",
        tls: Some(TlsVersion::V1_3),
        deviations: Deviations::only(Deviation::NoBrackets),
        sent: SentTime::Absent,
    }
}

/// Returns the runs that queries can name: `nightly`, which has ended, and `now`, which has not.
pub fn runs() -> Runs {
    let run = |name: &str, from_s: u64, until_s: Option<u64>| Run {
        name: name.to_owned(),
        from_ns: UnixNs::of_second(from_s),
        until_ns: until_s.map(UnixNs::of_second),
    };
    let runs =
        vec![run("nightly", 1_795_240_000, Some(1_795_250_000)), run("now", 1_795_260_000, None)];
    Runs { runs, marks: Vec::new() }
}

/// Parses `octets` as a query. Panics unless its displayed form parses to the same query, columns
/// never contradict the message, and no match is outside of its span.
pub fn check_query(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let now_ns = columns().received_at_ns;
    let query = match Query::parse(text, now_ns, &runs()) {
        Ok(query) => query,
        Err(error) => {
            assert!(error.at.start <= error.at.end && error.at.end <= text.len(), "{error:?}");
            error.pointed_out(text);
            return;
        }
    };
    let shown = query.to_string();
    match Query::parse(&shown, now_ns, &runs()) {
        Ok(again) => assert_eq!(again, query, "{shown}"),
        // Quotes and absolute moments can make the text longer than the limit.
        Err(error) => assert!(shown.len() > super::BYTES_MAX, "{error}: {shown}"),
    }
    let mut scratch = Scratch::default();
    let matches_columns = query.matches_columns(&columns(), &mut scratch);
    let matches_message = query.matches_message(&columns(), MAIL, &mut scratch);
    assert!(matches_columns.is_none_or(|is_true| is_true == matches_message), "{shown}");
    assert!(matches_columns.is_some() || query.needs_message(), "{shown}");
    let span = query.span();
    assert!(span.contains(now_ns) || !matches_message, "{shown}: {span:?}");
}
