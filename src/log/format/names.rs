//! The names of a data folder, and of a boot of the machine.

/// A boot of the machine: while it is the same, the page cache has survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// Whether the system named its boot. Without a name, no two boots are taken for the same.
    pub fn is_known(&self) -> bool {
        *self != BootId::default()
    }
}

/// Names a data folder permanently; seeds every slot's checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreId(pub [u8; 16]);
