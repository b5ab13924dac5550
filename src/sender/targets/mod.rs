//! Where mail may be sent: targets as users name them, and the checked addresses of a name.
mod resolved_address;
mod target;

pub use resolved_address::ResolvedAddress;
pub use target::{CONNECT_TIMEOUT, NotATarget, Target, TargetAddress, TargetError, connectable};
