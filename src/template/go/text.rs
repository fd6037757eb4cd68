//! Text: values as Go's `%v` writes them, never longer than a bound.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use super::fields::Fields;
use super::function::MAX_DEPTH;
use super::number;
use super::value::{Fault, Value};
use super::view::View;

/// No text that a template makes, its output included, may be longer than this many bytes.
pub const MAX_TEXT: usize = 1 << 20;

/// A text in the making.
pub struct Sheet<'o> {
    pub out: &'o mut String,
    /// How much of it was there before.
    start: usize,
    depth: u8,
}

impl<'o> Sheet<'o> {
    /// Text is added behind what `out` holds.
    pub fn new(out: &'o mut String) -> Self {
        let start = out.len();
        Self { out, start, depth: 0 }
    }

    /// Goes one level down into lists and maps.
    pub fn down(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::from("lists or dicts stand too deep within each other"));
        }
        Ok(())
    }

    pub fn up(&mut self) {
        self.depth -= 1;
    }

    pub fn push(&mut self, text: &str) -> Result<(), Fault> {
        if self.out.len() - self.start + text.len() > MAX_TEXT {
            return Err(Fault::from("the text grows too long"));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn show(&mut self, value: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// A value as it stands in text; nil is `<nil>`.
    pub fn value(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        match value {
            Value::Nil => self.push("<nil>"),
            Value::Lost | Value::User(None) => Ok(()),
            Value::Int(_)
            | Value::Int64(_)
            | Value::Uint64(_)
            | Value::Byte(_)
            | Value::Exact(_)
            | Value::Float(_) => {
                self.number(value);
                Ok(())
            }
            Value::Bool(b) => self.push(if *b { "true" } else { "false" }),
            Value::Text(t) => self.push(t),
            Value::List(list) => self.list(list.iter()),
            Value::Dict(dict) => self.map(dict.entries()),
            Value::Fields(fields) => self.map(fields.entries()),
            Value::Session(view) => {
                self.push("&")?;
                self.session(view)
            }
            Value::Match(view) => self.match_context(view),
            Value::Url(url) => self.push(&url.text()),
            Value::User(Some(user)) => self.push(&user.text()),
            Value::Time(time) => self.push(&time.text()),
            Value::Version(version) => self.push(&version.text()),
        }
    }

    fn number(&mut self, value: &Value<'_>) {
        match value {
            Value::Int(n) | Value::Int64(n) => self.show(n),
            Value::Uint64(n) => self.show(n),
            Value::Byte(n) => self.show(n),
            Value::Exact(n) => self.show(n),
            other => number::write_float(self.out, other.as_float().unwrap_or_default()),
        }
    }

    fn list<'d>(&mut self, items: impl Iterator<Item = Value<'d>>) -> Result<(), Fault> {
        self.down()?;
        self.push("[")?;
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.push(" ")?;
            }
            self.value(&item)?;
        }
        self.up();
        self.push("]")
    }

    fn map(&mut self, entries: Vec<(Cow<'_, str>, Value<'_>)>) -> Result<(), Fault> {
        self.down()?;
        self.push("map[")?;
        for (index, (key, value)) in entries.into_iter().enumerate() {
            if index > 0 {
                self.push(" ")?;
            }
            self.push(&key)?;
            self.push(":")?;
            self.value(&value)?;
        }
        self.up();
        self.push("]")
    }

    /// The session's fields in Oathkeeper's order.
    pub fn session(&mut self, view: &View<'_>) -> Result<(), Fault> {
        self.push("{")?;
        self.push(view.data.subject)?;
        self.push(" ")?;
        self.value(&view.extra())?;
        self.push(" ")?;
        self.map(Fields::Session(view).entries())?;
        self.push(" ")?;
        self.match_context(view)?;
        self.push("}")
    }

    fn match_context(&mut self, view: &View<'_>) -> Result<(), Fault> {
        self.push("{")?;
        self.list(view.captures().iter())?;
        self.push(" ")?;
        self.push(&view.url().text())?;
        self.push(" ")?;
        self.push(view.data.request.method())?;
        self.push(" ")?;
        self.map(Fields::Request(view).entries())?;
        self.push("}")
    }
}

/// A value as text: what `print` gives, with nil as nothing.
pub fn printed(value: &Value<'_>) -> Result<String, Fault> {
    if value.is_nil() {
        return Ok(String::new());
    }
    plain(value)
}

/// A value as text: what `%v` gives.
pub fn plain(value: &Value<'_>) -> Result<String, Fault> {
    let mut out = String::new();
    Sheet::new(&mut out).value(value)?;
    Ok(out)
}

/// Text as it is, other values as `%v` gives them (Sprig's `strval`).
pub fn to_text<'v>(value: &'v Value<'_>) -> Result<Cow<'v, str>, Fault> {
    match value {
        Value::Text(text) => Ok(Cow::Borrowed(text)),
        other => plain(other).map(Cow::Owned),
    }
}

/// Go's `fmt.Sprint`: a space between two neighbours of which neither is a text.
pub fn sprint(values: &[Value<'_>]) -> Result<String, Fault> {
    let mut out = String::new();
    let mut after_text = true;
    for (index, value) in values.iter().enumerate() {
        let is_text = matches!(value, Value::Text(_));
        if index > 0 && !after_text && !is_text {
            out.push(' ');
        }
        Sheet::new(&mut out).value(value)?;
        after_text = is_text;
    }
    Ok(out)
}

/// Whether Go counts a character as printable, as far as quoting needs it: letters, marks, numbers,
/// punctuation, symbols and the ASCII space.
pub fn is_printable(c: char) -> bool {
    // Controls, formats, separators, private use, non-characters.
    !matches!(c,
        '\u{0}'..='\u{1f}'
        | '\u{7f}'..='\u{a0}'
        | '\u{ad}'
        | '\u{600}'..='\u{605}'
        | '\u{61c}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{1680}'
        | '\u{180e}'
        | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}'
        | '\u{205f}'..='\u{206f}'
        | '\u{3000}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{fffe}'..='\u{ffff}'
        | '\u{e0000}'..='\u{e00ff}'
        | '\u{e01f0}'..='\u{10ffff}')
}

/// Go's `strconv.Quote`.
pub fn quote(text: &str) -> String {
    quote_with(text, '"')
}

/// A text in quotes, what is not printable escaped.
pub fn quote_with(text: &str, mark: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            c if c == mark => {
                out.push('\\');
                out.push(c);
            }
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                // Writing to a String cannot fail.
                let _ = match code {
                    0..=0x1F | 0x7F => write!(out, "\\x{code:02x}"),
                    0x80..=0xFFFF => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(mark);
    out
}
