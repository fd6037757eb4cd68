//! Layers: what each file and each environment variable says, and which of them a value came from.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::merge::overlay;
use crate::diagnostic::Source;

/// What one source says.
#[derive(Clone)]
pub struct Layer {
    /// Where it says so.
    pub source: Arc<Source>,
    /// As written.
    pub value: Value,
}

/// The configuration by its sources.
#[derive(Clone, Default)]
pub struct Documents {
    /// A later one wins.
    pub layers: Vec<Layer>,
    /// All layers merged, with the defaults of what none of them says. Holds secrets: not for logs.
    pub effective: Value,
}

/// Names the source only: the values hold secrets.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layer({:?})", self.source.name)
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents").field("layers", &self.layers).finish_non_exhaustive()
    }
}

impl Documents {
    /// All layers merged, without defaults.
    pub(super) fn merged(&self) -> Value {
        let mut merged = Value::Object(serde_json::Map::new());
        for layer in &self.layers {
            overlay(&mut merged, &layer.value);
        }
        merged
    }

    /// Whether some source says something there, not only a default.
    pub fn is_set(&self, pointer: &str) -> bool {
        self.layers.iter().any(|layer| layer.value.pointer(pointer).is_some())
    }

    /// The source that the value at a JSON pointer into the configuration came from; for what is missing,
    /// the source of what it is missing in. For findings about settings that rules build on.
    pub fn source_of(&self, pointer: &str) -> Arc<Source> {
        let mut pointer = pointer;
        loop {
            if let Some(layer) = self.layers.iter().rev().find(|layer| layer.value.pointer(pointer).is_some())
            {
                // The whole configuration is rather the first file's than the last variable's.
                let whole = self.layers.first().filter(|_| pointer.is_empty());
                return Arc::clone(&whole.unwrap_or(layer).source);
            }
            match pointer.rfind('/') {
                Some(end) => pointer = pointer.get(..end).unwrap_or_default(),
                None => return Arc::new(Source { name: "configuration".to_owned(), path: None, text: None }),
            }
        }
    }
}
