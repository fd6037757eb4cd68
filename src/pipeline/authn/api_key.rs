//! `api_key`: a key whose SHA-256 digest stands in a file, with whom it belongs to.
//!
//! Keys are looked up by their digest, which nobody can steer, and digests are compared in constant time: how long a
//! look takes says nothing about the keys that are there. The file is a list, in YAML or JSON:
//!
//! ```yaml
//! - sha256: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b  # printf %s KEY | sha256sum
//!   subject: billing
//!   extra: {plan: pro}
//! ```

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use openssl::sha::sha256;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::credential_file::{self, Read};
use super::token_from::TokenFrom;
use crate::diagnostic::Finding;
use crate::pipeline::handler::{Answer, Authentication, Authenticator, BuildContext, Exchange, Registration};
use crate::pipeline::{Denial, Detail, settings};

/// The `api_key` authenticator.
pub const REGISTRATION: Registration<dyn Authenticator> =
    Registration { id: "api_key", build: |context, config| Ok(Box::new(ApiKey::build(context, config)?)) };

/// Where a key is unless `token_from` says otherwise.
const HEADER: &str = "X-Api-Key";

#[derive(Deserialize)]
struct Settings {
    keys_file: String,
    #[serde(default)]
    token_from: Option<TokenFrom>,
    #[serde(default)]
    prefix: String,
}

struct ApiKey {
    token_from: TokenFrom,
    prefix: String,
    /// None where the file was never good.
    keys: Option<Arc<Keys>>,
}

/// Whom keys belong to, by digest.
type Keys = HashMap<Digest, Owner>;

/// The SHA-256 digest of a key.
#[derive(Clone, Copy, Eq)]
struct Digest([u8; 32]);

impl PartialEq for Digest {
    /// In constant time, the only way in which digests are compared.
    fn eq(&self, other: &Self) -> bool {
        #[cfg(test)]
        tests::COMPARED.set(tests::COMPARED.get() + 1);
        openssl::memcmp::eq(&self.0, &other.0)
    }
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

struct Owner {
    subject: Arc<str>,
    extra: Option<Arc<Map<String, Value>>>,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    sha256: String,
    subject: String,
    #[serde(default)]
    extra: Option<Map<String, Value>>,
}

impl ApiKey {
    fn build(context: &BuildContext<'_>, config: &Value) -> Result<Self, Vec<Finding>> {
        let settings: Settings = settings(config)?;
        Ok(Self {
            token_from: settings.token_from.unwrap_or_else(|| TokenFrom::Header(HEADER.to_owned())),
            prefix: settings.prefix,
            keys: credential_file::open(context, &settings.keys_file, read),
        })
    }
}

fn read(text: &str) -> Result<Read<Keys>, String> {
    let broken = || "not a list of `sha256`, `subject` and `extra`".to_owned();
    let list: Option<Vec<Value>> = serde_yaml::from_str(text).map_err(|_| broken())?;
    let mut keys = Keys::new();
    let mut notes = Vec::new();
    for (number, entry) in list.unwrap_or_default().into_iter().enumerate().map(|(n, e)| (n + 1, e)) {
        let entry = Entry::deserialize(entry).ok().filter(|entry| !entry.subject.is_empty());
        let digest = entry.as_ref().and_then(|entry| digest(&entry.sha256));
        let (Some(entry), Some(digest)) = (entry, digest) else {
            notes.push(format!(
                "entry {number} has no `sha256` of 64 hexadecimal digits, no `subject`, or an unknown key"
            ));
            continue;
        };
        if keys.contains_key(&digest) {
            notes.push(format!("entry {number} is about a key that has one already"));
            continue;
        }
        keys.insert(digest, Owner { subject: entry.subject.into(), extra: entry.extra.map(Arc::new) });
    }
    Ok(Read { content: keys, notes })
}

fn digest(hex: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, digits) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(Digest(digest))
}

impl Authenticator for ApiKey {
    fn authenticate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, Authentication> {
        let key = self.token_from.find(exchange.request);
        let Some(key) = key.filter(|key| key.starts_with(self.prefix.as_bytes())) else {
            return Answer::Now(Ok(Authentication::NotResponsible));
        };
        Answer::Now(match &self.keys {
            Some(keys) => admit(exchange, keys, &Digest(sha256(&key))),
            None => Err(credential_file::unreadable()),
        })
    }
}

fn admit(exchange: &mut Exchange<'_>, keys: &Keys, digest: &Digest) -> Result<Authentication, Denial> {
    let Some(owner) = keys.get(digest) else {
        return Err(Denial::Unauthenticated { why: Detail::id("key-unknown").public("key-unknown") });
    };
    exchange.session.subject = Arc::clone(&owner.subject);
    exchange.session.extra.clone_from(&owner.extra);
    Ok(Authentication::Subject)
}

#[cfg(test)]
mod tests;
