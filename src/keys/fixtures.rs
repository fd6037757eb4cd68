//! Keys, sets and tokens for tests: those of the recorded suites.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::store::JwksStore;

static ALL: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../tests/conformance/fixtures.json")).unwrap());

/// A token by name.
pub(crate) fn token(name: &str) -> String {
    ALL["tokens"][name].as_str().unwrap_or_else(|| panic!("no token {name}")).to_owned()
}

/// A set by name.
pub(crate) fn set(name: &str) -> Value {
    assert!(ALL["jwks"][name].is_object(), "no set {name}");
    ALL["jwks"][name].clone()
}

/// A set of these keys, as a document.
pub(crate) fn document(name: &str) -> String {
    set(name).to_string()
}

/// A set as a URL that holds it.
pub(crate) fn inline(name: &str) -> String {
    format!("inline://{}", STANDARD.encode(document(name)))
}

/// The key of a set, by its `kid`.
pub(crate) fn key(of: &str, kid: &str) -> Value {
    let set = set(of);
    set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap().clone()
}

/// A token of these parts, with an HMAC-SHA256 of `secret` as its signature.
pub(crate) fn hs256(header: &Value, payload: &str, secret: &[u8]) -> String {
    let text = |part: &str| URL_SAFE_NO_PAD.encode(part);
    let signed = format!("{}.{}", text(&header.to_string()), text(payload));
    // HMAC fills up a short key with zeros, and OpenSSL takes no empty one.
    let key = openssl::pkey::PKey::hmac(if secret.is_empty() { b"\0" } else { secret }).unwrap();
    let mut hmac = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), &key).unwrap();
    let code = hmac.sign_oneshot_to_vec(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(code))
}

/// A store whose time stands still until a test moves it.
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn store() -> (Self, JwksStore) {
        let now = Arc::new(AtomicU64::new(1_000_000));
        let read = Arc::clone(&now);
        (Self(now), JwksStore::with_clock(move || read.load(Ordering::SeqCst)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// Runs a future as a worker of the server does: on one thread that also runs its background tasks.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

/// Lets background tasks go on as far as they can.
pub(crate) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
