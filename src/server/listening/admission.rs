//! Limits on connections, and the choice of a worker for each: counters shared by all workers.
use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::config::Config;
use crate::smtp::session::Farewell;

/// Descriptors kept for segments, listeners and the terminal.
const DESCRIPTORS_RESERVED: u64 = 256;

/// The counters and limits.
#[derive(Debug)]
pub struct Admission {
    /// Connections claimed on each worker. All accesses pair with each other only: the numbers
    /// publish nothing else, so every ordering is relaxed.
    claimed: Vec<AtomicU32>,
    connections: AtomicU32,
    connections_max: AtomicU32,
    /// Limit on connections from one address; 0: none (see the method `per_client_max`).
    per_client_max: AtomicU32,
    /// The limit if none is configured: what the available descriptors allow.
    room: u32,
    clients: Mutex<HashMap<IpAddr, u32>>,
}

impl Admission {
    /// `descriptors`: the number of descriptors that this process may have open.
    pub fn new(config: &Config, workers: usize, descriptors: u64) -> Admission {
        let room = descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(descriptors / 2);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        let admission = Admission {
            claimed: (0..workers).map(|_| AtomicU32::new(0)).collect(),
            connections: AtomicU32::new(0),
            connections_max: AtomicU32::new(0),
            per_client_max: AtomicU32::new(0),
            room,
            clients: Mutex::new(HashMap::new()),
        };
        admission.set_limits(config);
        admission
    }

    /// Applies the limits of `config` to new connections. Open connections stay, even above the
    /// limits.
    pub fn set_limits(&self, config: &Config) {
        let connections_max = config.clients.connections_max.unwrap_or(self.room);
        self.connections_max.store(connections_max, Ordering::Relaxed);
        let per_client_max = config.clients.connections_per_client_max.unwrap_or(0);
        self.per_client_max.store(per_client_max, Ordering::Relaxed);
    }

    /// Returns the number of open connections, on all workers.
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Returns whether every count is zero again.
    #[cfg(feature = "testkit")]
    pub fn is_at_rest(&self) -> bool {
        let clients = self.clients.lock().expect("no thread panics while holding it");
        let is_zero = |count: &AtomicU32| count.load(Ordering::Relaxed) == 0;
        self.claimed.iter().all(is_zero) && self.connections() == 0 && clients.is_empty()
    }

    /// Counts a new connection, or returns why it is not admitted. `address`: its client's address;
    /// `None` if there is none or it is not known yet. Returns whether the connection counts toward
    /// the limit of `address`.
    pub fn enter(&self, address: Option<IpAddr>) -> Result<bool, Farewell> {
        let connections_max = self.connections_max.load(Ordering::Relaxed);
        if self.connections.fetch_add(1, Ordering::Relaxed) >= connections_max {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(Farewell::TooManyConnections);
        }
        let entered = address.map_or(Ok(false), |address| self.identify(address));
        if entered.is_err() {
            self.connections.fetch_sub(1, Ordering::Relaxed);
        }
        entered
    }

    /// Counts an admitted connection toward the limit of `address`, or returns why it must close.
    /// Returns whether it was counted: without a limit per address nothing is.
    pub fn identify(&self, address: IpAddr) -> Result<bool, Farewell> {
        let Some(max) = self.per_client_max() else { return Ok(false) };
        let mut clients = self.clients.lock().expect("no thread panics while holding it");
        let open = clients.entry(address.to_canonical()).or_insert(0);
        if *open >= max.get() {
            return Err(Farewell::TooManyFromAddress);
        }
        *open += 1;
        Ok(true)
    }

