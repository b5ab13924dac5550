//! Checks that a dialogue has the same outcome wherever its octets are cut.
use super::dialect::{ClientDialect, Trust};
use super::observed::Observed;
use super::one_by_one::with_trusting_sink;
use crate::smtp::envelope;
use crate::smtp::limits::{SessionLimits, Syntax};

/// Returns the outcome of `dialogue` when it is cut at each of `cuts`, which can be in any order
/// and repeat.
pub fn run_cut(
    dialect: ClientDialect,
    dialogue: &[u8],
    cuts: &[usize],
    limits: &SessionLimits,
) -> Observed {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (dialogue.len() + 1)).collect();
    cuts.push(dialogue.len());
    cuts.sort_unstable();
    with_trusting_sink(limits, dialect.syntax, dialect.trust, |sink| {
        let mut session = sink.connect(dialect.protocol);
        let mut from = 0;
        for cut in cuts {
            session.send(&dialogue[from..cut]);
            from = cut;
        }
        session.leave()
    })
}

/// Returns small limits, so that short inputs reach all of them.
pub fn small_limits(variant: u8) -> SessionLimits {
    SessionLimits {
        message_bytes_max: 200,
        recipients_max: 3,
        envelope_bytes_max: 400,
        command_line_bytes_max: 100,
        errors_max: (variant & 1 != 0).then_some(3),
        messages_max: (variant & 2 != 0).then_some(2),
    }
}

/// Checks, for the fuzz target `session`, that any octets, cut anywhere, cause no panic, and lead
/// to the same replies and messages as in one piece.
///
/// `bytes`: variant of the limits (and 4 or 8 if clients are trusted), number of cuts (modulo 8),
/// two octets a cut, then the dialogue.
pub fn check_session(bytes: &[u8]) {
    let [variant, cuts, rest @ ..] = bytes else { return };
    let Some((cuts, dialogue)) = rest.split_at_checked(2 * usize::from(cuts % 8)) else { return };
    let cuts: Vec<usize> =
        cuts.chunks_exact(2).map(|pair| usize::from(pair[0]) | usize::from(pair[1]) << 8).collect();
    let limits = small_limits(*variant);
    let trust = match variant & 12 {
        0 => Trust::None,
        4 => Trust::Xclient,
        _ => Trust::Auth,
    };
    for dialect in ClientDialect::all(trust) {
        let whole = run_cut(dialect, dialogue, &[], &limits);
        assert_eq!(
            run_cut(dialect, dialogue, &cuts, &limits),
            whole,
            "{dialect:?}, cut at {cuts:?}"
        );
        if dialogue.len() <= 512 {
            let every_octet: Vec<usize> = (0..dialogue.len()).collect();
            let found = run_cut(dialect, dialogue, &every_octet, &limits);
            assert_eq!(found, whole, "{dialect:?}, octet by octet");
        }
        check_deviations(&whole, dialect.syntax);
    }
}

/// Checks that the deviations in envelopes were counted, and that a strict sink tolerated none.
fn check_deviations(outcome: &Observed, syntax: Syntax) {
    assert!(syntax == Syntax::Lenient || outcome.tolerated.is_empty());
    for stored in &outcome.stored {
        let decoded = envelope::decode(&stored.envelope);
        let decoded = decoded.expect("what the session encodes can be decoded");
        for kind in decoded.deviations.kinds() {
            assert!(outcome.tolerated.contains_key(&kind), "{kind:?} is stored, and not counted");
        }
    }
}
