//! Parts of rules that many rules have in common, kept once.
//!
//! Ten thousand rules seldom have more than some dozen lists of methods and handlers, upstreams and sets of
//! headers among them.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::spec::{HandlerSpec, MatchSpec, MoreSpec, RuleSpec, UpstreamSpec};

/// A part of a rule that others may share.
#[derive(Debug, PartialEq)]
pub struct Common<T: ?Sized>(Arc<T>);

impl<T: ?Sized> Common<T> {
    /// Tells parts apart that are kept apart, as long as both are kept.
    pub fn place(&self) -> usize {
        Arc::as_ptr(&self.0).cast::<()>().addr()
    }
}

impl<T: ?Sized> Clone for Common<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Default> Default for Common<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: ?Sized> Deref for Common<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Common<T> {
    fn from(part: T) -> Self {
        Self(Arc::new(part))
    }
}

impl<T> From<Vec<T>> for Common<[T]> {
    fn from(parts: Vec<T>) -> Self {
        Self(parts.into())
    }
}

impl<'c, T> IntoIterator for &'c Common<[T]> {
    type Item = &'c T;
    type IntoIter = std::slice::Iter<'c, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Serialize + ?Sized> Serialize for Common<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: ?Sized> Deserialize<'de> for Common<T>
where
    Box<T>: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Box::deserialize(deserializer)?.into()))
    }
}

/// What there is of one kind of parts.
pub struct Pool<T: ?Sized> {
    hasher: RandomState,
    /// By their hash. One whose hash is another's is not kept: that it is not shared harms nobody.
    known: HashMap<u64, Common<T>>,
}

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Self { hasher: RandomState::new(), known: HashMap::new() }
    }
}

impl<T: Hash + ?Sized> Pool<T> {
    /// The part that is the same as `part`, to be used in its place.
    pub fn share(&mut self, part: Common<T>, same: impl Fn(&T, &T) -> bool) -> Common<T> {
        let known = self.known.entry(self.hasher.hash_one(&*part)).or_insert_with(|| part.clone());
        if same(known, &part) { known.clone() } else { part }
    }

    /// As [`share`](Self::share), of what was not made yet.
    pub fn share_new<B>(&mut self, part: B) -> Common<T>
    where
        B: Borrow<T> + Into<Common<T>>,
        T: PartialEq,
    {
        match self.known.get(&self.hasher.hash_one(part.borrow())) {
            Some(known) if **known == *part.borrow() => known.clone(),
            _ => self.share(part.into(), PartialEq::eq),
        }
    }
}

/// What the rules of a load have in common.
#[derive(Default)]
pub struct Parts {
    methods: Pool<[String]>,
    handlers: Pool<[HandlerSpec]>,
    authorizer: Pool<HandlerSpec>,
    upstream: Pool<UpstreamSpec>,
    /// That nothing is asked beside method and URL.
    nothing_more: Common<MoreSpec>,
}

impl Parts {
    /// Puts parts that are known already in the place of equal ones.
    pub fn share(&mut self, spec: &mut RuleSpec) {
        let RuleSpec { matches, authenticators, authorizer, authorizers, mutators, errors, upstream, .. } =
            spec;
        if let Some(MatchSpec::Http { methods, more, .. }) = matches {
            if let Some(methods) = methods {
                *methods = self.methods.share(methods.clone(), PartialEq::eq);
            }
            if **more == *self.nothing_more {
                *more = self.nothing_more.clone();
            }
        }
        for list in [authenticators, authorizers, mutators, errors].into_iter().flatten() {
            *list = self.handlers.share(list.clone(), |a, b| {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_handler(a, b))
            });
        }
        *authorizer = self.authorizer.share(authorizer.clone(), is_same_handler);
        *upstream = self.upstream.share(upstream.clone(), PartialEq::eq);
    }
}

fn is_same_handler(a: &HandlerSpec, b: &HandlerSpec) -> bool {
    let config = match (&a.config, &b.config) {
        (None, None) => true,
        (Some(a), Some(b)) => is_same(a, b),
        _ => false,
    };
    config && a.handler == b.handler && a.on_failure == b.on_failure
}

/// Whether two values are written the same, with their keys in the same order: what is equal in another order is
/// shown, and perhaps done, in another order.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((k, a), (l, b))| k == l && is_same(a, b))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(mutator: &Value) -> RuleSpec {
        serde_json::from_value(json!({
            "id": "r",
            "match": {"methods": ["GET", "POST"], "url": "http://h/"},
            "authenticators": [{"handler": "noop"}],
            "authorizer": {"handler": "allow"},
            "mutators": [mutator],
            "upstream": {"url": "http://app/"},
        }))
        .unwrap()
    }

    #[test]
    fn rules_share_what_is_written_the_same_and_nothing_else() {
        let header = |config: Value| json!({"handler": "header", "config": config});
        let one = header(json!({"headers": {"X-A": "1", "X-B": "2"}}));
        for (other, shared) in [
            (one.clone(), true),
            (header(json!({"headers": {"X-B": "2", "X-A": "1"}})), false),
            (header(json!({"headers": {"X-A": "1", "X-B": "3"}})), false),
            (header(json!({"headers": {"X-A": "1"}})), false),
            (json!({"handler": "header"}), false),
        ] {
            let mut parts = Parts::default();
            let (mut first, mut second) = (spec(&one), spec(&other));
            let written = second.clone();
            parts.share(&mut first);
            parts.share(&mut second);
            let place = |spec: &RuleSpec| spec.mutators.as_ref().unwrap().place();
            assert_eq!(place(&first) == place(&second), shared, "{other}");
            assert_eq!(first.authorizer.place(), second.authorizer.place());
            assert_eq!(first.upstream.place(), second.upstream.place());
            assert_eq!(second.shown().to_string(), written.shown().to_string());
        }
    }
}
