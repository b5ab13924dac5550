//! The IDs of a data folder, and of a boot of the machine.

/// The ID of a boot. As long as it is unchanged, the content of the page cache has survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// Returns whether the system has a boot ID. Without one, every boot counts as a different one.
    pub fn is_known(&self) -> bool {
        *self != BootId::default()
    }
}

/// The permanent ID of a data folder. Part of every slot's checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreId(pub [u8; 16]);
