//! What the tables of histograms and of counters have in common: names, explanations and maximum
//! values.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident:
     $($variant:ident = $tag:literal, $max:expr, $help:literal;)*) => {
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

            /// The maximum values, in the order of the table.
            pub(super) const MAX: &[u64] = &[$($max),*];

            /// Returns the maximum; larger values are recorded as this one. 0 for counters.
            #[inline]
            pub const fn max(self) -> u64 {
                $name::MAX[self as usize]
            }

            /// Returns the item with this tag; `None` for a tag of a newer version.
            pub fn from_tag(tag: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|m| m.tag() == tag)
            }
        }
    };
}

pub(super) use table;
