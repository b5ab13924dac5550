//! The activity of sessions in one second.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Maximum number of sessions that an interval records individually. The activity of further ones
/// is lost and counted. A worker has fewer connections unless tens of thousands open and close each
/// second.
const SESSIONS_MAX: usize = 1 << 18;
/// Capacity that an interval keeps, in entries of 48 bytes.
const ROOM_KEPT: usize = 1024;
/// The event did not happen in this second.
const NEVER: u32 = u32::MAX;
/// The connection ended before the message was accepted.
const BEFORE: u32 = u32::MAX - 1;
/// Upper bound of times within a second, in µs; a late worker may report an event in an earlier
/// second.
const LATEST_US: u64 = u32::MAX as u64 - 2;

/// A session, and the client that its activity counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionKey {
    /// The id of the session, as in the slots of its messages.
    pub id: u64,
    /// `None` for a Unix socket.
    pub client: Option<IpAddr>,
}

/// What one session did in one second. 48 octets when stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSecond {
    /// The id of the session, as in the slots of its messages.
    pub id: u64,
    /// The client's address; IPv4 is mapped (RFC 4291 section 2.5.5.2), and `::` stands for a Unix
    /// socket.
    pub(super) client: [u8; 16],
    pub(super) began_us: u32,
    pub(super) ended_us: u32,
    /// Messages accepted in this second.
    pub messages: u32,
    /// Forward-paths of the accepted messages.
    pub recipients: u32,
    /// The maximum number of forward-paths of a message.
    pub recipients_max: u32,
    /// Messages refused at the end of their data.
    pub refused: u32,
}

impl SessionSecond {
    fn new(key: SessionKey) -> SessionSecond {
        SessionSecond {
            id: key.id,
            client: octets_of(key.client),
            began_us: NEVER,
            ended_us: NEVER,
            messages: 0,
            recipients: 0,
            recipients_max: 0,
            refused: 0,
        }
    }

    /// Returns the client's address; `None` for a Unix socket.
    pub fn client(&self) -> Option<IpAddr> {
        let address = Ipv6Addr::from(self.client);
        (!address.is_unspecified()).then(|| address.to_canonical())
    }

    /// Changes the client to the one in `key`, after XCLIENT. The id stays.
    pub fn rename(&mut self, key: SessionKey) {
        self.client = octets_of(key.client);
    }

    /// Returns when the connection began, in µs from the beginning of the second; `None` if not in
    /// this second.
    pub fn began_us(&self) -> Option<u32> {
        (self.began_us < BEFORE).then_some(self.began_us)
    }

    /// Returns when the connection ended, in µs from the beginning of the second; `None` if not in
    /// this second.
    pub fn ended_us(&self) -> Option<u32> {
        (self.ended_us < BEFORE).then_some(self.ended_us)
    }

    /// Returns whether the messages were accepted after the connection had ended.
    pub fn is_after_end(&self) -> bool {
        self.ended_us == BEFORE
    }

    /// Records that the connection began `us` after the beginning of the second.
    pub fn begin(&mut self, us: u64) {
        self.began_us = us.min(LATEST_US) as u32;
    }

    /// Records that the connection ended `us` after the beginning of the second.
    pub fn end(&mut self, us: u64) {
        self.ended_us = us.min(LATEST_US) as u32;
    }

    /// Records that the connection had ended before this activity.
    pub fn record_ended_before(&mut self) {
        self.ended_us = BEFORE;
    }

    /// Records an accepted message with this number of forward-paths.
    #[inline]
    pub fn message(&mut self, recipients: u32) {
        self.messages += 1;
        self.recipients += recipients;
        self.recipients_max = self.recipients_max.max(recipients);
    }
}

fn octets_of(client: Option<IpAddr>) -> [u8; 16] {
    let address = match client {
        None => Ipv6Addr::UNSPECIFIED,
        Some(IpAddr::V4(address)) => address.to_ipv6_mapped(),
        // `::` stands for a Unix socket, but a PROXY header may contain it, just as 0.0.0.0.
        Some(IpAddr::V6(address)) if address.is_unspecified() => {
            Ipv4Addr::UNSPECIFIED.to_ipv6_mapped()
        }
        Some(IpAddr::V6(address)) => address,
    };
    address.octets()
}

/// Where the entry of a session was last found, in whichever interval. Any hint is safe: an entry
/// counts only if it has the id of the session.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionHint(u32);

/// The sessions that were active in an interval, one entry each.
#[derive(Debug, Clone)]
pub struct SessionSeconds {
    list: Vec<SessionSecond>,
}

