//! The connections of a worker, by place.
use crate::server::connection::Conn;

use super::place::{ConnKey, TablePlace};

/// The connections of a worker, by place.
#[derive(Debug, Default)]
pub struct Connections {
    /// `None`: the place is free or reserved, or its connection has been taken out for a while.
    conns: Vec<Option<Conn>>,
    /// The place freed last is reused first.
    free: Vec<TablePlace>,
    /// Number of connections, including those that were taken out.
    open: usize,
    /// Serial number of the newest connection; wraps around.
    serial: u32,
}

impl Connections {
    /// Reserves a place for a new connection, which [`Connections::add`] puts there.
    pub fn reserve(&mut self) -> ConnKey {
        let place = self.free.pop().unwrap_or_else(|| {
            self.conns.push(None);
            TablePlace::new(self.conns.len() - 1)
        });
        self.serial = self.serial.wrapping_add(1);
        ConnKey { place, serial: self.serial }
    }

    /// Frees a reserved place.
    pub fn cancel(&mut self, reserved: ConnKey) {
        self.free.push(reserved.place);
    }

    /// Puts a new connection into the place that was reserved for it.
    pub fn add(&mut self, place: TablePlace, conn: Conn) {
        self.open += 1;
        self.put_back(place, conn);
    }

    /// Takes a connection out for a while. [`Connections::put_back`] must follow.
    pub fn take_out(&mut self, place: TablePlace) -> Option<Conn> {
        self.conns[place.index()].take()
    }

    /// Puts a connection back that was taken out.
    pub fn put_back(&mut self, place: TablePlace, conn: Conn) {
        self.conns[place.index()] = Some(conn);
    }

    /// Removes a connection, and frees its place.
    pub fn remove(&mut self, place: TablePlace) -> Option<Conn> {
        let conn = self.conns[place.index()].take()?;
        self.free.push(place);
        self.open -= 1;
        Some(conn)
    }

    /// Returns the connection at `place`.
    #[inline]
    pub fn at(&self, place: TablePlace) -> Option<&Conn> {
        self.conns.get(place.index())?.as_ref()
    }

    /// Returns the connection at `place`.
    #[inline]
    pub fn at_mut(&mut self, place: TablePlace) -> Option<&mut Conn> {
        self.conns.get_mut(place.index())?.as_mut()
    }

    /// Returns the connection of `key`; `None` if it has ended.
    #[inline]
    pub fn of(&mut self, key: ConnKey) -> Option<&mut Conn> {
        self.at_mut(key.place).filter(|conn| conn.id.serial == key.serial)
    }

    /// Returns all places, including free ones.
    pub fn places(&self) -> impl Iterator<Item = TablePlace> + use<> {
        TablePlace::all(self.conns.len())
    }

    /// Iterates over the connections with their keys.
    pub fn iter(&self) -> impl Iterator<Item = (ConnKey, &Conn)> {
        self.places().zip(&self.conns).filter_map(|(place, conn)| {
            let conn = conn.as_ref()?;
            Some((ConnKey { place, serial: conn.id.serial }, conn))
        })
    }

    /// Iterates over the connections.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Conn> {
        self.conns.iter_mut().flatten()
    }

    /// Returns the number of connections, including those that were taken out.
    #[inline]
    pub fn open(&self) -> usize {
        self.open
    }

    /// Returns the number of free places.
    #[cfg(feature = "testkit")]
    pub fn free(&self) -> usize {
        self.free.len()
    }
}
