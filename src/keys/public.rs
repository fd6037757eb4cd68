//! Public keys: what `/.well-known/jwks.json` shows of the keys that sign.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::ring::KeyRing;
use super::store::{JwksStore, Times};
use crate::upstream::Fetch;

/// The key sets that are shown. The store holds the ones shown last, so that a set that no rule signs with
/// is not read anew for every visitor.
pub(super) struct Published {
    urls: Vec<String>,
    ring: KeyRing,
}

/// Key sets are configured, but not one of them can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("None of the provided URLs returned a valid JSON Web Key Set.")]
pub struct NoKeySet;

/// The public half of every key of the sets at `urls`: those of the `id_token` mutators, the global one
/// first. A URL that is named twice counts once, shared secrets are left out, and sets that have to be
/// read are waited for. No URL gives a set without keys.
pub async fn public_set(
    store: &JwksStore,
    urls: &[String],
    fetch: &Rc<dyn Fetch>,
) -> Result<Value, NoKeySet> {
    let published = store.published(|last| match last {
        Some(last) if last.urls == urls => Arc::clone(last),
        _ => Arc::new(Published::new(store, urls)),
    });
    let sets = published.ring.sets(fetch).await;
    if sets.is_empty() && !urls.is_empty() {
        return Err(NoKeySet);
    }
    let keys = sets.iter().flat_map(|set| set.public().cloned().map(Value::Object)).collect();
    Ok(Value::Object(Map::from_iter([("keys".to_owned(), Value::Array(keys))])))
}

impl Published {
    fn new(store: &JwksStore, urls: &[String]) -> Self {
        let mut seen = BTreeSet::new();
        let times = Times::default();
        // A URL that no set can be read from is the mutator's to report.
        let rings =
            urls.iter().filter(|url| seen.insert(*url)).filter_map(|url| store.ring(&[url], times).ok());
        Self { ring: KeyRing::join(rings, times), urls: urls.to_vec() }
    }
}
