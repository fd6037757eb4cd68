//! Objects of an event whose members have names that clients chose: header fields and query parameters.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, Range};

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::request::Headers;

/// There is room for so many members before more is asked for.
const FEW: usize = 16;

/// A text, where it lies unless it is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Text<'e>(#[serde(borrow)] pub(super) Cow<'e, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A text; anything else is an empty one.
pub(super) struct Textual<'e>(pub(super) Cow<'e, str>);

impl<'de: 'e, 'e> Deserialize<'de> for Textual<'e> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Cow::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Cow::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Cow::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Cow::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Cow::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                IgnoredAny.visit_seq(list).map(|_| Cow::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
                IgnoredAny.visit_map(object).map(|_| Cow::default())
            }
        }
        value.deserialize_any(Any).map(Self)
    }
}

/// Texts, of which there mostly is one.
pub(super) struct Texts<'e> {
    first: Option<Text<'e>>,
    more: Vec<Text<'e>>,
}

impl<'e> Texts<'e> {
    /// Each of them, in order.
    pub(super) fn into_each(self) -> impl Iterator<Item = Text<'e>> {
        self.first.into_iter().chain(self.more)
    }
}

impl<'de: 'e, 'e> Deserialize<'de> for Texts<'e> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Texts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut texts = Texts { first: list.next_element()?, more: Vec::new() };
                while let Some(text) = list.next_element()? {
                    texts.more.push(text);
                }
                Ok(texts)
            }
        }
        value.deserialize_seq(List)
    }
}

/// The members of an object in the order of their names. Of a name that is there twice the last counts.
pub(super) struct Members<'e, V>(pub(super) Vec<(Text<'e>, V)>);

impl<'de: 'e, 'e, V: Deserialize<'de>> Deserialize<'de> for Members<'e, V> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        struct Object<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Object<V> {
            type Value = Vec<(Text<'de>, V)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
                let mut members: Self::Value = Vec::with_capacity(FEW);
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                members.sort_by(|(a, _), (b, _)| a.cmp(b));
                members.dedup_by(|later, earlier| {
                    let again = later.0 == earlier.0;
                    if again {
                        std::mem::swap(later, earlier);
                    }
                    again
                });
                Ok(members)
            }
        }
        value.deserialize_map(Object(PhantomData)).map(Self)
    }
}

/// The client's header fields. Their names are one text, in small letters.
#[derive(Debug, Default)]
pub struct EventHeaders<'e> {
    names: String,
    fields: Vec<(Range<usize>, Cow<'e, str>)>,
}

impl<'e> EventHeaders<'e> {
    /// Adds a field.
    pub(super) fn push(&mut self, name: &str, value: Cow<'e, str>) {
        if self.fields.is_empty() {
            self.fields.reserve(FEW);
            self.names.reserve(FEW * 16);
        }
        let from = self.names.len();
        self.names.push_str(name);
        if let Some(name) = self.names.get_mut(from..) {
            name.make_ascii_lowercase();
        }
        self.fields.push((from..self.names.len(), value));
    }

    fn name(&self, field: &Range<usize>) -> &str {
        self.names.get(field.clone()).unwrap_or_default()
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let same = move |field: &Range<usize>| self.name(field).eq_ignore_ascii_case(name);
        self.fields.iter().filter(move |(field, _)| same(field)).map(|(_, value)| value.as_bytes())
    }
}

impl Headers for EventHeaders<'_> {
    fn first(&self, name: &str) -> Option<&[u8]> {
        self.named(name).next()
    }

    fn each<'h>(&'h self, name: &str, visit: &mut dyn FnMut(&'h [u8])) {
        self.named(name).for_each(visit);
    }

    fn all<'h>(&'h self, visit: &mut dyn FnMut(&'h str, &'h [u8])) {
        for (name, value) in &self.fields {
            visit(self.name(name), value.as_bytes());
        }
    }
}
