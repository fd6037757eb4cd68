//! Text to values, the same way for every format: the last of equal keys counts, keys that are no text
//! become text, `<<` brings in what it names.

use std::cell::RefCell;
use std::fmt;

use saphyr_parser::Event;
use serde::Deserialize as _;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IgnoredAny, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde_json::{Map, Number, Value};

use crate::diagnostic::pointer_token;

/// Why a text cannot be read, and the byte where that shows.
pub(super) struct Fault {
    pub what: String,
    pub at: usize,
}

/// The tree, and what was noticed on the way.
type Read = Result<(Value, Notes), Fault>;

/// Nobody nests so deep; the parsers' own limit is lower still.
const MANY_BRACKETS: usize = 1_000;

pub(super) fn from_json(text: &str) -> Read {
    let notes = RefCell::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Seed { notes: &notes, yaml: false }.deserialize(&mut reader);
    match value.and_then(|value| reader.end().map(|()| value)) {
        Ok(value) => Ok((value, notes.into_inner())),
        Err(error) => Err(Fault {
            what: before_place(&error.to_string()),
            at: offset(text, error.line(), |line| error.column().saturating_sub(1).min(line.len())),
        }),
    }
}

/// Shows the items of a JSON list one after another, so that there is never the tree of all. `None` where
/// the text is something else or is broken; some items may have been shown by then.
pub(super) fn each_of_json(text: &str, show: &mut dyn FnMut(Value)) -> Option<Notes> {
    let notes = RefCell::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let items = Items { seed: Seed { notes: &notes, yaml: false }, show };
    reader.deserialize_seq(items).and_then(|()| reader.end()).ok()?;
    Some(notes.into_inner())
}

pub(super) fn from_yaml(text: &str) -> Read {
    if is_too_deep(text) {
        return Err(Fault { what: "it nests too deep".to_owned(), at: 0 });
    }
    let notes = RefCell::default();
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let Some(document) = documents.next() else { return Ok((Value::Null, Notes::default())) };
    let value =
        Seed { notes: &notes, yaml: true }.deserialize(document).map_err(|error| yaml_fault(text, &error))?;
    if let Some(next) = documents.next() {
        match IgnoredAny::deserialize(next) {
            // What comes after a closing bracket is no document of its own.
            Err(error) if error.to_string().contains("<document start>") => {
                return Err(yaml_fault(text, &error));
            }
            _ => notes.borrow_mut().several = true,
        }
    }
    Ok((value, notes.into_inner()))
}

fn yaml_fault(text: &str, error: &serde_yaml::Error) -> Fault {
    let at = error.location().map_or(0, |place| {
        offset(text, place.line(), |line| {
            line.char_indices().nth(place.column().saturating_sub(1)).map_or(line.len(), |(at, _)| at)
        })
    });
    Fault { what: before_place(&error.to_string()), at }
}

/// Brackets that stay open cost the YAML parser time that grows with their square, before it notices that
/// they are too many. Counting them is quick; where strings may be to blame, another parser has the word.
fn is_too_deep(text: &str) -> bool {
    let mut open = 0_usize;
    let mut most = 0;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => continue,
        }
        most = most.max(open);
    }
    if most < MANY_BRACKETS {
        return false;
    }
    let mut depth = 0_usize;
    for event in saphyr_parser::Parser::new_from_str(text) {
        match event {
            Ok((Event::SequenceStart(..) | Event::MappingStart(..), _)) => depth += 1,
            Ok((Event::SequenceEnd | Event::MappingEnd, _)) => depth = depth.saturating_sub(1),
            Ok(_) => {}
            Err(_) => return true,
        }
        if depth > MANY_BRACKETS {
            return true;
        }
    }
    false
}

pub(super) fn from_toml(text: &str) -> Read {
    let notes = RefCell::default();
    let fault = |error: toml::de::Error| Fault {
        what: error.message().trim_end().replace('\n', ", "),
        at: error.span().map_or(0, |span| span.start.min(text.len())),
    };
    let reader = toml::Deserializer::parse(text).map_err(fault)?;
    match (Seed { notes: &notes, yaml: false }).deserialize(reader) {
        Ok(value) => Ok((value, notes.into_inner())),
        Err(error) => Err(fault(error)),
    }
}

