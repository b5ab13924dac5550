//! What the tables of histograms and of counters have in common: names and explanations.

/// Defines an enum with one variant for each row: its name in code, its tag, its explanation.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident: $($variant:ident = $tag:literal, $help:literal;)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(usize)]
        pub enum $name { $(#[doc = $help] $variant),* }

        impl $name {
            /// Every item, in the order of the table, which is the order of the output.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// Returns the name in files and on the command line; it ends in the unit.
            pub fn tag(self) -> &'static str {
                match self { $($name::$variant => $tag),* }
            }

            /// Returns a sentence that says what is measured, for `sinkctl stats --metrics` and
            /// `/metrics`.
            pub fn help(self) -> &'static str {
                match self { $($name::$variant => $help),* }
            }

            /// Returns the item with this tag; `None` for a tag of a newer version.
            pub fn from_tag(tag: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|m| m.tag() == tag)
            }
        }
    };
}

pub(super) use table;
