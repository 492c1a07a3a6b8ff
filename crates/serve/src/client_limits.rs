//! Limits of each client: requests and characters per minute.
//!
//! A client is its API key, or else its address. Its allowance for a minute grows back steadily. A request is admitted while
//! something is left, and may overdraw the allowance, so that a text of any length is admitted at some time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::Extensions;

/// Seconds in which an empty allowance is whole again.
const MINUTE: f64 = 60.0;
/// Clients from which on those with a whole allowance are forgotten.
const MANY_CLIENTS: usize = 16_384;

/// The address of a client. The server's connections add it to each request.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// A client with a valid key.
    Key(String),
    /// A client without a key. Addresses of IPv6 count by network, of 64 bits.
    Address(IpAddr),
    /// A client of a program with an HTTP server of its own.
    Unknown,
}

impl Client {
    /// The client of a request by its address.
    pub fn from_address(extensions: &Extensions) -> Self {
        match extensions.get() {
            Some(ClientAddress(IpAddr::V6(address))) => match address.to_ipv4_mapped() {
                Some(address) => Self::Address(address.into()),
                None => Self::Address(IpAddr::V6((address.to_bits() >> 64 << 64).into())),
            },
            Some(ClientAddress(address)) => Self::Address(*address),
            None => Self::Unknown,
        }
    }
}

/// What a client has exceeded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exceeded {
    /// `requests` or `characters`.
    pub unit: &'static str,
    /// The limit per minute.
    pub limit: u32,
    /// Time until a request is admitted again.
    pub wait: Duration,
}

/// Maximum requests and characters of a client per minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerMinute {
    /// Requests for work.
    pub requests: Option<u32>,
    /// Characters of their texts.
    pub characters: Option<u32>,
}

/// The allowances of all clients.
pub struct ClientLimits {
    limits: PerMinute,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    used: HashMap<Client, Used>,
    /// Number of clients at which those with a whole allowance are forgotten, if it exceeds the constant.
    next_sweep: usize,
}

/// What a client has used of its allowance.
#[derive(Clone, Copy)]
struct Used {
    requests: f64,
    characters: f64,
    at: Instant,
}

impl ClientLimits {
    /// Whole allowances.
    pub fn new(limits: PerMinute) -> Self {
        Self { limits, clients: Mutex::default() }
    }

    /// Charges a request with its characters.
    ///
    /// # Errors
    /// A client without any allowance left, which is not charged.
    pub fn charge(&self, client: &Client, characters: usize) -> Result<(), Exceeded> {
        self.charge_at(client, characters, Instant::now())
    }

    fn charge_at(&self, client: &Client, characters: usize, now: Instant) -> Result<(), Exceeded> {
        if self.limits == PerMinute::default() {
            return Ok(());
        }
        // No code under the lock panics.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.used.len() >= clients.next_sweep.max(MANY_CLIENTS) {
            clients.used.retain(|_, used| {
                used.recover(self.limits, now);
                used.requests > 0.0 || used.characters > 0.0
            });
            clients.next_sweep = 2 * clients.used.len();
        }
        let used = clients.used.entry(client.clone()).or_insert(Used { requests: 0.0, characters: 0.0, at: now });
        used.recover(self.limits, now);
        let PerMinute { requests, characters: of_characters } = self.limits;
        // A whole request must fit, so that a limit of one a minute admits one; of characters, one is enough.
        for (unit, limit, used) in
            [("requests", requests, used.requests), ("characters", of_characters, used.characters)]
        {
            let Some(limit) = limit else { continue };
            let missing = used + 1.0 - f64::from(limit);
            if missing > 1e-9 {
                return Err(Exceeded {
                    unit,
                    limit,
                    wait: Duration::from_secs_f64(missing * MINUTE / f64::from(limit)),
                });
            }
        }
        used.requests += 1.0;
        used.characters += characters as f64;
        Ok(())
    }
}

impl Used {
    /// Subtracts what has grown back since the last time.
    fn recover(&mut self, limits: PerMinute, now: Instant) {
        let minutes = now.saturating_duration_since(self.at).as_secs_f64() / MINUTE;
        let recovered = |used: f64, limit: Option<u32>| (used - minutes * limit.map_or(f64::MAX, f64::from)).max(0.0);
        self.requests = recovered(self.requests, limits.requests);
        self.characters = recovered(self.characters, limits.characters);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn requests_grow_back_steadily() {
        let limits = ClientLimits::new(PerMinute { requests: Some(2), characters: None });
        let (client, start) = (Client::Key("a".to_string()), Instant::now());
        assert_eq!(limits.charge_at(&client, 1000, start), Ok(()));
        assert_eq!(limits.charge_at(&client, 1000, start), Ok(()));
        let exceeded = Exceeded { unit: "requests", limit: 2, wait: Duration::from_secs(30) };
        assert_eq!(limits.charge_at(&client, 1, start), Err(exceeded));
        assert_eq!(limits.charge_at(&Client::Unknown, 1, start), Ok(()), "another client");
        assert_eq!(limits.charge_at(&client, 1, after(start, 30)), Ok(()));
        assert!(limits.charge_at(&client, 1, after(start, 31)).is_err());
    }

    #[test]
    fn a_long_text_is_admitted_and_paid_for() {
        let limits = ClientLimits::new(PerMinute { requests: None, characters: Some(100) });
        let (client, start) = (Client::Unknown, Instant::now());
        assert_eq!(limits.charge_at(&client, 250, start), Ok(()));
        let found = limits.charge_at(&client, 1, start).expect_err("nothing is left");
        assert_eq!((found.unit, found.wait.as_secs()), ("characters", 90));
        assert_eq!(limits.charge_at(&client, 1, after(start, 91)), Ok(()));
    }

    #[test]
    fn networks_of_ipv6_are_one_client() {
        let client = |address: &str| {
            let mut extensions = Extensions::new();
            extensions.insert(ClientAddress(address.parse().expect("an address")));
            Client::from_address(&extensions)
        };
        assert_eq!(client("2001:db8::1"), client("2001:db8::2"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
    }

    #[test]
    fn clients_with_a_whole_allowance_are_forgotten() {
        let limits = ClientLimits::new(PerMinute { requests: Some(60), characters: None });
        let start = Instant::now();
        for number in 0..MANY_CLIENTS {
            limits.charge_at(&Client::Key(number.to_string()), 0, start).expect("a first request");
        }
        limits.charge_at(&Client::Unknown, 0, after(start, 2)).expect("a first request");
        assert_eq!(limits.clients.lock().map(|clients| clients.used.len()).ok(), Some(1));
    }
}
