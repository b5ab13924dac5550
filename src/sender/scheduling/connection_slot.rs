//! The slots of connections.

/// The slot of a connection in its sending thread. Scheduler, engine and network know a connection
/// by its slot. Another connection may have it after the first one has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionSlot(usize);

impl ConnectionSlot {
    /// Returns the slot at an index, from 0.
    #[inline]
    pub const fn new(index: usize) -> ConnectionSlot {
        ConnectionSlot(index)
    }

    /// Returns the index, from 0. Slots are used densely: a thread needs as many as it ever has
    /// connections at once.
    #[inline]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// Values of connections, by slot. Access is an indexing operation; the table never shrinks.
#[derive(Debug)]
pub struct BySlot<T>(Vec<Option<T>>);

impl<T> BySlot<T> {
    /// Returns an empty table.
    pub const fn new() -> BySlot<T> {
        BySlot(Vec::new())
    }

    /// Returns the value of a slot.
    #[inline]
    pub fn get(&self, slot: ConnectionSlot) -> Option<&T> {
        self.0.get(slot.0)?.as_ref()
    }

    /// Returns the value of a slot.
    #[inline]
    pub fn get_mut(&mut self, slot: ConnectionSlot) -> Option<&mut T> {
        self.0.get_mut(slot.0)?.as_mut()
    }

    /// Sets the value of a slot.
    pub fn put(&mut self, slot: ConnectionSlot, value: T) {
        if self.0.len() <= slot.0 {
            self.0.resize_with(slot.0 + 1, || None);
        }
        self.0[slot.0] = Some(value);
    }

    /// Removes and returns the value of a slot.
    pub fn take(&mut self, slot: ConnectionSlot) -> Option<T> {
        self.0.get_mut(slot.0)?.take()
    }

    /// Returns every slot that ever had a value.
    pub fn slots(&self) -> impl Iterator<Item = ConnectionSlot> + use<T> {
        (0..self.0.len()).map(ConnectionSlot)
    }

    /// Returns the values with their slots.
    pub fn iter(&self) -> impl Iterator<Item = (ConnectionSlot, &T)> {
        let values = self.0.iter().enumerate();
        values.filter_map(|(index, value)| Some((ConnectionSlot(index), value.as_ref()?)))
    }

    /// Returns the values with their slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ConnectionSlot, &mut T)> {
        let values = self.0.iter_mut().enumerate();
        values.filter_map(|(index, value)| Some((ConnectionSlot(index), value.as_mut()?)))
    }
}
