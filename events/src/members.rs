//! Objects of an event whose members have names that clients chose: header fields and query parameters.

use crate::reader::{Fault, Reader, Text};

/// There is room for so many members before more is asked for.
const FEW: usize = 16;

/// A member of an object, or one of its values.
#[derive(Debug)]
pub struct Member<'e> {
    /// Its name.
    pub name: Text<'e>,
    /// Its value; nothing of an empty list.
    pub value: Option<Text<'e>>,
    /// Which of the object's members it is.
    number: usize,
}

impl<'e> Member<'e> {
    /// A member that was in no object.
    pub fn new(name: impl Into<Text<'e>>, value: Text<'e>) -> Self {
        Self { name: name.into(), value: Some(value), number: 0 }
    }
}

/// The values of an object's members, in the order of the members' names.
#[derive(Debug, Default)]
pub struct Members<'e>(pub Vec<Member<'e>>);

impl<'e> Members<'e> {
    /// Reads an object of texts, or `null`. Any other value is an empty text.
    pub(crate) fn single(reader: &mut Reader<'e>) -> Result<Option<Self>, Fault> {
        Self::read(reader, |reader, member| {
            if reader.is_text() {
                member(Some(reader.text()?));
            } else {
                reader.skip()?;
                member(Some(Text::default()));
            }
            Ok(())
        })
    }

    /// Reads an object of lists of texts, or `null`.
    pub(crate) fn multi(reader: &mut Reader<'e>) -> Result<Option<Self>, Fault> {
        Self::read(reader, |reader, member| {
            let mut is_empty = true;
            reader.list(|reader| {
                is_empty = false;
                member(Some(reader.text()?));
                Ok(())
            })?;
            if is_empty {
                member(None);
            }
            Ok(())
        })
    }

    fn read(
        reader: &mut Reader<'e>,
        values: impl Fn(&mut Reader<'e>, &mut dyn FnMut(Option<Text<'e>>)) -> Result<(), Fault>,
    ) -> Result<Option<Self>, Fault> {
        if reader.null()? {
            return Ok(None);
        }
        let mut members = Vec::new();
        let mut number = 0;
        reader.object(|reader, name| {
            if members.is_empty() {
                members.reserve(FEW);
            }
            number += 1;
            values(reader, &mut |value| members.push(Member { name: name.clone(), value, number }))
        })?;
        members.sort_by(|a, b| a.name.cmp(&b.name));
        let twice = |(a, b): (&Member<'_>, &Member<'_>)| a.name == b.name && a.number != b.number;
        if members.iter().zip(members.iter().skip(1)).any(twice) {
            return Err(Fault);
        }
        Ok(Some(Self(members)))
    }

    /// Each value with its name.
    pub fn each(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().filter_map(|member| Some((&*member.name, member.value.as_deref()?)))
    }
}
