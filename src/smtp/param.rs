//! ESMTP parameters of MAIL and RCPT (RFC 5321 4.1.2).
//!
//! MAIL: SIZE (RFC 1870), BODY (RFC 6152, 3030), SMTPUTF8 (RFC 6531), RET and ENVID (RFC 3461).
//! RCPT: NOTIFY and ORCPT (RFC 3461; RFC 6533 for the `utf-8` address type). Malformed and repeated
//! parameters are answered with 501, unknown ones with 555. `AUTH=` is left to [`super::lenient`].

/// Why parameters are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterError {
    /// Bad syntax, a value out of range, or a repeated parameter.
    Malformed,
    /// No announced extension defines this parameter for this verb.
    Unknown,
}

/// BODY= of MAIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// 7BIT.
    SevenBit,
    /// 8BITMIME (RFC 6152).
    EightBitMime,
    /// Permitted only with BDAT (RFC 3030 3).
    BinaryMime,
}

/// RET= of MAIL (RFC 3461 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ret {
    /// FULL: return the whole message.
    Full,
    /// HDRS: return only the header section.
    Headers,
}

/// Parameters of MAIL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MailParameters<'a> {
    /// The parameters as sent, without the space before them.
    pub text: &'a [u8],
    /// Message size as declared by the client; saturates at the largest number.
    pub size: Option<u64>,
    /// BODY (RFC 6152, RFC 3030).
    pub body: Option<Body>,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// RET (RFC 3461 section 4.3).
    pub ret: Option<Ret>,
    /// ENVID (RFC 3461 section 4.4), in xtext.
    pub envid: Option<&'a [u8]>,
}

/// Parameters of RCPT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RcptParameters<'a> {
    /// The parameters as sent, without the space before them.
    pub text: &'a [u8],
    /// `NEVER`, or a list of `SUCCESS`, `FAILURE` and `DELAY`.
    pub notify: Option<&'a [u8]>,
    /// Address type, `;`, and the address in xtext (or as RFC 6533 defines it).
    pub orcpt: Option<&'a [u8]>,
    /// Whether there are octets above 127, which require SMTPUTF8.
    pub utf8: bool,
}

/// Parses the rest of MAIL after the reverse-path: empty, or parameters with one space before each.
pub fn parse_mail(text: &[u8]) -> Result<MailParameters<'_>, ParameterError> {
    let mut found = MailParameters { text: strip_space(text)?, ..MailParameters::default() };
    for parameter in each(text) {
        add_mail_parameter(&mut found, parameter)?;
    }
    Ok(found)
}

/// Parses one parameter of MAIL.
pub(super) fn add_mail_parameter<'a>(
    found: &mut MailParameters<'a>,
    parameter: &'a [u8],
) -> Result<(), ParameterError> {
    let (keyword, value) = split(parameter)?;
    let is = |name: &[u8]| keyword.eq_ignore_ascii_case(name);
    if is(b"SIZE") {
        set(&mut found.size, value.and_then(parse_size))
    } else if is(b"BODY") {
        set(&mut found.body, value.and_then(parse_body))
    } else if is(b"SMTPUTF8") {
        if value.is_some() || found.smtputf8 {
            return Err(ParameterError::Malformed);
        }
        found.smtputf8 = true;
        Ok(())
    } else if is(b"RET") {
        set(&mut found.ret, value.and_then(parse_ret))
    } else if is(b"ENVID") {
        set(&mut found.envid, value.filter(|value| is_xtext(value)))
    } else {
        Err(ParameterError::Unknown)
    }
}

/// Parses the rest of RCPT after the forward-path: empty, or parameters with one space before each.
pub fn parse_rcpt(text: &[u8]) -> Result<RcptParameters<'_>, ParameterError> {
    let mut found = RcptParameters { text: strip_space(text)?, ..RcptParameters::default() };
    for parameter in each(text) {
        add_rcpt_parameter(&mut found, parameter)?;
    }
    found.utf8 = !found.text.is_ascii();
    Ok(found)
}

/// Parses one parameter of RCPT.
pub(super) fn add_rcpt_parameter<'a>(
    found: &mut RcptParameters<'a>,
    parameter: &'a [u8],
) -> Result<(), ParameterError> {
    let (keyword, value) = split(parameter)?;
    if keyword.eq_ignore_ascii_case(b"NOTIFY") {
        set(&mut found.notify, value.filter(|value| is_notify(value)))
    } else if keyword.eq_ignore_ascii_case(b"ORCPT") {
        set(&mut found.orcpt, value.filter(|value| is_orcpt(value)))
    } else {
        Err(ParameterError::Unknown)
    }
}

fn strip_space(text: &[u8]) -> Result<&[u8], ParameterError> {
    match text {
        [] => Ok(text),
        [b' ', rest @ ..] => Ok(rest),
        _ => Err(ParameterError::Malformed),
    }
}

