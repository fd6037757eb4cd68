//! Reads the JSON of an event (RFC 8259) in one pass, without a tree: each value is taken or passed over where it lies.
//!
//! An event is longer than all else of its question, and most of it is texts that nobody needs: only their ends are
//! looked for, in [many bytes](crate::marks) at a time. So bytes that are no UTF-8 are let be, and whoever takes a text
//! looks at it. What is rare, escapes and numbers, is left to `serde_json`.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::marks::{BLOCK, is_mark, marks};

/// As deep as `serde_json` goes.
const DEEPEST: u8 = 127;

/// The reader stands before something that cannot be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault;

type Result<T> = std::result::Result<T, Fault>;

/// The bytes of a text of JSON: as they lie there, unless something in it is escaped.
pub type Text<'e> = Cow<'e, [u8]>;

/// See the module. A clone goes on from where it was made.
#[derive(Clone)]
pub(crate) struct Reader<'e> {
    json: &'e [u8],
    /// What comes before it was read.
    at: usize,
    /// Where the bytes begin that `marks` is about.
    block: usize,
    /// The marks among them that were not read.
    marks: u64,
    depth: u8,
    /// Whether something was escaped in the text that was read last.
    escaped: bool,
}

impl<'e> Reader<'e> {
    /// Reads what has one value, and nothing behind it. On a fault it tells how many bytes come before it.
    pub(crate) fn whole<T>(
        json: &'e [u8],
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> std::result::Result<T, usize> {
        let mut reader = Self { json, at: 0, block: 0, marks: marks(json), depth: 0, escaped: false };
        match read(&mut reader) {
            Ok(value) if reader.next().is_none() => Ok(value),
            _ => Err(reader.at),
        }
    }

    /// Reads an object. `member` is told each name and has to read its value.
    pub(crate) fn object(&mut self, mut member: impl FnMut(&mut Self, Text<'e>) -> Result<()>) -> Result<()> {
        self.between(b'{', b'}', |reader| {
            let name = reader.text()?;
            reader.expect(b':')?;
            member(reader, name)
        })
    }

    /// Reads a list. `item` has to read each of its values.
    pub(crate) fn list(&mut self, item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.between(b'[', b']', item)
    }

    /// Reads a text.
    #[inline]
    pub(crate) fn text(&mut self) -> Result<Text<'e>> {
        let raw = self.raw()?;
        if self.escaped { unescaped(raw).map(Cow::Owned) } else { Ok(Cow::Borrowed(raw)) }
    }

    /// Reads a text or `null`.
    pub(crate) fn text_or_null(&mut self) -> Result<Option<Text<'e>>> {
        if self.null()? { Ok(None) } else { self.text().map(Some) }
    }

    /// Reads a list of texts.
    pub(crate) fn texts(&mut self) -> Result<Vec<Text<'e>>> {
        let mut texts = Vec::new();
        self.list(|reader| {
            texts.push(reader.text()?);
            Ok(())
        })?;
        Ok(texts)
    }

    /// Reads `null`, if it is there.
    pub(crate) fn null(&mut self) -> Result<bool> {
        let is_null = self.next() == Some(b'n');
        if is_null {
            self.skip_bare()?;
        }
        Ok(is_null)
    }

    /// Whether a text comes next.
    pub(crate) fn is_text(&mut self) -> bool {
        self.next() == Some(b'"')
    }

    /// Passes over a value.
    #[inline]
    pub(crate) fn skip(&mut self) -> Result<()> {
        if self.is_text() { self.text().map(drop) } else { self.skip_other() }
    }

    fn skip_other(&mut self) -> Result<()> {
        match self.next() {
            Some(b'{') => self.object(|reader, _| reader.skip()),
            Some(b'[') => self.list(Self::skip),
            _ => self.skip_bare(),
        }
    }

    fn between(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.expect(open)?;
        if self.depth == DEEPEST {
            return Err(Fault);
        }
        self.depth += 1;
        if self.expect(close).is_err() {
            loop {
                item(self)?;
                if self.expect(b',').is_err() {
                    break self.expect(close)?;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Passes over a number or a name.
    fn skip_bare(&mut self) -> Result<()> {
        let rest = self.rest();
        match rest {
            [b'n', b'u', b'l', b'l', ..] | [b't', b'r', b'u', b'e', ..] => {
                self.at += 4;
                return Ok(());
            }
            [b'f', b'a', b'l', b's', b'e', ..] => {
                self.at += 5;
                return Ok(());
            }
            _ => {}
        }
        let in_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let length = rest.iter().position(|byte| !in_number(byte)).unwrap_or(rest.len());
        let number = rest.get(..length).unwrap_or_default();
        serde_json::from_slice::<IgnoredAny>(number).map_err(|_| Fault)?;
        self.at += length;
        Ok(())
    }

    /// Reads what is between the quotes of a text.
    #[inline]
    fn raw(&mut self) -> Result<&'e [u8]> {
        self.expect(b'"')?;
        let from = self.at;
        // Of the quote itself.
        self.mark();
        let end = self.mark();
        self.at = end;
        self.escaped = false;
        match self.json.get(end) {
            Some(b'"') => self.at += 1,
            Some(b'\\') => self.escapes()?,
            _ => return Err(Fault),
        }
        self.json.get(from..self.at - 1).ok_or(Fault)
    }

    /// Reads on from the first backslash of a text.
    #[cold]
    fn escapes(&mut self) -> Result<()> {
        self.escaped = true;
        loop {
            match self.json.get(self.at) {
                Some(b'"') => break self.at += 1,
                Some(b'\\') => {}
                _ => return Err(Fault),
            }
            if self.json.get(self.at + 1).is_some_and(|byte| is_mark(*byte)) {
                self.mark();
            }
            self.at = self.mark();
        }
        Ok(())
    }

    /// Where the next mark is, which counts as read then; the end where there is none.
    #[inline]
    fn mark(&mut self) -> usize {
        if self.marks == 0 && !self.next_block() {
            return self.json.len();
        }
        let mark = self.block + self.marks.trailing_zeros() as usize;
        self.marks &= self.marks - 1;
        mark
    }

    /// Goes on to the next block with marks, if there is one.
    #[cold]
    fn next_block(&mut self) -> bool {
        while self.marks == 0 {
            self.block += BLOCK;
            match self.json.get(self.block..) {
                Some(rest) => self.marks = marks(rest),
                None => return false,
            }
        }
        true
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        // Mostly there is no white space.
        if self.json.get(self.at) != Some(&byte) && self.next() != Some(byte) {
            return Err(Fault);
        }
        self.at += 1;
        Ok(())
    }

    /// The next byte that is no white space, which stays.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        match self.json.get(self.at) {
            Some(byte) if *byte > b' ' => Some(*byte),
            _ => self.skip_space(),
        }
    }

    #[cold]
    fn skip_space(&mut self) -> Option<u8> {
        loop {
            match *self.json.get(self.at)? {
                b' ' => {}
                b'\t' | b'\n' | b'\r' => {
                    self.mark();
                }
                byte => return Some(byte),
            }
            self.at += 1;
        }
    }

    fn rest(&self) -> &'e [u8] {
        self.json.get(self.at..).unwrap_or_default()
    }
}

/// What a text with escapes says.
#[cold]
fn unescaped(raw: &[u8]) -> Result<Vec<u8>> {
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice(&quoted).map(String::into_bytes).map_err(|_| Fault)
}

#[cfg(test)]
mod tests;
