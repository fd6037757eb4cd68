//! A JSON Web Key Set (RFC 7517 section 5): keys that cannot be used are left out, the others work.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openssl::sha::sha256;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::jwk::{Key, Private, Use};
use super::material::Unusable;
use super::sign::{self, SignError, Signer};

/// More keys of one document are left out.
const MOST_KEYS: usize = 500;

/// A parsed set.
#[derive(Debug)]
pub struct KeySet {
    version: u64,
    digest: [u8; 32],
    keys: Vec<Arc<Key>>,
    left_out: Vec<LeftOut>,
    signing: Vec<Signing>,
    default: Result<Arc<SigningKey>, NoSigningKey>,
}

/// A key that is left out.
#[derive(Debug, Clone)]
pub struct LeftOut {
    /// Its place in `keys`.
    pub index: usize,
    /// Its `kid`, where it is text.
    pub kid: Option<String>,
    /// Why.
    pub reason: Unusable,
}

/// The document is no set at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotASet {
    /// Not JSON.
    #[error("it is not JSON")]
    Json,
    /// No list of keys.
    #[error("it has no list `keys`")]
    NoKeys,
}

/// Why a set has no key to sign with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSigningKey {
    /// No private key or shared secret with a `kid`.
    #[error("no suitable key could be found")]
    None,
    /// There is one, but it cannot sign.
    #[error("{0}")]
    Unusable(String),
}

/// A key of a set, ready to sign tokens.
pub struct SigningKey {
    signer: Arc<Signer>,
    kid: String,
    header: String,
}

impl KeySet {
    /// Parses a document. Every set gets a version of its own.
    pub fn parse(document: &[u8]) -> Result<Self, NotASet> {
        static VERSIONS: AtomicU64 = AtomicU64::new(1);
        let value: Value = serde_json::from_slice(document).map_err(|_| NotASet::Json)?;
        let list = value.get("keys").and_then(Value::as_array).ok_or(NotASet::NoKeys)?;
        let (mut keys, mut left_out) = (Vec::new(), Vec::new());
        for (index, jwk) in list.iter().enumerate() {
            let key = if index < MOST_KEYS {
                Key::parse(jwk)
            } else {
                Err(Unusable(format!("a set may have {MOST_KEYS} keys")))
            };
            match key {
                Ok(key) => keys.push(Arc::new(key)),
                Err(reason) => {
                    let kid = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
                    left_out.push(LeftOut { index, kid, reason });
                }
            }
        }
        let signing =
            keys.iter().enumerate().filter_map(|(index, key)| Signing::new(index, key, &keys)).collect();
        let mut set = Self {
            version: VERSIONS.fetch_add(1, Ordering::Relaxed),
            digest: sha256(document),
            keys,
            left_out,
            signing,
            default: Err(NoSigningKey::None),
        };
        set.default = set.choose();
        Ok(set)
    }

    /// Tells sets apart: no two that were ever parsed share one.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether this set came from exactly this document.
    pub fn is_from(&self, document: &[u8]) -> bool {
        self.digest == sha256(document)
    }

    /// The first key with this `kid` that is for signatures. A key without `use` counts when `unsaid` does.
    pub fn find(&self, kid: &str, unsaid: bool) -> Option<&Arc<Key>> {
        self.verifying(unsaid).find(|key| key.kid() == Some(kid))
    }

    /// The key for signatures, where the set has exactly one.
    pub fn only(&self, unsaid: bool) -> Option<&Arc<Key>> {
        let mut keys = self.verifying(unsaid);
        keys.next().filter(|_| keys.next().is_none())
    }

    fn verifying(&self, unsaid: bool) -> impl Iterator<Item = &Arc<Key>> {
        self.keys
            .iter()
            .filter(move |key| key.usage() == Use::Signature || (unsaid && key.usage() == Use::Unsaid))
    }

    /// The key that signs: the one called `kid`, else the one Oathkeeper would take.
    pub fn signing_key(&self, kid: Option<&str>) -> Result<&Arc<SigningKey>, NoSigningKey> {
        match kid {
            Some(kid) => {
                self.signing.iter().map(|s| &s.key).find(|key| key.kid == kid).ok_or(NoSigningKey::None)
            }
            None => self.default.as_ref().map_err(Clone::clone),
        }
    }

    /// The public halves, in the order of the document.
    pub fn public(&self) -> impl Iterator<Item = &Map<String, Value>> {
        self.keys.iter().filter_map(|key| key.public())
    }

    /// The keys, in the order of the document.
    pub fn keys(&self) -> &[Arc<Key>] {
        &self.keys
    }

    /// The keys that are left out, with reasons.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// A set is walked until a private key and its public half, or a shared secret, were seen; a set with
    /// private keys alone signs with the last of them.
    fn choose(&self) -> Result<Arc<SigningKey>, NoSigningKey> {
        let mut chosen: Option<&Signing> = None;
        let mut public: Vec<&Arc<Key>> = Vec::new();
        let mut reason = NoSigningKey::None;
        for (index, key) in self.keys.iter().enumerate() {
            match key.private() {
                Private::Absent => public.push(key),
                Private::Unusable(why) => reason = NoSigningKey::Unusable(why.clone()),
                Private::Ready(_, secret) => {
                    chosen = self.signing.iter().find(|s| s.index == index).or(chosen);
                    if *secret && chosen.is_some_and(|s| s.index == index) {
                        break;
                    }
                }
            }
            let half = chosen.and_then(|s| self.keys.get(s.index));
            if half.is_some_and(|half| public.iter().any(|public| half.is_half_of(public))) {
                break;
            }
        }
        chosen.map(|s| Arc::clone(&s.key)).ok_or(reason)
    }
}

/// A signing key with its place in the set.
#[derive(Debug)]
struct Signing {
    index: usize,
    key: Arc<SigningKey>,
}

impl Signing {
    /// Key `index` of a set, if it can sign and has a name. It goes by the `kid` of its public half where
    /// the set has one.
    fn new(index: usize, key: &Key, all: &[Arc<Key>]) -> Option<Self> {
        let Private::Ready(signer, _) = key.private() else { return None };
        let public = all.iter().map(AsRef::as_ref).find(|other: &&Key| {
            matches!(other.private(), Private::Absent) && other.kid().is_some() && other.is_half_of(key)
        });
        let kid = public.unwrap_or(key).kid()?.to_owned();
        let header = sign::header(signer.algorithm(), &kid);
        Some(Self { index, key: Arc::new(SigningKey { signer: Arc::clone(signer), kid, header }) })
    }
}

impl SigningKey {
    /// The `kid` its tokens name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The `alg` its tokens name.
    pub fn algorithm(&self) -> Algorithm {
        self.signer.algorithm()
    }

    /// Makes a token with this payload.
    pub fn token(&self, payload: &[u8]) -> Result<String, SignError> {
        self.signer.token(&self.header, payload)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