impl SessionSeconds {
    pub fn new() -> SessionSeconds {
        SessionSeconds { list: Vec::with_capacity(ROOM_KEPT) }
    }

    pub fn as_slice(&self) -> &[SessionSecond] {
        &self.list
    }

    /// Returns the entry of the session `id` if it is where `hint` says.
    #[inline]
    pub fn find(&mut self, hint: SessionHint, id: u64) -> Option<&mut SessionSecond> {
        self.list.get_mut(hint.0 as usize).filter(|it| it.id == id)
    }

    /// Adds an entry for a session, and returns where it is; `None` if there are too many.
    #[inline]
    pub fn add(&mut self, key: SessionKey) -> Option<SessionHint> {
        if self.list.len() == SESSIONS_MAX {
            return None;
        }
        self.list.push(SessionSecond::new(key));
        Some(SessionHint(self.list.len() as u32 - 1))
    }

    /// Returns where the entry of the session `id` is; any hint if there is none.
    #[cfg(test)]
    pub fn hint(&self, id: u64) -> SessionHint {
        let at = self.list.iter().position(|it| it.id == id);
        SessionHint(at.unwrap_or_default() as u32)
    }

    /// Finds or adds the entry of a session, see [`SessionSeconds::find`].
    #[cfg(test)]
    pub fn of(&mut self, hint: &mut SessionHint, key: SessionKey) -> Option<&mut SessionSecond> {
        if self.find(*hint, key.id).is_none() {
            *hint = self.add(key)?;
        }
        self.find(*hint, key.id)
    }

    /// Adds the entries of another worker; no session belongs to two workers.
    pub fn append(&mut self, other: &SessionSeconds) {
        self.list.extend_from_slice(&other.list);
    }

    /// Clears the entries. Unused capacity shrinks over time.
    pub fn clear(&mut self) {
        let needed = self.list.len();
        self.list.clear();
        if self.list.capacity() > ROOM_KEPT.max(needed * 4) {
            self.list.shrink_to(ROOM_KEPT.max(needed * 2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u64) -> SessionKey {
        SessionKey { id, client: Some([127, 0, 0, 1].into()) }
    }

    #[test]
    fn a_session_has_one_place_in_each_interval() {
        let (mut one, mut other) = (SessionSeconds::new(), SessionSeconds::new());
        let (mut seven, mut eight) = Default::default();
        one.of(&mut seven, key(7)).unwrap().message(1);
        one.of(&mut eight, key(8)).unwrap().message(1);
        one.of(&mut seven, key(7)).unwrap().message(3);
        // In the next second, earlier hints are wrong.
        other.of(&mut eight, key(8)).unwrap().message(1);
        other.of(&mut seven, key(7)).unwrap().message(1);
        other.of(&mut eight, key(8)).unwrap().message(1);
        let figures = |seconds: &SessionSeconds| {
            let of = |it: &SessionSecond| (it.id, it.messages, it.recipients, it.recipients_max);
            seconds.as_slice().iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(figures(&one), [(7, 2, 4, 3), (8, 1, 1, 1)]);
        assert_eq!(figures(&other), [(8, 2, 2, 1), (7, 1, 1, 1)]);
    }

    #[test]
    fn the_sessions_of_an_interval_are_bounded() {
        let mut seconds = SessionSeconds::new();
        for id in 0..SESSIONS_MAX as u64 {
            assert!(seconds.of(&mut SessionHint::default(), key(id + 1)).is_some());
        }
        assert!(seconds.of(&mut SessionHint::default(), key(0)).is_none());
        let mut last = SessionHint(SESSIONS_MAX as u32 - 1);
        assert!(seconds.of(&mut last, key(SESSIONS_MAX as u64)).is_some(), "one that has a place");
        // Unused capacity is released.
        for _ in 0..20 {
            seconds.clear();
        }
        assert!(seconds.list.capacity() <= ROOM_KEPT);
    }

    #[test]
    fn a_client_is_an_address_of_either_family_or_a_unix_socket() {
        for text in ["192.0.2.1", "2001:db8::1", "::1", "127.0.0.1"] {
            let address: IpAddr = text.parse().unwrap();
            let second = SessionSecond::new(SessionKey { id: 1, client: Some(address) });
            assert_eq!(second.client(), Some(address));
        }
        assert_eq!(SessionSecond::new(SessionKey { id: 1, client: None }).client(), None);
        // A PROXY header may contain this address, which is not a Unix socket.
        let unspecified = Some(Ipv6Addr::UNSPECIFIED.into());
        let second = SessionSecond::new(SessionKey { id: 1, client: unspecified });
        assert_eq!(second.client(), Some([0, 0, 0, 0].into()));
    }
}
