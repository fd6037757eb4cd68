//! The client's header fields, as an event has them.

use std::borrow::Cow;
use std::cell::OnceCell;

use memchr::memchr3;
use okgate_events::{Member, Members, Text};

use crate::request::Headers;
use crate::request::headers::is_token;

/// The client's header fields.
#[derive(Debug, Default)]
pub struct EventHeaders<'e> {
    fields: Vec<Member<'e>>,
    /// Their names in small letters, one behind the other, once somebody asks for them.
    names: OnceCell<String>,
}

impl<'e> EventHeaders<'e> {
    /// The fields that are an object's members. What cannot be one was none of the client's.
    pub(super) fn of(members: Option<Members<'e>>) -> Self {
        let mut fields = members.unwrap_or_default().0;
        fields.retain(is_field);
        Self { fields, names: OnceCell::new() }
    }

    /// Adds a field.
    pub(super) fn push(&mut self, name: &'static str, value: Text<'e>) {
        let field = Member::new(name.as_bytes(), value);
        if is_field(&field) {
            self.fields.push(field);
        }
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let same = |field: &&Member<'_>| field.name.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(same).filter_map(|field| field.value.as_deref())
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
        let small = |field: &Member<'_>| String::from_utf8_lossy(&field.name).to_ascii_lowercase();
        let mut names = self.names.get_or_init(|| self.fields.iter().map(small).collect()).as_str();
        for field in &self.fields {
            let (name, rest) = names.split_at_checked(field.name.len()).unwrap_or_default();
            names = rest;
            if let Some(value) = &field.value {
                visit(name, value);
            }
        }
    }
}

fn is_field(member: &Member<'_>) -> bool {
    // Only an escape can be a line break.
    let is_whole = |value: &Text<'_>| match value {
        Cow::Borrowed(_) => true,
        Cow::Owned(value) => memchr3(b'\r', b'\n', 0, value).is_none(),
    };
    is_token(&member.name) && member.value.as_ref().is_some_and(is_whole)
}