/// Error texts end in their place, which the finding has already.
fn before_place(text: &str) -> String {
    text.split(" at line ").next().unwrap_or(text).to_owned()
}

/// Byte offset of a place in a line that is counted from 1.
fn offset(text: &str, line: usize, in_line: impl FnOnce(&str) -> usize) -> usize {
    let mut start = 0;
    for (number, content) in text.split('\n').enumerate() {
        if number + 1 == line {
            return start + in_line(content);
        }
        start += content.len() + 1;
    }
    text.len()
}

/// What is noticed while reading.
#[derive(Default)]
pub(super) struct Notes {
    path: Vec<String>,
    /// Pointers of keys that stand twice.
    pub duplicates: Vec<String>,
    /// Whether further documents follow.
    pub several: bool,
}

impl Notes {
    fn pointer(&self) -> String {
        self.path.iter().fold(String::new(), |pointer, key| pointer + "/" + &pointer_token(key))
    }
}

#[derive(Clone, Copy)]
struct Seed<'n> {
    notes: &'n RefCell<Notes>,
    yaml: bool,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON has no exact form for it either")]
    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON has no exact form for it either")]
    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number =
            Number::from_f64(value).ok_or_else(|| E::custom("infinity and NaN cannot be used here"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            self.notes.borrow_mut().path.push(list.len().to_string());
            let item = items.next_element_seed(self);
            self.notes.borrow_mut().path.pop();
            match item? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let mut merged = Vec::new();
        while let Some(key) = entries.next_key_seed(Key)? {
            if key == TOML_DATETIME {
                return entries.next_value_seed(self);
            }
            self.notes.borrow_mut().path.push(key.clone());
            let value = entries.next_value_seed(self);
            if object.contains_key(&key) {
                let mut notes = self.notes.borrow_mut();
                let pointer = notes.pointer();
                notes.duplicates.push(pointer);
            }
            self.notes.borrow_mut().path.pop();
            let value = value?;
            if self.yaml && key == "<<" {
                merged.push(value);
            } else {
                object.insert(key, value);
            }
        }
        for value in merged {
            bring_in(&mut object, value).map_err(A::Error::custom)?;
        }
        Ok(Value::Object(object))
    }

    /// A YAML value with a tag of its own: the tag says nothing to us.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        let (_, value) = tagged.variant_seed(Key)?;
        value.newtype_variant_seed(self)
    }
}

struct Items<'n, 's> {
    seed: Seed<'n>,
    show: &'s mut dyn FnMut(Value),
}

impl<'de> Visitor<'de> for Items<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            self.seed.notes.borrow_mut().path.push(index.to_string());
            let item = items.next_element_seed(self.seed);
            self.seed.notes.borrow_mut().path.pop();
            match item? {
                Some(item) => (self.show)(item),
                None => break,
            }
        }
        Ok(())
    }
}

/// How `toml` hands over dates, which JSON writes as text.
const TOML_DATETIME: &str = "$__toml_private_datetime";

/// YAML's merge key: what is there already wins, and the first of several sources.
fn bring_in(object: &mut Map<String, Value>, value: Value) -> Result<(), &'static str> {
    match value {
        Value::Object(source) => {
            for (key, value) in source {
                object.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(sources) => {
            for source in sources {
                match source {
                    Value::Object(_) => bring_in(object, source)?,
                    _ => return Err("`<<` must name a mapping or a list of mappings"),
                }
            }
            Ok(())
        }
        _ => Err("`<<` must name a mapping or a list of mappings"),
    }
}

/// A key, which JSON wants to be text.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text")
    }

    fn visit_str<E>(self, key: &str) -> Result<String, E> {
        Ok(key.to_owned())
    }

    fn visit_string<E>(self, key: String) -> Result<String, E> {
        Ok(key)
    }

    fn visit_bool<E>(self, key: bool) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_i64<E>(self, key: i64) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_u64<E>(self, key: u64) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_f64<E>(self, key: f64) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok("null".to_owned())
    }
}
