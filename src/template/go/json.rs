//! JSON as Go's `encoding/json` writes it: keys of maps sorted, HTML escaped unless asked not to.

use std::borrow::Cow;

use super::fields::Fields;
use super::number;
use super::text::Sheet;
use super::url::Url;
use super::value::{Fault, Value};
use super::view::View;

/// A value as JSON. Floats that JSON has no form for are a fault.
pub fn encode(value: &Value<'_>, escape_html: bool, pretty: bool) -> Result<String, Fault> {
    let mut out = String::new();
    let mut writer = Writer { sheet: Sheet::new(&mut out), escape_html, pretty, depth: 0 };
    writer.value(value)?;
    Ok(out)
}

struct Writer<'o> {
    sheet: Sheet<'o>,
    escape_html: bool,
    pretty: bool,
    depth: usize,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        match value {
            Value::Nil | Value::Lost | Value::User(None) => self.sheet.push("null"),
            Value::Bool(_)
            | Value::Int(_)
            | Value::Int64(_)
            | Value::Uint64(_)
            | Value::Byte(_)
            | Value::Exact(_) => self.sheet.value(value),
            Value::Float(f) => number::write_json_float(self.sheet.out, *f)
                .ok_or_else(|| Fault::from("this number has no form in JSON")),
            Value::Text(text) => self.text(text),
            Value::List(list) if list.is_nil() => self.sheet.push("null"),
            Value::List(list) => self.group(('[', ']'), list.iter(), |writer, item| writer.value(&item)),
            Value::Dict(dict) if dict.is_nil() => self.sheet.push("null"),
            Value::Dict(dict) => self.object(dict.entries()),
            Value::Fields(fields) if fields.is_nil() => self.sheet.push("null"),
            Value::Fields(fields) => self.object(fields.entries()),
            Value::Session(view) => self.session(view),
            Value::Match(view) => self.match_context(view),
            Value::Url(url) => self.url(url),
            // Without exported fields.
            Value::User(Some(_)) => self.sheet.push("{}"),
            Value::Time(time) => self.text(&time.rfc3339()),
            Value::Version(version) => self.text(&version.text()),
        }
    }

    fn object<'k, 'd>(
        &mut self,
        entries: impl IntoIterator<Item = (Cow<'k, str>, Value<'d>)>,
    ) -> Result<(), Fault> {
        self.group(('{', '}'), entries.into_iter(), |writer, (key, value)| {
            writer.text(&key)?;
            writer.sheet.push(if writer.pretty { ": " } else { ":" })?;
            writer.value(&value)
        })
    }

    fn group<T>(
        &mut self,
        (open, close): (char, char),
        items: impl Iterator<Item = T>,
        mut each: impl FnMut(&mut Self, T) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut buffer = [0; 4];
        self.sheet.push(open.encode_utf8(&mut buffer))?;
        self.depth += 1;
        self.sheet.down()?;
        let mut empty = true;
        for item in items {
            if !empty {
                self.sheet.push(",")?;
            }
            empty = false;
            self.line()?;
            each(self, item)?;
        }
        self.depth -= 1;
        self.sheet.up();
        if !empty {
            self.line()?;
        }
        self.sheet.push(close.encode_utf8(&mut buffer))
    }

    fn line(&mut self) -> Result<(), Fault> {
        if self.pretty {
            self.sheet.push("\n")?;
            for _ in 0..self.depth {
                self.sheet.push("  ")?;
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Fault> {
        self.sheet.push("\"")?;
        let mut from = 0;
        for (at, c) in text.char_indices() {
            let escaped: Cow<'static, str> = match c {
                '"' => "\\\"".into(),
                '\\' => "\\\\".into(),
                '\u{8}' => "\\b".into(),
                '\u{c}' => "\\f".into(),
                '\n' => "\\n".into(),
                '\r' => "\\r".into(),
                '\t' => "\\t".into(),
                '\u{0}'..='\u{1f}' | '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", u32::from(c)).into(),
                '<' | '>' | '&' if self.escape_html => format!("\\u{:04x}", u32::from(c)).into(),
                _ => continue,
            };
            self.sheet.push(text.get(from..at).unwrap_or_default())?;
            self.sheet.push(&escaped)?;
            from = at + c.len_utf8();
        }
        self.sheet.push(text.get(from..).unwrap_or_default())?;
        self.sheet.push("\"")
    }

    /// The form in which Oathkeeper sends a session to a hydrator.
    fn session(&mut self, view: &View<'_>) -> Result<(), Fault> {
        self.group(('{', '}'), 0..4, |writer, index| match index {
            0 => writer.member("subject", &Value::text(view.data.subject)),
            1 => writer.member("extra", &view.extra()),
            2 => writer.member("header", &Value::Fields(Fields::Session(view))),
            _ => writer.member("match_context", &Value::Match(view)),
        })
    }

    fn match_context(&mut self, view: &View<'_>) -> Result<(), Fault> {
        self.group(('{', '}'), 0..4, |writer, index| match index {
            0 => writer.member("regexp_capture_groups", &Value::List(view.captures())),
            1 => writer.member("url", &Value::Url(view.url())),
            2 => writer.member("method", &Value::text(view.data.request.method())),
            _ => writer.member("header", &Value::Fields(Fields::Request(view))),
        })
    }

    /// Go's struct, field by field in its order.
    fn url(&mut self, url: &Url<'_>) -> Result<(), Fault> {
        let text = |text: &str| Value::Text(Cow::Owned(text.to_owned()));
        self.group(('{', '}'), 0..11, |writer, index| match index {
            0 => writer.member("Scheme", &text(&url.scheme)),
            1 => writer.member("Opaque", &text(&url.opaque)),
            2 => writer.member("User", &url.user_value()),
            3 => writer.member("Host", &text(&url.host)),
            4 => writer.member("Path", &text(&url.path)),
            5 => writer.member("Fragment", &text(&url.fragment)),
            6 => writer.member("RawQuery", &text(&url.raw_query)),
            7 => writer.member("RawPath", &text(&url.raw_path)),
            8 => writer.member("RawFragment", &text(&url.raw_fragment)),
            9 => writer.member("ForceQuery", &Value::Bool(url.force_query)),
            _ => writer.member("OmitHost", &Value::Bool(url.omit_host)),
        })
    }

    fn member(&mut self, name: &str, value: &Value<'_>) -> Result<(), Fault> {
        self.text(name)?;
        self.sheet.push(if self.pretty { ": " } else { ":" })?;
        self.value(value)
    }
}
