//! Context: what a worker lends to a decision, and Shared: what all workers have in common.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::files::Files;
use crate::cache::Cache;
use crate::keys::JwksStore;
use crate::metrics::Tally;
use crate::request::body::BodyRoom;
use crate::upstream::Fetch;
use crate::upstream::calls::Calls;
use crate::upstream::tls::Outbound;

/// What all workers share and what outlives a reload: key sets, caches, calls under way.
#[derive(Clone)]
pub struct Shared {
    /// Key sets by URL, fetched and refreshed in one place.
    pub jwks: Arc<JwksStore>,
    /// What is remembered between requests, under one byte budget.
    pub cache: Arc<Cache>,
    /// Calls to backends that are under way.
    pub calls: Arc<Calls>,
    /// Files that handlers read, as last read without error.
    pub files: Arc<Files>,
    /// Room for the bodies of requests that are kept while they are decided on.
    pub bodies: BodyRoom,
    /// Whom calls out trust.
    pub outbound: Arc<Outbound>,
}

impl Shared {
    /// No keys yet, nothing remembered; caches may grow to so many bytes in all.
    pub fn new(cache_bytes: usize) -> Self {
        Self {
            jwks: Arc::new(JwksStore::new()),
            cache: Arc::new(Cache::new(cache_bytes)),
            calls: Arc::default(),
            files: Arc::default(),
            bodies: BodyRoom::default(),
            outbound: Arc::default(),
        }
    }
}

/// What one worker lends to the decisions it makes. Not `Send`: the HTTP client is bound to its thread.
pub struct Context {
    /// The worker's HTTP client.
    pub fetch: Rc<dyn Fetch>,
    /// Now, as seconds since 1970.
    pub clock: fn() -> u64,
    /// What the worker counts with, where somebody wants to know.
    pub tally: Option<Arc<Tally>>,
}

impl Context {
    /// A context with the machine's clock.
    pub fn new(fetch: Rc<dyn Fetch>) -> Self {
        Self { fetch, clock: unix_now, tally: None }
    }

    /// Now, as seconds since 1970.
    pub fn now(&self) -> u64 {
        (self.clock)()
    }
}

/// Seconds since 1970 by the machine's clock.
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
