//! Decides which parts of a message are its text.
//!
//! Each message has its own texts: the outer one, those forwarded in it, and those attached to it.
//! A file name excludes a text only if the message has another one.
use super::part::{Part, PartKind, Parts};

/// What a part is to the reader of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartRole {
    /// Text of the message, or of a message that is displayed with it.
    Text,
    /// Text of a message that is attached to it.
    AttachedText,
    /// A file, or other content that is not text.
    Other,
}

/// The roles of all parts. Costs one pass over them.
pub(super) struct Roles {
    roles: Vec<PartRole>,
    /// For each part, whether it is in an attached message, or is attached itself.
    is_attached: Vec<bool>,
}

impl Roles {
    pub fn of(parts: &Parts<'_>) -> Roles {
        let around = surroundings(&parts.parts);
        let mut has_text = vec![false; parts.parts.len()];
        for (part, around) in parts.parts.iter().zip(&around) {
            has_text[around.message] |= part.is_body_text();
        }
        // For each message, the alternatives that contain its text, or the text itself.
        let mut found: Vec<Option<usize>> = vec![None; parts.parts.len()];
        let role = |(number, (part, around)): (usize, (&Part<'_>, &PartContext))| {
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
        let is_attached = |(part, around): (&Part<'_>, &PartContext)| {
            around.is_attached || (part.parent.is_some() && part.is_handed_over())
        };
        let is_attached = parts.parts.iter().zip(&around).map(is_attached).collect();
        Roles { roles, is_attached }
    }

    /// Returns the role of the part with this index in the parts of the message. Panics if there is
    /// none.
    pub fn role(&self, number: usize) -> PartRole {
        self.roles[number]
    }

    /// Returns whether the part with this index is in an attached message, or is attached itself.
    pub fn is_attached(&self, number: usize) -> bool {
        self.is_attached[number]
    }
}

/// What surrounds a part, as far as it decides the part's role.
#[derive(Clone, Copy)]
struct PartContext {
    /// Index of the part with the message that contains this part; 0 for the outer message.
    message: usize,
    /// Whether that message, or one around it, is attached.
    is_attached: bool,
    /// Index of the innermost `multipart/alternative` that contains this part and belongs to the
    /// same message.
    alternative: Option<usize>,
}

fn surroundings(parts: &[Part<'_>]) -> Vec<PartContext> {
    let mut all: Vec<PartContext> = Vec::with_capacity(parts.len());
    for part in parts {
        let around = part.parent.map(|number| {
            let (parent, above) = (&parts[number], all[number]);
            match parent.kind {
                PartKind::Message => PartContext {
                    message: number,
                    is_attached: above.is_attached
                        || (parent.parent.is_some() && parent.is_handed_over()),
                    alternative: None,
                },
                _ if parent.is_alternative() => PartContext { alternative: Some(number), ..above },
                _ => above,
            }
        });
        let outer = PartContext { message: 0, is_attached: false, alternative: None };
        all.push(around.unwrap_or(outer));
    }
    all
}
