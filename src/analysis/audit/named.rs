//! Enums whose values have one name, spelled once: in JSON, in CSV and in text.

/// Declares such an enum: `Variant = "name"`, in the order of the output.
macro_rules! named {
    ($(#[$meta:meta])* pub enum $type:ident {
        $($(#[$about:meta])* $variant:ident = $name:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize,
        )]
        pub enum $type { $($(#[$about])* #[serde(rename = $name)] $variant,)* }

        impl $type {
            /// Every value, in the order of the output.
            pub const ALL: [$type; [$($name),*].len()] = [$($type::$variant),*];

            /// Returns the name in `--json`, `--csv` and text.
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name),* }
            }
        }
    };
}

pub(super) use named;
