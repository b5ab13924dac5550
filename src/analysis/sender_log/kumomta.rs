//! KumoMTA: one JSON object per event. This parser is based on its documentation (*Log Record*).
//!
//! `{"type":"Delivery","recipient":"a@b.example","response":{"code":250,"enhanced_code":{…},
//! "content":"Ok 17:3 sink-a","command":"."},"timestamp":1795860001,…}`
//!
//! In versions since 2025, a message may have several recipients, and `recipient` is a list.
use std::borrow::Cow;

use serde::Deserialize;

use super::address;
use super::answer::{self, Code};
use super::claim::{LoggedClaim, Reading, Recipients};
use super::reason::Reason;
use super::stamp;

/// The fields of a record that are used; others are ignored.
#[derive(Deserialize)]
struct KumoRecord<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    recipient: OneOrMore,
    response: Response,
    /// Unix time in seconds.
    timestamp: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
struct Response {
    code: u16,
    /// The reply without its codes.
    content: String,
}

/// Reads a line of KumoMTA's log. A line that does not begin with `{`, or is another kind of
/// object, is foreign.
pub(super) fn read(line: &[u8]) -> Reading<'_> {
    if line.first() != Some(&b'{') {
        return Reading::Foreign;
    }
    let record: KumoRecord<'_> = match serde_json::from_slice(line) {
        Ok(record) => record,
        // Another kind of object.
        Err(error) if error.is_data() => return Reading::Foreign,
        Err(error) => return Reading::Bad(Reason::Json(error)),
    };
    if record.kind != "Delivery" || record.response.code != 250 {
        return Reading::Nothing;
    }
    let answer = match answer::find(record.response.content.as_bytes(), Code::Stripped) {
        Ok(None) => return Reading::Nothing,
        Err(reason) => return Reading::Bad(reason),
        Ok(Some(answer)) => answer,
    };
    match recipients(record.recipient) {
        Err(reason) => Reading::Bad(reason),
        Ok(recipients) => Reading::Claim(LoggedClaim {
            id: answer.id,
            sink: answer.sink.map(|sink| Cow::Owned(sink.to_owned())),
            recipients,
            at_ns: record.timestamp.and_then(stamp::of_seconds),
            is_at_end: false,
        }),
    }
}

fn recipients<'a>(recipients: OneOrMore) -> Result<Recipients<'a>, Reason> {
    let checked = |text: String| {
        address::checked(text.as_bytes())?;
        Ok(Cow::Owned(text.into_bytes()))
    };
    match recipients {
        OneOrMore::One(one) => checked(one).map(Recipients::One),
        OneOrMore::More(more) if more.is_empty() => Ok(Recipients::Unnamed),
        OneOrMore::More(more) => {
            more.into_iter().map(checked).collect::<Result<_, _>>().map(Recipients::Several)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sender_log::testkit::{
        check_bad, check_claim, check_foreign, check_nothing, recipients,
    };
    use crate::time::UnixNs;

    fn record(kind: &str, recipient: &str, content: &str) -> String {
        format!(
            "{{\"type\":\"{kind}\",\"id\":\"1d98076abbbc11ed940250ebf67f93bd\",\"sender\":\
             \"s@x.example\",\"recipient\":{recipient},\"queue\":\"b.example\",\"size\":1047,\
             \"response\":{{\"code\":250,\"enhanced_code\":{{\"class\":2,\"subject\":0,\"detail\":\
             0}},\"content\":\"{content}\",\"command\":\".\"}},\"peer_address\":null,\
             \"timestamp\":1795860001,\"created\":1795860000,\"meta\":{{}}}}"
        )
    }

    #[test]
    fn a_delivery_claims_its_recipients() {
        let at_ns = Some(UnixNs::of_second(1_795_860_001));
        let line = record("Delivery", "\"a@b.example\"", "Ok 17:3 sink-a");
        check_claim(read, &line, ("17:3", Some("sink-a"), Some("a@b.example"), at_ns));
        let line = record("Delivery", r#""\"a b\"@b.example""#, "Ok 17:3");
        check_claim(read, &line, ("17:3", None, Some("\"a b\"@b.example"), at_ns));
        let line = record("Delivery", r#"["a@b","c@d"]"#, "Ok 17:3");
        assert_eq!(recipients(read, &line), ["a@b", "c@d"]);
        let line = record("Delivery", "[]", "Ok 17:3");
        check_claim(read, &line, ("17:3", None, None, at_ns));
    }

    #[test]
    fn other_events_claim_nothing() {
        for kind in ["Reception", "TransientFailure", "Bounce", "Expiration"] {
            check_nothing(read, &record(kind, "\"a@b\"", "Ok 17:3"));
        }
        check_nothing(read, &record("Delivery", "\"a@b\"", "queued as Ok 17:3"));
        check_foreign(read, "{\"level\":\"info\",\"response\":\"250 2.0.0 Ok 17:3\"}");
        check_foreign(read, "x {");
    }

    #[test]
    fn what_cannot_be_used_has_its_reason() {
        let line = record("Delivery", "\"a@b\"", "Ok 17:3");
        check_bad(read, &line[..line.len() - 9], "not a JSON object");
        check_bad(read, &format!("{line}x"), "not a JSON object");
        check_bad(read, &record("Delivery", "\"a b@c\"", "Ok 17:3"), "is not an address");
        check_bad(read, &record("Delivery", "[\"a@b\",\"\"]", "Ok 17:3"), "is not an address");
    }
}
