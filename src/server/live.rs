//! What the server runs with at the moment: swapped whole by a reload, read without a lock.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use http::HeaderName;

use super::reloads::Reloads;
use super::status::Status;
use crate::config::{Answering, Config, Cors};
use crate::gateway::envoy_grpc::EnvoyGrpc;
use crate::gateway::proxy::Proxy;
use crate::gateway::{self, Endpoint, Trust};
use crate::pipeline::cors::Policy;
use crate::pipeline::{Engine, Shared};
use crate::rule::remote::Known;

/// Where gateways ask in Oathkeeper's dialect, whatever else is configured.
const DECISIONS: &str = "/decisions";

/// Everything a request is served with, immutable.
pub struct Snapshot {
    /// Decides.
    pub engine: Engine,
    /// The configuration it was made of.
    pub config: Arc<Config>,
    /// Cross-origin answers of the API.
    pub(super) cors: Policy,
    /// Where gateways ask; the last one is `/decisions`.
    pub(super) endpoints: Vec<Endpoint>,
    /// How the proxy reads requests and refuses them.
    pub(super) proxy: Endpoint,
    /// Cross-origin answers of the proxy.
    pub(super) proxy_cors: Policy,
    /// How Envoy is answered over gRPC.
    pub(super) grpc: Endpoint,
    /// Key sets whose public halves `/.well-known/jwks.json` shows.
    pub jwks_urls: Vec<String>,
}

impl Snapshot {
    /// Puts a snapshot together.
    pub fn new(engine: Engine, config: Arc<Config>) -> Self {
        let identity = identity_headers(&engine);
        let serve = &config.serve;
        let endpoint = |path: &str, dialect: &str, settings| {
            gateway::dialect(dialect).map(|dialect| Endpoint::new(path, dialect, settings, &identity))
        };
        let configured = serve.endpoints.iter().filter_map(|e| endpoint(&e.path, &e.dialect, &e.answering));
        let endpoints = configured.chain(endpoint(DECISIONS, "oathkeeper", &serve.decisions)).collect();
        // Where a reload took it out of the configuration, its listener is still there.
        let answering = serve.grpc.as_ref().map_or(&serve.decisions, |grpc| &grpc.answering);
        let grpc = Endpoint::new("", &EnvoyGrpc, answering, &identity);
        // The same; then no rule has an upstream, and nobody is believed.
        let nobody = Answering { trust: Trust::new(Some(&[])), ..Answering::default() };
        let proxy = serve.proxy.as_ref();
        let answering = proxy.map_or(&nobody, |proxy| &proxy.answering);
        let proxy_cors = Policy::new(proxy.map_or(&Cors::default(), |proxy| &proxy.listener.cors));
        let proxy = Endpoint::new("", &Proxy, answering, &identity);
        let jwks_urls = jwks_urls(&engine, &config);
        let cors = Policy::new(&config.serve.api.cors);
        Self { engine, config, cors, endpoints, proxy, proxy_cors, grpc, jwks_urls }
    }

    /// Whether there is a rule to decide by.
    pub(super) fn has_rules(&self) -> bool {
        self.engine.rules().valid().next().is_some()
    }
}

/// What any rule may set. A client's credentials are left out: what other rules put in their place is
/// recognised by its signature or its cookie's name, and most requests need their own.
fn identity_headers(engine: &Engine) -> Vec<HeaderName> {
    let rules = engine.rules().valid();
    let names: BTreeSet<&str> =
        rules.flat_map(|rule| &rule.identity_headers).map(HeaderName::as_str).collect();
    let names = names.into_iter().filter(|name| !matches!(*name, "authorization" | "cookie"));
    names.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect()
}

/// The key sets that id tokens are signed with: the global one and every rule's own.
fn jwks_urls(engine: &Engine, config: &Config) -> Vec<String> {
    let global = config.mutators.0.get("id_token").map(|h| &h.config);
    let of_rules = engine
        .rules()
        .valid()
        .flat_map(|rule| rule.spec.mutators.as_deref().unwrap_or_default())
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
    /// How reloads ended.
    pub(super) reloads: Reloads,
    /// What outlives a reload.
    pub shared: Shared,
}

impl Live {
    /// Starts with a first snapshot.
    pub(super) fn new(snapshot: Snapshot, status: Status, remote: Arc<Known>, shared: Shared) -> Self {
        Self {
            reloads: Reloads::new(status.is_good()),
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

    /// Whether there is a rule to decide by, and every source that was there at start has been read once.
    pub(super) fn is_ready(&self, snapshot: &Snapshot) -> bool {
        snapshot.has_rules() && !self.status.load().waits()
    }

    /// Sets what is told about where the rules come from.
    pub(super) fn tell(&self, status: Status) {
        self.status.store(Arc::new(status));
    }
}
