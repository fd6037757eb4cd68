//! Lists: Go's slices, borrowed from the session or made by a function.

use std::borrow::Cow;
use std::rc::Rc;

use serde_json::Value as Json;

use super::function::MAX_DEPTH;
use super::value::Value;
use crate::template::Numbers;

/// What a slice's elements are to Go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// `[]interface {}`
    Any,
    /// `[]string`
    Text,
    /// `[]int`
    Int,
    /// `[][]interface {}`
    Lists,
}

/// A list.
#[derive(Clone)]
pub enum List<'d> {
    Json(&'d [Json], Numbers),
    Made {
        items: Rc<[Value<'d>]>,
        of: Of,
        depth: u8,
    },
    /// Go's nil slice: without elements, and `null` as JSON.
    Nil(Of),
}

impl<'d> List<'d> {
    /// A list of anything; `None` when lists stand too deep within it.
    pub fn of(items: Vec<Value<'d>>) -> Option<Self> {
        let depth = items.iter().map(|item| match item {
            Value::List(Self::Made { depth, .. }) => *depth,
            _ => 0,
        });
        let depth = depth.max().unwrap_or(0) + 1;
        (depth < MAX_DEPTH).then(|| Self::Made { items: items.into(), of: Of::Any, depth })
    }

    fn flat(items: Rc<[Value<'d>]>, of: Of) -> Self {
        Self::Made { items, of, depth: 1 }
    }

    /// The same list, as a list of lists.
    pub fn of_lists(self) -> Self {
        match self {
            Self::Made { items, depth, .. } => Self::Made { items, of: Of::Lists, depth },
            other => other,
        }
    }

    pub fn texts<T: Into<Cow<'d, str>>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::flat(items.into_iter().map(|t| Value::Text(t.into())).collect(), Of::Text)
    }

    pub fn ints(items: impl IntoIterator<Item = i64>) -> Self {
        Self::flat(items.into_iter().map(Value::Int).collect(), Of::Int)
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Json(items, _) => items.len(),
            Self::Made { items, .. } => items.len(),
            Self::Nil(_) => 0,
        }
    }

    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil(_))
    }

    pub fn get(&self, index: usize) -> Option<Value<'d>> {
        match self {
            Self::Json(items, numbers) => items.get(index).map(|json| Value::json(json, *numbers)),
            Self::Made { items, .. } => items.get(index).cloned(),
            Self::Nil(_) => None,
        }
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Value<'d>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    pub fn to_vec(&self) -> Vec<Value<'d>> {
        self.iter().collect()
    }

    /// Elements from `start` up to `end`; `None` when there are not so many.
    pub fn slice(&self, start: usize, end: usize) -> Option<Self> {
        match self {
            Self::Json(items, numbers) => items.get(start..end).map(|part| Self::Json(part, *numbers)),
            Self::Made { items, of, depth } => {
                items.get(start..end).map(|part| Self::Made { items: part.into(), of: *of, depth: *depth })
            }
            Self::Nil(of) => (start == 0 && end == 0).then_some(Self::Nil(*of)),
        }
    }

    pub fn elements(&self) -> Of {
        match self {
            Self::Json(..) => Of::Any,
            Self::Made { of, .. } | Self::Nil(of) => *of,
        }
    }

    pub fn type_name(&self) -> &'static str {
        match self.elements() {
            Of::Any => "[]interface {}",
            Of::Text => "[]string",
            Of::Int => "[]int",
            Of::Lists => "[][]interface {}",
        }
    }
}
