//! Functions: what a template may call, and how arguments reach them.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use regex::Regex;
use serde_json::Value as Json;

use super::dict::{Dict, Entries};
use super::list::List;
use super::text::MAX_TEXT;
use super::value::{Answer, Fault, Kind, Value};
use crate::template::Numbers;

/// A function of the template language.
pub struct Function {
    pub name: &'static str,
    /// What it takes.
    pub takes: &'static [Kind],
    /// What it takes any number of behind that.
    pub rest: Option<Kind>,
    /// What it gives, as far as that does not depend on its arguments.
    pub gives: Kind,
    pub run: Run,
}

/// The function itself. Arguments have been counted and checked.
pub type Run = for<'d> fn(&mut Scope<'d>, &mut Args<'_, 'd>) -> Answer<'d>;

impl Function {
    pub const fn new(name: &'static str, takes: &'static [Kind], gives: Kind, run: Run) -> Self {
        Self { name, takes, rest: None, gives, run }
    }

    /// A function that takes any number of arguments behind the fixed ones.
    pub const fn variadic(
        name: &'static str,
        takes: &'static [Kind],
        rest: Kind,
        gives: Kind,
        run: Run,
    ) -> Self {
        Self { name, takes, rest: Some(rest), gives, run }
    }

    /// What argument `index` has to be; `None` when that is one too many.
    pub fn kind_of(&self, index: usize) -> Option<Kind> {
        self.takes.get(index).copied().or(self.rest)
    }

    /// Whether so many arguments are right.
    pub fn accepts(&self, count: usize) -> bool {
        count == self.takes.len() || (count > self.takes.len() && self.rest.is_some())
    }
}

/// The arguments of one call.
pub struct Args<'a, 'd>(pub &'a mut [Value<'d>]);

impl<'d> Args<'_, 'd> {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn get(&self, index: usize) -> &Value<'d> {
        self.0.get(index).unwrap_or(&Value::Nil)
    }

    /// Takes an argument out, to give it back or keep it.
    pub fn take(&mut self, index: usize) -> Value<'d> {
        self.0.get_mut(index).map_or(Value::Nil, |value| std::mem::replace(value, Value::Nil))
    }

    /// An argument that was declared as text.
    pub fn text(&self, index: usize) -> &str {
        match self.get(index) {
            Value::Text(text) => text,
            _ => "",
        }
    }

    /// An argument that was declared as a number of any kind.
    pub fn int(&self, index: usize) -> i64 {
        self.get(index).as_int().unwrap_or(0)
    }

    /// The arguments from `index` on.
    pub fn rest(&self, index: usize) -> &[Value<'d>] {
        self.0.get(index..).unwrap_or_default()
    }
}

/// So many bytes of text, and of list entries at 32 each, may be made in one rendering.
const MAX_MADE: usize = 16 << 20;
/// So deep lists may stand within lists, and values be walked at all.
pub const MAX_DEPTH: u8 = 100;
/// So many values may be visited by comparisons and copies in one rendering.
const MAX_VISITS: u32 = 200_000;
/// So many patterns that are not constants may be compiled in one rendering.
const MAX_PATTERNS: usize = 16;
/// No list that a function makes may be longer.
pub const MAX_LIST: usize = 100_000;

/// What functions need to know of the rendering they are called in, and its bounds.
pub struct Scope<'d> {
    pub numbers: Numbers,
    /// Patterns that were compiled at load, and those that were only known now.
    pub patterns: &'d [(Box<str>, Regex)],
    pub made_patterns: Vec<(Box<str>, Regex)>,
    made: usize,
    /// Counts down.
    pub visits: u32,
    /// Every dict that was made: they may hold each other in any depth, or in circles, so that they have
    /// to be taken apart one by one in the end.
    dicts: Vec<Rc<RefCell<Entries<'d>>>>,
}

impl<'d> Scope<'d> {
    pub fn new(numbers: Numbers, patterns: &'d [(Box<str>, Regex)]) -> Self {
        Self { numbers, patterns, made_patterns: Vec::new(), made: 0, visits: MAX_VISITS, dicts: Vec::new() }
    }

    /// Counts what a function made.
    pub fn charge(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        let size = match value {
            Value::Text(text) if text.len() > MAX_TEXT => {
                return Err(Fault::from("the text grows too long"));
            }
            Value::Text(text) => text.len(),
            Value::List(list) if list.len() > MAX_LIST => return Err(Fault::from("the list grows too long")),
            Value::List(list) => list.len() * 32,
            Value::Dict(dict) => dict.len() * 32,
            _ => 0,
        };
        self.made += size;
        if self.made > MAX_MADE {
            return Err(Fault::from("too much text is made in one rendering"));
        }
        Ok(())
    }

    /// Counts one value that is walked over.
    pub fn visit(&mut self) -> Result<(), Fault> {
        self.visits = self.visits.checked_sub(1).ok_or("too many values are walked over in one rendering")?;
        Ok(())
    }

    /// Remembers a pattern that was compiled during the rendering.
    pub fn keep_pattern(&mut self, pattern: &str, regex: &Regex) -> Result<(), Fault> {
        if self.made_patterns.len() == MAX_PATTERNS {
            return Err(Fault::from("too many different patterns are made in one rendering"));
        }
        self.made_patterns.push((Box::from(pattern), regex.clone()));
        Ok(())
    }

    /// A new dict.
    pub fn dict(&mut self, entries: Entries<'d>) -> Value<'d> {
        let shared = Rc::new(RefCell::new(entries));
        self.dicts.push(Rc::clone(&shared));
        Value::Dict(Dict::Made(shared))
    }

    /// The dict to change in place: itself where a template made it, else a copy.
    pub fn changeable(&mut self, dict: &Dict<'d>) -> Rc<RefCell<Entries<'d>>> {
        if let Dict::Made(shared) = dict {
            return Rc::clone(shared);
        }
        let shared = Rc::new(RefCell::new(dict.entries().into_iter().collect()));
        self.dicts.push(Rc::clone(&shared));
        shared
    }

    /// A new list of anything.
    pub fn list(items: Vec<Value<'d>>) -> Answer<'d> {
        List::of(items).map(Value::List).ok_or_else(|| Fault::from("lists stand too deep within each other"))
    }

    /// What a JSON document says.
    pub fn json(&mut self, json: Json) -> Answer<'d> {
        Ok(match json {
            Json::Null => Value::Nil,
            Json::Bool(b) => Value::Bool(b),
            Json::Number(n) => Value::number(&n, self.numbers),
            Json::String(s) => Value::Text(Cow::Owned(s)),
            Json::Array(items) => {
                let items = items.into_iter().map(|item| self.json(item)).collect::<Result<_, _>>()?;
                Self::list(items)?
            }
            Json::Object(map) => {
                let entries = map
                    .into_iter()
                    .map(|(key, value)| Ok((Cow::Owned(key), self.json(value)?)))
                    .collect::<Result<_, Fault>>()?;
                self.dict(entries)
            }
        })
    }
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        let contents: Vec<_> = self.dicts.iter().map(|dict| dict.take()).collect();
        drop(contents);
    }
}
