//! The attributes of XCLIENT.

macro_rules! attributes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// An attribute. EHLO announces the attributes in this order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Attribute { $($(#[$doc])* $variant),* }

        impl Attribute {
            /// Every attribute.
            pub const ALL: &[Attribute] = &[$(Attribute::$variant),*];

            /// Returns its name as EHLO announces it.
            pub fn name(self) -> &'static str {
                match self { $(Attribute::$variant => $name),* }
            }
        }
    };
}

attributes! {
    /// The client's host name. Accepted, but not stored.
    Name = "NAME";
    /// The client's address.
    Addr = "ADDR";
    /// The client's port.
    Port = "PORT";
    /// SMTP or ESMTP.
    Proto = "PROTO";
    /// The client's HELO or EHLO name.
    Helo = "HELO";
    /// The user name with which the client logged in. Accepted, but not stored.
    Login = "LOGIN";
    /// The address to which the client connected. Accepted, but not stored.
    DestAddr = "DESTADDR";
    /// The port to which the client connected. Accepted, but not stored.
    DestPort = "DESTPORT";
}

impl Attribute {
    /// Returns the attribute of this name, ignoring case.
    pub fn from_name(name: &[u8]) -> Option<Attribute> {
        let is_meant = |it: &&Attribute| name.eq_ignore_ascii_case(it.name().as_bytes());
        Attribute::ALL.iter().find(is_meant).copied()
    }

    /// Returns the line that EHLO announces: the verb, and every attribute.
    pub fn announcement() -> String {
        Attribute::ALL.iter().fold("XCLIENT".to_owned(), |line, it| line + " " + it.name())
    }
}