fn each(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&octet| octet == b' ').skip(1)
}

/// Splits a parameter into keyword and value. `KEYWORD=` without a value is malformed.
fn split(parameter: &[u8]) -> Result<(&[u8], Option<&[u8]>), ParameterError> {
    let equals = memchr::memchr(b'=', parameter);
    let keyword = &parameter[..equals.unwrap_or(parameter.len())];
    let value = equals.map(|at| &parameter[at + 1..]);
    let is_keyword = keyword.first().is_some_and(u8::is_ascii_alphanumeric)
        && keyword.iter().all(|&octet| octet.is_ascii_alphanumeric() || octet == b'-');
    if !is_keyword || value.is_some_and(<[u8]>::is_empty) {
        return Err(ParameterError::Malformed);
    }
    Ok((keyword, value))
}

/// Sets `place` to a parsed value. Errors: the value is invalid, or the parameter is repeated.
fn set<T>(place: &mut Option<T>, value: Option<T>) -> Result<(), ParameterError> {
    if place.is_some() || value.is_none() {
        return Err(ParameterError::Malformed);
    }
    *place = value;
    Ok(())
}

/// Parses `1*20DIGIT` (RFC 1870 3).
fn parse_size(value: &[u8]) -> Option<u64> {
    if value.len() > 20 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |size: u64, digit: &u8| size.saturating_mul(10).saturating_add(u64::from(digit & 15));
    Some(value.iter().fold(0, add))
}

fn parse_body(value: &[u8]) -> Option<Body> {
    let is = |name: &[u8]| value.eq_ignore_ascii_case(name);
    if is(b"7BIT") {
        Some(Body::SevenBit)
    } else if is(b"8BITMIME") {
        Some(Body::EightBitMime)
    } else if is(b"BINARYMIME") {
        Some(Body::BinaryMime)
    } else {
        None
    }
}

fn parse_ret(value: &[u8]) -> Option<Ret> {
    if value.eq_ignore_ascii_case(b"FULL") {
        Some(Ret::Full)
    } else if value.eq_ignore_ascii_case(b"HDRS") {
        Some(Ret::Headers)
    } else {
        None
    }
}

/// Checks the value of NOTIFY (RFC 3461 4.1): NEVER can't be combined with other values.
fn is_notify(value: &[u8]) -> bool {
    let is_event = |event: &[u8]| {
        [&b"SUCCESS"[..], b"FAILURE", b"DELAY"].iter().any(|name| event.eq_ignore_ascii_case(name))
    };
    value.eq_ignore_ascii_case(b"NEVER") || value.split(|&octet| octet == b',').all(is_event)
}

/// Checks the value of ORCPT: `addr-type ";" xtext` (RFC 3461 4.2), or an address of type `utf-8`
/// (RFC 6533 3).
fn is_orcpt(value: &[u8]) -> bool {
    let Some(semicolon) = memchr::memchr(b';', value) else { return false };
    let (kind, address) = (&value[..semicolon], &value[semicolon + 1..]);
    let is_kind = !kind.is_empty()
        && kind.iter().all(|&octet| octet.is_ascii_alphanumeric() || octet == b'-');
    if kind.eq_ignore_ascii_case(b"utf-8") {
        return is_utf8_address(address);
    }
    is_kind && !address.is_empty() && is_xtext(address)
}

/// Checks an address of type `utf-8` (RFC 6533 3): graphic characters except `+` and `=`, with
/// `\x{...}` for characters that the reader may not support.
fn is_utf8_address(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('\\') {
        let Some((digits, next)) = after.strip_prefix("x{").and_then(|hex| hex.split_once('}'))
        else {
            return false;
        };
        if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return false;
        }
        rest = next;
    }
    !text.is_empty()
        && text
            .bytes()
            .all(|octet| matches!(octet, 33..=126 | 128..) && octet != b'+' && octet != b'=')
}