    /// Returns the limit on connections from one address, if there is one.
    fn per_client_max(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.per_client_max.load(Ordering::Relaxed))
    }

    /// Claims a place on the least loaded worker and returns its number. `own` wins ties.
    ///
    /// While no connection ends, the counts stay within one of each other: the compare-and-swap
    /// succeeds only if the chosen count is still what was read, and the others only grew.
    pub fn claim(&self, own: usize) -> usize {
        loop {
            let load = |worker: usize| self.claimed[worker].load(Ordering::Relaxed);
            let (mut best, mut least) = (own, load(own));
            for worker in 0..self.claimed.len() {
                let count = load(worker);
                if count < least {
                    (best, least) = (worker, count);
                }
            }
            let swap = self.claimed[best].compare_exchange_weak(
                least,
                least + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if swap.is_ok() {
                return best;
            }
        }
    }

    /// Moves a claim to another worker.
    pub fn move_claim(&self, from: usize, to: usize) {
        self.claimed[from].fetch_sub(1, Ordering::Relaxed);
        self.claimed[to].fetch_add(1, Ordering::Relaxed);
    }

    /// Removes a connection of `worker` that has ended. `address`: the one it counted toward;
    /// `None` if it counted toward none.
    pub fn leave(&self, worker: usize, address: Option<IpAddr>) {
        self.claimed[worker].fetch_sub(1, Ordering::Relaxed);
        self.connections.fetch_sub(1, Ordering::Relaxed);
        if let Some(address) = address {
            self.release(address);
        }
    }

    /// Removes a connection from the count of `address`.
    pub fn release(&self, address: IpAddr) {
        let mut clients = self.clients.lock().expect("no thread panics while holding it");
        let address = address.to_canonical();
        if let Some(open) = clients.get_mut(&address) {
            *open -= 1;
            if *open == 0 {
                clients.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClientSettings;

    fn limits(max: u32, per_client: Option<u32>) -> Config {
        let clients = ClientSettings {
            connections_max: Some(max),
            connections_per_client_max: per_client,
            ..ClientSettings::default()
        };
        Config { clients, ..Config::default() }
    }

    fn admission(workers: usize, max: u32, per_client: Option<u32>) -> Admission {
        Admission::new(&limits(max, per_client), workers, 1000)
    }

    #[test]
    fn claims_stay_within_one_of_each_other() {
        let admission = admission(3, 100, None);
        std::thread::scope(|scope| {
            for own in 0..3 {
                let admission = &admission;
                scope.spawn(move || {
                    for _ in 0..100 {
                        admission.claim(own);
                    }
                });
            }
        });
        let counts: Vec<u32> =
            admission.claimed.iter().map(|c| c.load(Ordering::Relaxed)).collect();
        assert_eq!(counts, [100, 100, 100]);
    }

    /// A connection admitted before the limit was set is not in the count, so its end does not
    /// lower the count.
    #[test]
    fn a_limit_set_later_counts_only_later_connections() {
        let a = Some(IpAddr::from([127, 0, 0, 1]));
        let admission = admission(1, 9, None);
        let leave = |address| {
            admission.claim(0);
            admission.leave(0, address);
        };
        assert_eq!(admission.enter(a), Ok(false));
        admission.set_limits(&limits(3, Some(1)));
        assert_eq!(admission.enter(a), Ok(true));
        leave(None);
        assert_eq!(admission.enter(a), Err(Farewell::TooManyFromAddress));
        admission.set_limits(&limits(3, None));
        assert_eq!(admission.enter(a), Ok(false));
        assert_eq!(admission.enter(a), Ok(false));
        assert_eq!(admission.enter(a), Err(Farewell::TooManyConnections));
        leave(a);
        assert!(admission.clients.lock().unwrap().is_empty());
    }

    #[test]
    fn limits_hold_and_places_are_freed() {
        let client = |host: u8| Some(IpAddr::from([127, 0, 0, host]));
        let (a, b) = (client(1), client(2));
        let admission = admission(1, 3, Some(2));
        admission.enter(a).unwrap();
        admission.enter(a).unwrap();
        assert_eq!(admission.enter(a), Err(Farewell::TooManyFromAddress));
        admission.enter(b).unwrap();
        assert_eq!(admission.enter(b), Err(Farewell::TooManyConnections));
        for client in [a, b] {
            admission.claim(0);
            admission.leave(0, client);
        }
        (0..2).for_each(|_| assert_eq!(admission.enter(None), Ok(false)));
        assert_eq!(admission.enter(None), Err(Farewell::TooManyConnections));
        (0..2).for_each(|_| {
            admission.claim(0);
            admission.leave(0, None);
        });
        admission.enter(a).unwrap();
    }

    #[test]
    fn a_connection_whose_client_changes_frees_its_place() {
        let address = |host: u8| IpAddr::from([127, 0, 0, host]);
        let admission = admission(1, 9, Some(1));
        admission.enter(Some(address(1))).unwrap();
        assert_eq!(admission.enter(Some(address(1))), Err(Farewell::TooManyFromAddress));
        admission.release(address(1));
        admission.identify(address(2)).unwrap();
        admission.enter(Some(address(1))).unwrap();
        assert_eq!(admission.identify(address(2)), Err(Farewell::TooManyFromAddress));
        assert_eq!(admission.connections(), 2);
    }
}
