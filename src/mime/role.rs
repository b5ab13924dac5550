//! Which parts of a message are its text.
//!
//! Each message has texts of its own: the outer one, those that are forwarded in it, and those that
//! are attached to it. Names of files take a text out of a message only if there is another.
use super::part::{Part, PartKind, Parts};

/// What a part is to who reads the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartRole {
    /// Text of the message, or of one that is shown with it.
    Text,
    /// Text of a message that is attached to it.
    AttachedText,
    /// Not text, or a file.
    Other,
}

/// What each part of a message is. Costs one pass over them.
pub(super) struct Roles {
    roles: Vec<PartRole>,
    /// For each part: whether it belongs to an attached message, or is one.
    is_attached: Vec<bool>,
}

impl Roles {
    pub fn of(parts: &Parts<'_>) -> Roles {
        let around = surroundings(&parts.parts);
        let mut has_text = vec![false; parts.parts.len()];
        for (part, around) in parts.parts.iter().zip(&around) {
            has_text[around.message] |= part.is_body_text();
        }
        // Of each message: the alternatives that its text was found in, or the text itself.
        let mut found: Vec<Option<usize>> = vec![None; parts.parts.len()];
        let role = |(number, (part, around)): (usize, (&Part<'_>, &Around))| {
            let is_named = part.is_text() && part.disposition.as_deref() != Some("attachment");
            let is_only = is_named && !has_text[around.message] && {
                let group = around.alternative.unwrap_or(number);
                *found[around.message].get_or_insert(group) == group
            };
            match part.is_body_text() || is_only {
                true if around.is_attached => PartRole::AttachedText,
                true => PartRole::Text,
                false => PartRole::Other,
            }
        };
        let roles = parts.parts.iter().zip(&around).enumerate().map(role).collect();
        let is_attached = |(part, around): (&Part<'_>, &Around)| {
            around.is_attached || (part.parent.is_some() && part.is_handed_over())
        };
        let is_attached = parts.parts.iter().zip(&around).map(is_attached).collect();
        Roles { roles, is_attached }
    }

    /// Returns the role of the part with this number.
    pub fn role(&self, number: usize) -> PartRole {
        self.roles[number]
    }

    /// Returns whether the part with this number is in an attached message, or is one.
    pub fn is_attached(&self, number: usize) -> bool {
        self.is_attached[number]
    }
}

/// What stands around a part.
#[derive(Clone, Copy)]
struct Around {
    /// Number of the part that holds the message it belongs to; 0 also if it is the outer one.
    message: usize,
    /// Whether that message, or one around it, is attached.
    is_attached: bool,
    /// Number of the innermost alternatives of that message that it is in.
    alternative: Option<usize>,
}

fn surroundings(parts: &[Part<'_>]) -> Vec<Around> {
    let mut all: Vec<Around> = Vec::with_capacity(parts.len());
    for part in parts {
        let around = part.parent.map(|number| {
            let (parent, above) = (&parts[number], all[number]);
            match parent.kind {
                PartKind::Message => Around {
                    message: number,
                    is_attached: above.is_attached
                        || (parent.parent.is_some() && parent.is_handed_over()),
                    alternative: None,
                },
                _ if parent.is_alternative() => Around { alternative: Some(number), ..above },
                _ => above,
            }
        });
        let outer = Around { message: 0, is_attached: false, alternative: None };
        all.push(around.unwrap_or(outer));
    }
    all
}
