//! Property tests of mechanisms and lists of users.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

const CHALLENGE: &str = "<1.2@sink.example>";

/// Returns the credentials of a client that sends these responses, given decoded; the first is the
/// initial response.
fn claimed(mechanism: Mechanism, responses: &[&[u8]]) -> Result<Credentials, Malformed> {
    let mut lines = responses.iter().map(|response| STANDARD.encode(response));
    let initial = match mechanism {
        Mechanism::CramMd5 => None,
        _ => lines.next(),
    };
    let initial = initial.as_ref().map(|line| line.as_bytes());
    let mut progress = Exchange::begin(mechanism, initial, CHALLENGE.into())?;
    loop {
        match progress {
            SaslProgress::Claimed(credentials) => return Ok(credentials),
            SaslProgress::Challenge(exchange, _) => {
                progress = exchange.respond(lines.next().expect("a response").as_bytes())?;
            }
            SaslProgress::Refused => panic!("nothing was refused"),
        }
    }
}

fn users() -> Users {
    Users::parse("# two\nann:a:secret\n\nbob x:pass word\n").unwrap()
}

#[test]
fn each_mechanism_authenticates_a_listed_user() {
    let ann = cram_md5::digest(CHALLENGE, b"a:secret");
    let (good, upper) = (format!("ann {ann}"), format!("ann {}", ann.to_uppercase()));
    for (mechanism, responses, is_good) in [
        (Mechanism::Plain, vec![&b"\0ann\0a:secret"[..]], true),
        (Mechanism::Plain, vec![b"other\0bob x\0pass word"], true),
        (Mechanism::Plain, vec![b"\0ann\0a:secreT"], false),
        (Mechanism::Plain, vec![b"\0ann\0"], false),
        (Mechanism::Plain, vec![b"\0Ann\0a:secret"], false),
        (Mechanism::Login, vec![b"ann", b"a:secret"], true),
        (Mechanism::Login, vec![b"ann", b"a:secret\0"], false),
        (Mechanism::CramMd5, vec![good.as_bytes()], true),
        (Mechanism::CramMd5, vec![upper.as_bytes()], true),
        (Mechanism::CramMd5, vec![b"bob x b913a602c7eda7a495b4e6e7334d3890"], false),
        (Mechanism::Xoauth2, vec![b"user=ann\x01auth=Bearer a:secret\x01\x01"], true),
        (Mechanism::Xoauth2, vec![b"user=ann\x01auth=Bearer x\x01\x01"], false),
    ] {
        let credentials = claimed(mechanism, &responses).ok().unwrap();
        let shown: Vec<String> = responses.iter().map(|it| it.escape_ascii().to_string()).collect();
        assert_eq!(users().accepts(&credentials), is_good, "{mechanism:?} {shown:?}");
    }
}

#[test]
fn malformed_responses_are_errors() {
    let long = [b"\0", &[b'a'; USER_BYTES_MAX + 1][..], b"\0x"].concat();
    for (mechanism, response) in [
        (Mechanism::Plain, &b""[..]),
        (Mechanism::Plain, b"ann\0secret"),
        (Mechanism::Plain, b"\0ann\0a\0b"),
        (Mechanism::Plain, b"\0\0secret"),
        (Mechanism::Plain, b"\0a\r\nb\0secret"),
        (Mechanism::Plain, b"\0a\xff\0secret"),
        (Mechanism::Plain, &long),
        (Mechanism::Login, b""),
        (Mechanism::Login, b"a\0"),
        (Mechanism::CramMd5, b"ann"),
        (Mechanism::CramMd5, b"ann b913a602c7eda7a495b4e6e7334d389"),
        (Mechanism::CramMd5, b" b913a602c7eda7a495b4e6e7334d3890"),
        (Mechanism::CramMd5, b"ann g913a602c7eda7a495b4e6e7334d3890"),
        (Mechanism::Xoauth2, b"user=ann\x01auth=Bearer x\x01"),
        (Mechanism::Xoauth2, b"user=ann\x01\x01"),
        (Mechanism::Xoauth2, b"auth=Bearer x\x01\x01"),
    ] {
        let found = claimed(mechanism, &[response, b""]).err();
        assert_eq!(found, Some(Malformed::Form), "{mechanism:?} {}", response.escape_ascii());
    }
    for line in [&b"a"[..], b"AGFubgBh=", b"AGFu bgBh", b"*", b"AGFubgBh\0", "ä".as_bytes()] {
        let found = Exchange::begin(Mechanism::Plain, Some(line), String::new()).err();
        assert_eq!(found, Some(Malformed::Base64), "{}", line.escape_ascii());
    }
    let early = Exchange::begin(Mechanism::CramMd5, Some(b"YQ=="), String::new()).err();
    assert_eq!(early, Some(Malformed::Form), "the server speaks first");
}

