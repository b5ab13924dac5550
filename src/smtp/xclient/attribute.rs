//! The attributes of XCLIENT.

macro_rules! attributes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// An attribute, in the order in which EHLO announces them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Attribute { $($(#[$doc])* $variant),* }

        impl Attribute {
            /// All of them.
            pub const ALL: &[Attribute] = &[$(Attribute::$variant),*];

            /// As EHLO announces it.
            pub fn name(self) -> &'static str {
                match self { $(Attribute::$variant => $name),* }
            }
        }
    };
}

attributes! {
    /// The client's host name. Accepted, not kept.
    Name = "NAME";
    /// The client's address.
    Addr = "ADDR";
    /// The client's port.
    Port = "PORT";
    /// SMTP or ESMTP.
    Proto = "PROTO";
    /// What the client said in HELO or EHLO.
    Helo = "HELO";
    /// The name with which the client has logged in. Accepted, not kept.
    Login = "LOGIN";
    /// The address to which the client connected. Accepted, not kept.
    DestAddr = "DESTADDR";
    /// The port to which the client connected. Accepted, not kept.
    DestPort = "DESTPORT";
}

impl Attribute {
    /// The attribute of this name, in any case.
    pub fn from_name(name: &[u8]) -> Option<Attribute> {
        let is_meant = |it: &&Attribute| name.eq_ignore_ascii_case(it.name().as_bytes());
        Attribute::ALL.iter().find(is_meant).copied()
    }

    /// What EHLO announces: the verb, and every attribute.
    pub fn announcement() -> String {
        Attribute::ALL.iter().fold("XCLIENT".to_owned(), |line, it| line + " " + it.name())
    }
}
