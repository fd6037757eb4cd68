//! What the server runs with at the moment: swapped whole by a reload, read without a lock.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::status::Status;
use crate::config::Config;
use crate::gateway::{self, Dialect};
use crate::pipeline::cors::Policy;
use crate::pipeline::{Engine, Shared};
use crate::rule::remote::Known;

/// Everything a request is served with, immutable.
pub struct Snapshot {
    /// Decides.
    pub engine: Engine,
    /// The configuration it was made of.
    pub config: Arc<Config>,
    /// Cross-origin answers of the API.
    pub(super) cors: Policy,
    /// Where gateways ask, beside `/decisions`.
    pub(super) endpoints: Vec<Endpoint>,
    /// Key sets whose public halves `/.well-known/jwks.json` shows.
    pub jwks_urls: Vec<String>,
}

/// A path at which a gateway asks in its dialect.
pub(super) struct Endpoint {
    pub path: String,
    pub dialect: &'static dyn Dialect,
}

impl Snapshot {
    /// Puts a snapshot together.
    pub fn new(engine: Engine, config: Arc<Config>) -> Self {
        let endpoints = config
            .serve
            .endpoints
            .iter()
            .filter_map(|e| {
                gateway::dialect(&e.dialect).map(|dialect| Endpoint { path: e.path.clone(), dialect })
            })
            .collect();
        let jwks_urls = jwks_urls(&engine, &config);
        Self { cors: Policy::new(&config.serve.api.cors), endpoints, engine, config, jwks_urls }
    }
}

/// The key sets that id tokens are signed with: the global one and every rule's own.
fn jwks_urls(engine: &Engine, config: &Config) -> Vec<String> {
    let global = config.mutators.0.get("id_token").map(|h| &h.config);
    let of_rules = engine
        .rules()
        .valid()
        .flat_map(|rule| rule.spec.mutators.iter().flatten())
        .filter(|m| m.handler == "id_token")
        .filter_map(|m| m.config.as_ref());
    let mut urls: Vec<String> = Vec::new();
    for config in global.into_iter().chain(of_rules) {
        if let Some(url) = config.get("jwks_url").and_then(serde_json::Value::as_str)
            && !urls.iter().any(|u| u == url)
        {
            urls.push(url.to_owned());
        }
    }
    urls
}

/// The current snapshot.
pub struct Live {
    snapshot: ArcSwap<Snapshot>,
    status: ArcSwap<Status>,
    /// What is known of remote rule sources at the moment.
    pub(super) remote: Arc<Known>,
    /// What outlives a reload.
    pub shared: Shared,
}

impl Live {
    /// Starts with a first snapshot.
    pub(super) fn new(snapshot: Snapshot, status: Status, remote: Arc<Known>, shared: Shared) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            status: ArcSwap::from_pointee(status),
            remote,
            shared,
        }
    }

    /// The snapshot to serve a request with. It holds up no reload, however long it is kept, and as long as a
    /// worker keeps few of them, they touch no count that workers share.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// The snapshot, to be held for longer than one request.
    pub fn load_full(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Swaps in another snapshot; requests under way end with the one they began with. It is given back, to
    /// be dropped where that takes no request's time.
    pub(super) fn store(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        self.snapshot.swap(Arc::new(snapshot))
    }

    /// What is told about where the rules come from.
    pub(super) fn status(&self) -> Arc<Status> {
        self.status.load_full()
    }

    /// Sets what is told about where the rules come from.
    pub(super) fn tell(&self, status: Status) {
        self.status.store(Arc::new(status));
    }
}