#[test]
fn challenges_have_the_form_that_clients_expect() {
    for (mechanism, expected) in [
        (Mechanism::Plain, ""),
        (Mechanism::Xoauth2, ""),
        (Mechanism::Login, "VXNlcm5hbWU6"),
        (Mechanism::CramMd5, "PDEuMkBzaW5rLmV4YW1wbGU+"),
    ] {
        match Exchange::begin(mechanism, None, CHALLENGE.into()) {
            Ok(SaslProgress::Challenge(exchange, text)) => {
                assert_eq!((exchange.mechanism(), text.as_str()), (mechanism, expected));
            }
            _ => panic!("{mechanism:?} has a challenge"),
        }
    }
    let Ok(SaslProgress::Challenge(_, text)) =
        Exchange::begin(Mechanism::Login, Some(b"YQ=="), String::new())
    else {
        panic!("a challenge")
    };
    assert_eq!(text, "UGFzc3dvcmQ6");
    // An equals sign is an empty initial response (RFC 4954 section 4), so the user name is empty.
    let empty = Exchange::begin(Mechanism::Login, Some(b"="), String::new()).err();
    assert_eq!(empty, Some(Malformed::Form));
}

#[test]
fn a_list_is_read_by_line_and_its_errors_show_no_password() {
    for (text, error) in [
        ("ann secret", UserError::Form(1)),
        ("ann:x\n:secret", UserError::Form(2)),
        ("a\u{7}:secret", UserError::Name(1)),
        ("ann:x\nann:secret", UserError::Twice(2)),
        ("# passwords\nann:", UserError::NoPassword(2)),
        ("", UserError::NoUser),
        ("# no user\n\n", UserError::NoUser),
    ] {
        let found = Users::parse(text).err().unwrap();
        assert_eq!(found, error);
        assert!(!found.to_string().contains("secret"));
    }
    assert!(Users::parse("ann:x\nbob:y") == Users::parse("bob:y\n# and\nann:x"));
    assert!(Users::parse("ann:x") != Users::parse("ann:y"));
    assert_eq!(users().len(), 2);
}

proptest! {
    /// No response causes a panic, and no accepted user name has a control character.
    #[test]
    fn any_response_is_a_claim_or_an_error(
        which in 0_usize..4,
        response in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        if let Ok(credentials) = claimed(Mechanism::ALL[which], &[&response, &response]) {
            prop_assert!(!credentials.user.is_empty());
            prop_assert!(!credentials.user.contains(char::is_control));
            prop_assert!(!users().accepts(&credentials) || credentials.user.len() > 2);
        }
    }

    /// PLAIN transports user name and password unchanged, whatever the password is.
    #[test]
    fn a_plain_response_reads_back(
        name in "[^\\x00-\\x1f\\x7f-\\x9f]{1,20}",
        password in "[^\\x00]{0,20}",
    ) {
        let response = format!("\0{name}\0{password}");
        let found = claimed(Mechanism::Plain, &[response.as_bytes()]).ok().unwrap();
        prop_assert_eq!(found.user, name);
        let CredentialProof::Password(said) = found.proof else { panic!("a password") };
        prop_assert!(said.is(password.as_bytes()));
    }
}
