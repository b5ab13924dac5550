//! Where mail may be sent: targets as users name them, and the checked addresses of a name.
mod allowed;
mod connectable;
mod resolved_address;
mod target;

pub use allowed::TargetError;
pub use connectable::{CONNECT_TIMEOUT, connectable};
pub use resolved_address::ResolvedAddress;
pub use target::{NotATarget, Target, TargetAddress};
