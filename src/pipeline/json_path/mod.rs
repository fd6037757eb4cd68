//! JSON paths: what `subject_from` and the like find in a backend's answer, in the syntax of GJSON.
//!
//! A path is read when rules load ([`JsonPath::compile`]) and walked over parsed JSON, so that numbers stay
//! as they are written and nothing is read twice. Of two equal keys the last one counts.

mod modifier;
mod parse;
mod query;

use std::borrow::Cow;

use serde_json::{Map, Value};

use self::modifier::Modifier;
use self::query::{Pattern, Query};

/// A path, ready to be followed.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath(Vec<Step>);

/// What leads from one value to the next.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// `name`, or `0` in a list.
    Key(String),
    /// `na*`
    Wild(Pattern),
    /// `#` at an end: the length of a list.
    Count,
    /// `#.path`: what the path finds in each item.
    Each(JsonPath),
    /// `#(…)`: the first item that fits.
    First(Query),
    /// `#(…)#`: all that do, and of each what the path finds.
    All(Query, JsonPath),
    /// `{name:path,…}`
    Object(Vec<(String, JsonPath)>),
    /// `[path,…]`
    List(Vec<JsonPath>),
    /// `@name`
    Modify(Modifier),
    /// `!value`
    Literal(Value),
}

impl JsonPath {
    /// Reads a path; the error says in users' words why it is none.
    pub fn compile(path: &str) -> Result<Self, String> {
        parse::path(path)
    }

    /// What is there; `None` where there is nothing, or null.
    pub fn find<'v>(&self, value: &'v Value) -> Option<Cow<'v, Value>> {
        self.follow(value).filter(|found| !found.is_null())
    }

    /// The same in the members of an object.
    pub fn find_in<'v>(&self, object: &'v Map<String, Value>) -> Option<Cow<'v, Value>> {
        let found = match self.0.split_first() {
            Some((Step::Key(key), rest)) => follow(rest, object.get(key)?)?,
            _ => Cow::Owned(self.follow(&Value::Object(object.clone()))?.into_owned()),
        };
        Some(found).filter(|found| !found.is_null())
    }

    fn follow<'v>(&self, value: &'v Value) -> Option<Cow<'v, Value>> {
        follow(&self.0, value)
    }
}

fn follow<'v>(steps: &[Step], value: &'v Value) -> Option<Cow<'v, Value>> {
    let mut current = Cow::Borrowed(value);
    for step in steps {
        current = match current {
            Cow::Borrowed(value) => step.follow(value)?,
            Cow::Owned(value) => Cow::Owned(step.follow(&value)?.into_owned()),
        };
    }
    Some(current)
}

impl Step {
    fn follow<'v>(&self, value: &'v Value) -> Option<Cow<'v, Value>> {
        let found = match (self, value) {
            (Self::Key(key), Value::Object(object)) => return object.get(key).map(Cow::Borrowed),
            (Self::Key(index), Value::Array(items)) => {
                return items.get(index.parse::<usize>().ok()?).map(Cow::Borrowed);
            }
            (Self::Wild(pattern), Value::Object(object)) => {
                return object.iter().find(|(key, _)| pattern.matches(key)).map(|(_, v)| Cow::Borrowed(v));
            }
            (Self::First(query), Value::Array(items)) => {
                return items.iter().find(|item| query.holds(item)).map(Cow::Borrowed);
            }
            (Self::Count, Value::Array(items)) => Value::from(items.len()),
            (Self::Each(path), Value::Array(items)) => of_each(items.iter(), path),
            (Self::All(query, path), Value::Array(items)) => {
                of_each(items.iter().filter(|item| query.holds(item)), path)
            }
            (Self::Object(members), value) => {
                let found = members
                    .iter()
                    .filter_map(|(name, path)| Some((name.clone(), path.follow(value)?.into_owned())));
                Value::Object(found.collect::<Map<_, _>>())
            }
            (Self::List(paths), value) => {
                paths.iter().filter_map(|path| Some(path.follow(value)?.into_owned())).collect()
            }
            (Self::Modify(modifier), value) => modifier.apply(value)?,
            (Self::Literal(literal), _) => literal.clone(),
            _ => return None,
        };
        Some(Cow::Owned(found))
    }
}

fn of_each<'v>(items: impl Iterator<Item = &'v Value>, path: &JsonPath) -> Value {
    items.filter_map(|item| Some(path.follow(item)?.into_owned())).collect()
}

#[cfg(test)]
mod tests;
