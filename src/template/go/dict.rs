//! Dicts: Go's maps from text, borrowed from the session or made by a function.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value as Json};

use super::value::Value;
use crate::template::Numbers;

/// The entries of a dict that a template made.
pub type Entries<'d> = BTreeMap<Cow<'d, str>, Value<'d>>;

/// A map. Those that a template made are shared and can be changed, as in Go; those of the session cannot.
#[derive(Clone)]
pub enum Dict<'d> {
    /// Go's nil map: reads as empty, is `null` as JSON.
    Nil,
    Json(&'d Map<String, Json>, Numbers),
    Made(Rc<RefCell<Entries<'d>>>),
    /// `map[string]string`, which `split` gives.
    Texts(Rc<BTreeMap<String, Cow<'d, str>>>),
}

impl<'d> Dict<'d> {
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    pub fn is_texts(&self) -> bool {
        matches!(self, Self::Texts(_))
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Nil => 0,
            Self::Json(map, _) => map.len(),
            Self::Made(entries) => entries.borrow().len(),
            Self::Texts(entries) => entries.len(),
        }
    }

    pub fn get(&self, key: &str) -> Option<Value<'d>> {
        match self {
            Self::Nil => None,
            Self::Json(map, numbers) => map.get(key).map(|json| Value::json(json, *numbers)),
            Self::Made(entries) => entries.borrow().get(key).cloned(),
            Self::Texts(entries) => entries.get(key).cloned().map(Value::Text),
        }
    }

    pub fn contains(&self, key: &str) -> bool {
        match self {
            Self::Nil => false,
            Self::Json(map, _) => map.contains_key(key),
            Self::Made(entries) => entries.borrow().contains_key(key),
            Self::Texts(entries) => entries.contains_key(key),
        }
    }

    /// What a key that is not there reads as: nil, or empty text where all values are texts.
    pub fn zero(&self) -> Value<'d> {
        if self.is_texts() { Value::text("") } else { Value::Nil }
    }

    /// All keys, sorted by their bytes, as everything that walks a map has them.
    pub fn keys(&self) -> Vec<Cow<'d, str>> {
        let mut keys: Vec<Cow<'d, str>> = match self {
            Self::Nil => Vec::new(),
            Self::Json(map, _) => map.keys().map(|k| Cow::Borrowed(k.as_str())).collect(),
            Self::Made(entries) => return entries.borrow().keys().cloned().collect(),
            Self::Texts(entries) => return entries.keys().cloned().map(Cow::Owned).collect(),
        };
        keys.sort_unstable();
        keys
    }

    /// All entries, sorted by key.
    pub fn entries(&self) -> Vec<(Cow<'d, str>, Value<'d>)> {
        match self {
            Self::Nil => Vec::new(),
            Self::Json(map, numbers) => {
                let mut entries: Vec<_> = map
                    .iter()
                    .map(|(key, json)| (Cow::Borrowed(key.as_str()), Value::json(json, *numbers)))
                    .collect();
                entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
                entries
            }
            Self::Made(entries) => entries.borrow().iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            Self::Texts(entries) => {
                entries.iter().map(|(k, v)| (Cow::Owned(k.clone()), Value::Text(v.clone()))).collect()
            }
        }
    }

    pub fn type_name(&self) -> &'static str {
        if self.is_texts() { "map[string]string" } else { "map[string]interface {}" }
    }
}
