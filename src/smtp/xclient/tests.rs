//! Tests of valid and invalid commands.
use super::*;
use proptest::prelude::*;
use std::net::IpAddr;

fn claims(argument: &str) -> ClientClaims {
    parse(argument.as_bytes()).unwrap_or_else(|error| panic!("{argument}: {error:?}"))
}

fn known_address(text: &str) -> Option<AttributeValue<IpAddr>> {
    Some(AttributeValue::Known(text.parse().unwrap()))
}

#[test]
fn addresses_are_of_either_family_and_have_one_spelling() {
    for (argument, expected) in [
        ("ADDR=192.0.2.7", known_address("192.0.2.7")),
        ("addr=192.0.2.7", known_address("192.0.2.7")),
        ("ADDR=IPV6:2001:db8::7", known_address("2001:db8::7")),
        ("ADDR=ipv6:2001:DB8:0::7", known_address("2001:db8::7")),
        ("ADDR=IPv6:::1", known_address("::1")),
        ("ADDR=IPV6:::ffff:192.0.2.7", known_address("192.0.2.7")),
        ("ADDR=192+2E0.2.7", known_address("192.0.2.7")), // xtext can encode any octet
        ("ADDR=[UNAVAILABLE]", Some(AttributeValue::Unavailable)),
        ("ADDR=[unavailable]", Some(AttributeValue::Unavailable)),
        ("ADDR=+5BUNAVAILABLE]", Some(AttributeValue::Unavailable)),
        ("DESTADDR=192.0.2.7", None),
    ] {
        assert_eq!(claims(argument).address, expected, "{argument}");
    }
}

#[test]
fn ports_names_and_protocols_are_read() {
    let all = claims(
        "NAME=mx.example ADDR=192.0.2.7 PORT=4660 PROTO=esmtp HELO=a+2Bb LOGIN=ann+40example.org \
         DESTADDR=IPV6:::1 DESTPORT=25",
    );
    let expected = ClientClaims {
        address: known_address("192.0.2.7"),
        port: Some(AttributeValue::Known(4660)),
        hello: Some(AttributeValue::Known(b"a+b".to_vec())),
        protocol: Some(ClientProtocol::Esmtp),
    };
    assert_eq!(all, expected);
    for (port, expected) in [
        ("0", AttributeValue::Known(0)),
        ("65535", AttributeValue::Known(65535)),
        ("[UNAVAILABLE]", AttributeValue::Unavailable),
    ] {
        assert_eq!(claims(&format!("PORT={port}")).port, Some(expected));
    }
    assert_eq!(claims("HELO=[Unavailable]").hello, Some(AttributeValue::Unavailable));
    assert_eq!(
        claims("HELO=[192.0.2.1]").hello,
        Some(AttributeValue::Known(b"[192.0.2.1]".to_vec()))
    );
    let longest = "a".repeat(VALUE_BYTES_MAX);
    assert_eq!(
        claims(&format!("HELO={longest}")).hello,
        Some(AttributeValue::Known(longest.into()))
    );
}

/// Valid logins, host names and destinations are accepted, and change nothing.
#[test]
fn attributes_that_are_not_stored_are_accepted() {
    for argument in [
        "NAME=[UNAVAILABLE]",
        "NAME=[TEMPUNAVAIL]",
        "NAME=[tempunavail]",
        "NAME=my_host-1.example",
        "LOGIN=[UNAVAILABLE]",
        "LOGIN=j+C3+BCrgen",
        "LOGIN=two+20words",
        "DESTADDR=[UNAVAILABLE]",
        "DESTPORT=[UNAVAILABLE]",
        "DESTADDR=198.51.100.1 DESTPORT=65535",
    ] {
        assert_eq!(claims(argument), ClientClaims::default(), "{argument}");
    }
}