/// Returns whether `text` is xtext (RFC 3461 4): graphic octets except `+` and `=`, which are
/// encoded as `+` and two upper-case hex digits.
pub fn is_xtext(text: &[u8]) -> bool {
    let is_hex = |octet: Option<&u8>| matches!(octet, Some(b'0'..=b'9' | b'A'..=b'F'));
    let mut at = 0;
    while let Some(&octet) = text.get(at) {
        match octet {
            b'+' if is_hex(text.get(at + 1)) && is_hex(text.get(at + 2)) => at += 3,
            b'+' | b'=' => return false,
            33..=126 => at += 1,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use ParameterError::{Malformed, Unknown};

    #[test]
    fn mail_parameters_are_parsed() {
        let parse = |text| parse_mail(text).unwrap();
        assert_eq!(parse(b""), MailParameters::default());
        assert_eq!(parse(b" SIZE=0").size, Some(0));
        assert_eq!(parse(b" size=12345").size, Some(12345));
        assert_eq!(parse(b" SIZE=99999999999999999999").size, Some(u64::MAX)); // 20 digits
        assert_eq!(parse(b" BODY=7bit").body, Some(Body::SevenBit));
        assert_eq!(parse(b" BODY=8BITMIME").body, Some(Body::EightBitMime));
        assert_eq!(parse(b" body=BinaryMime").body, Some(Body::BinaryMime));
        assert_eq!(parse(b" RET=FULL").ret, Some(Ret::Full));
        assert_eq!(parse(b" RET=hdrs").ret, Some(Ret::Headers));
        assert_eq!(parse(b" ENVID=QQ+2B314159").envid, Some(&b"QQ+2B314159"[..]));
        let all = parse(b" SIZE=1 SMTPUTF8 BODY=8BITMIME RET=FULL ENVID=x");
        assert!(all.smtputf8);
        assert_eq!(all.text, b"SIZE=1 SMTPUTF8 BODY=8BITMIME RET=FULL ENVID=x");
    }

    #[test]
    fn bad_mail_parameters_are_refused() {
        for (text, error) in [
            (&b"SIZE=1"[..], Malformed), // no space before it
            (b" ", Malformed),
            (b"  SIZE=1", Malformed),
            (b" SIZE=1  BODY=7BIT", Malformed),
            (b" SIZE", Malformed),
            (b" SIZE=", Malformed),
            (b" SIZE=-1", Malformed),
            (b" SIZE=1k", Malformed),
            (b" SIZE=100000000000000000000", Malformed), // 21 digits
            (b" SIZE=1 size=1", Malformed),
            (b" BODY=9BIT", Malformed),
            (b" BODY", Malformed),
            (b" BODY=7BIT BODY=7BIT", Malformed),
            (b" SMTPUTF8=yes", Malformed),
            (b" SMTPUTF8 SMTPUTF8", Malformed),
            (b" RET=SOME", Malformed),
            (b" ENVID=a=b", Malformed),
            (b" ENVID=+2b", Malformed),
            (b" ENVID=+2", Malformed),
            (b" ENVID=\xc3\xa9", Malformed),
            (b" =1", Malformed),
            (b" -A=1", Malformed),
            (b" S\xc3=1", Malformed),
            (b" NOTIFY=NEVER", Unknown), // belongs to RCPT
            (b" AUTH=<>", Unknown),
            (b" XYZZY", Unknown),
        ] {
            assert_eq!(parse_mail(text), Err(error), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn rcpt_parameters_are_parsed() {
        let parse = |text| parse_rcpt(text).unwrap();
        assert_eq!(parse(b""), RcptParameters::default());
        assert_eq!(parse(b" NOTIFY=NEVER").notify, Some(&b"NEVER"[..]));
        assert_eq!(
            parse(b" notify=success,Delay,FAILURE").notify,
            Some(&b"success,Delay,FAILURE"[..])
        );
        assert_eq!(parse(b" ORCPT=rfc822;Bob+2B1@x").orcpt, Some(&b"rfc822;Bob+2B1@x"[..]));
        assert!(!parse(b" ORCPT=utf-8;J\\x{F6}rg@x").utf8);
        assert!(parse(" ORCPT=utf-8;Jörg@x".as_bytes()).utf8);
        assert_eq!(parse(b" NOTIFY=DELAY ORCPT=x;y").text, b"NOTIFY=DELAY ORCPT=x;y");
    }

    #[test]
    fn bad_rcpt_parameters_are_refused() {
        for (text, error) in [
            (&b" NOTIFY=NEVER,DELAY"[..], Malformed),
            (b" NOTIFY=", Malformed),
            (b" NOTIFY", Malformed),
            (b" NOTIFY=DELAY,", Malformed),
            (b" NOTIFY=DELAY NOTIFY=DELAY", Malformed),
            (b" ORCPT=bob@x", Malformed),
            (b" ORCPT=;bob@x", Malformed),
            (b" ORCPT=rfc822;", Malformed),
            (b" ORCPT=rfc822;a+b", Malformed),
            (b" ORCPT=rfc822;\xc3\xb6", Malformed),
            (b" ORCPT=utf-8;\xff", Malformed),
            (b" ORCPT=utf-8;a\\b", Malformed),
            (b" ORCPT=utf-8;\\x{}", Malformed),
            (b" ORCPT=utf-8;\\x{1234567}", Malformed),
            (b" ORCPT=utf-8;", Malformed),
            (b" ORCPT=a;b ORCPT=a;b", Malformed),
            (b" SIZE=1", Unknown),
        ] {
            assert_eq!(parse_rcpt(text), Err(error), "{}", text.escape_ascii());
        }
    }
}
