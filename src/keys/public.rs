//! Public keys: what `/.well-known/jwks.json` shows of the keys that sign.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::ring::KeyRing;
use super::sign::go_json;
use super::store::{JwksStore, Times};
use crate::upstream::Fetch;

/// The key sets that `id_token` mutators sign with. Made anew with every set of rules.
#[derive(Debug)]
pub struct PublicKeys {
    ring: KeyRing,
    configured: bool,
}

/// Key sets are configured, but not one of them can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("None of the provided URLs returned a valid JSON Web Key Set.")]
pub struct NoKeySet;

impl PublicKeys {
    /// The sets at the `jwks_url`s of the `id_token` mutator: the global one, then those of the rules in
    /// their order. A URL that is named twice counts once; one that no set can be read from is left to
    /// the mutator to report.
    pub fn new<'u>(store: &JwksStore, urls: impl IntoIterator<Item = &'u str>, times: Times) -> Self {
        let mut seen = BTreeSet::new();
        let urls: Vec<&str> = urls.into_iter().filter(|url| seen.insert(*url)).collect();
        let rings = urls.iter().filter_map(|url| store.ring(&[url], times).ok());
        Self { ring: KeyRing::join(rings, times), configured: !urls.is_empty() }
    }

    /// The public half of every key of every set, as a JSON document with a final newline. Shared secrets
    /// are never in it. Waits for sets that have to be read.
    pub async fn document(&self, fetch: &Rc<dyn Fetch>) -> Result<Vec<u8>, NoKeySet> {
        let sets = self.ring.sets(fetch).await;
        if self.configured && sets.is_empty() {
            return Err(NoKeySet);
        }
        let keys = sets.iter().flat_map(|set| set.public().cloned().map(Value::Object)).collect();
        let mut document = go_json(&Value::Object(Map::from_iter([("keys".to_owned(), Value::Array(keys))])));
        document.push(b'\n');
        Ok(document)
    }
}