// Long on purpose: one row for each way in which a command can be invalid.
#[test]
fn invalid_commands_name_the_broken_rule() {
    use XclientError::{
        Address, Attribute as Unknown, Form, Hello, Login, Name, Port, Protocol, Twice, Value,
    };
    let long = format!("HELO={}", "a".repeat(VALUE_BYTES_MAX + 1));
    let long_label = format!("NAME={}.example", "a".repeat(64));
    for (argument, error) in [
        ("", Form),
        ("ADDR", Form),
        ("ADDR=192.0.2.7 ", Form),
        ("ADDR=192.0.2.7  PORT=1", Form),
        ("ADDR=192.0.2.7 PORT", Form),
        ("=192.0.2.7", Unknown),
        ("ADRR=192.0.2.7", Unknown),
        ("ADDR =192.0.2.7", Form),
        ("REVERSE_NAME=mx.example", Unknown), // supported by Postfix, but not documented
        ("ADDR=192.0.2.7 ADDR=192.0.2.7", Twice),
        ("ADDR=192.0.2.7 addr=192.0.2.8", Twice),
        ("LOGIN=a PORT=1 LOGIN=b", Twice),
        ("ADDR=", Value),
        (&long, Value),
        ("HELO=a=b", Value),
        ("HELO=a+b", Value),
        ("HELO=a+2", Value),
        ("HELO=a+", Value),
        ("HELO=a+2b", Value), // xtext requires upper-case digits
        ("HELO=j\u{fc}rgen", Value),
        ("HELO=a\tb", Value),
        ("HELO=a\r\nb", Value),
        ("HELO=a\0b", Value),
        ("ADDR=2001:db8::7", Address), // IPV6: is missing
        ("ADDR=IPV6:192.0.2.7", Address),
        ("ADDR=IPV6:", Address),
        ("ADDR=IPV6:fe80::1%eth0", Address),
        ("ADDR=IPV6:[::1]", Address),
        ("ADDR=IPV6: ::1", Address),
        ("ADDR=IPV4:192.0.2.7", Address),
        ("ADDR=192.0.2", Address),
        ("ADDR=0.0.0.0", Address), // belongs to no client
        ("ADDR=IPV6:::", Address),
        ("ADDR=IPV6:::ffff:0.0.0.0", Address),
        ("ADDR=192.0.2.256", Address),
        ("ADDR=192.0.2.07", Address),
        ("ADDR=[192.0.2.7]", Address),
        ("ADDR=192.0.2.7:25", Address),
        ("ADDR=unknown", Address),
        ("ADDR=[TEMPUNAVAIL]", Address), // allowed only for NAME
        ("ADDR=192.0.2.7+00", Address),
        ("DESTADDR=mx.example", Address),
        ("PORT=65536", Port),
        ("PORT=-1", Port),
        ("PORT=+2B1", Port),
        ("PORT=025", Port),
        ("PORT=00", Port),
        ("PORT=0x19", Port),
        ("PORT=25+20", Port),
        ("DESTPORT=smtp", Port),
        ("PROTO=LMTP", Protocol),
        ("PROTO=[UNAVAILABLE]", Protocol),
        ("PROTO=ESMTP+0A", Protocol),
        ("HELO=a+20b", Hello),
        ("HELO=a+0D+0A250", Hello),
        ("HELO=+00", Hello),
        ("HELO=+7F", Hello),
        ("HELO=+C3+BC", Hello),
        ("NAME=-a.example", Name),
        ("NAME=a-.example", Name),
        ("NAME=a..b", Name),
        ("NAME=a.example.", Name),
        ("NAME=a+20b", Name),
        ("NAME=a+0D+0Ab", Name),
        (&long_label, Name),
        ("LOGIN=a+0D+0Ab", Login),
        ("LOGIN=+00", Login),
        ("LOGIN=+FF", Login),
        ("LOGIN=+C2+85", Login), // U+0085, a line end for some programs
    ] {
        assert_eq!(parse(argument.as_bytes()), Err(error), "{}", argument.escape_debug());
    }
}

const GOOD: &[u8] =
    b"NAME=mx.example ADDR=IPV6:2001:db8::7 PORT=4660 PROTO=ESMTP HELO=a+2Bb.example \
                      LOGIN=ann+40example.org DESTADDR=198.51.100.1 DESTPORT=25";

#[test]
fn every_truncation_is_a_shorter_command_or_an_error() {
    for length in 0..GOOD.len() {
        check_xclient(&GOOD[..length]);
        // A shorter command never changes the attributes before the cut.
        if let Ok(found) = parse(&GOOD[..length])
            && length > b"NAME=mx.example ADDR=IPV6:2001:db8::7 PORT=4660".len()
        {
            assert_eq!(found.address, known_address("2001:db8::7"), "{length}");
            assert_eq!(found.port, Some(AttributeValue::Known(4660)), "{length}");
        }
    }
    assert!(parse(GOOD).is_ok());
}

#[test]
fn every_flipped_octet_is_checked() {
    let mut wrong = 0;
    for at in 0..GOOD.len() {
        for octet in 0..=255 {
            let mut bent = GOOD.to_vec();
            bent[at] = octet;
            check_xclient(&bent);
            wrong += usize::from(parse(&bent).is_err());
        }
    }
    assert!(wrong > GOOD.len() * 100, "{wrong}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_octets_bring_invalid_characters_into_an_envelope(
        words in prop::collection::vec((
            prop::sample::select(vec!["NAME", "ADDR", "port", "Proto", "HELO", "LOGIN", "A"]),
            prop::collection::vec(prop::sample::select(vec![
                &b"+0D"[..], b"+0A", b"+00", b"+2B", b"+3D", b"+7F", b"+C3+BC", b"+", b"=", b"a",
                b".", b":", b"[", b"UNAVAILABLE", b"]", b"IPV6:", b"192.0.2.1", b"25", b"\xff",
                b"\0", b"\t",
            ]), 0..5),
        ), 0..4),
    ) {
        let word = |(name, value): (&str, Vec<&[u8]>)| {
            [name.as_bytes(), b"=", &value.concat()].concat()
        };
        let words: Vec<Vec<u8>> = words.into_iter().map(word).collect();
        check_xclient(&words.join(&b' '));
    }
}

#[test]
fn ehlo_announces_every_attribute() {
    let expected = "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";
    assert_eq!(Attribute::announcement(), expected);
}
