//! JSON as Oathkeeper writes it: as Go's `encoding/json` does, so that a text can stand in a page.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CharEscape, Formatter, Serializer};

/// JSON on one line with a newline behind it, `<`, `>`, `&` and the two Unicode line ends escaped: safe to
/// embed in a page.
pub fn html_safe_json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut serializer = Serializer::with_formatter(&mut out, HtmlSafe);
    // Serializing these types into memory cannot fail; an empty body would still be a refusal.
    if value.serialize(&mut serializer).is_err() {
        out.clear();
    }
    out.push(b'\n');
    out
}

/// Writes strings as Go's `encoding/json` does by default.
struct HtmlSafe;

impl Formatter for HtmlSafe {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_html_safe(writer, fragment)
    }
}

/// Compact JSON as Go's encoder writes it: `<`, `>`, `&`, U+2028 and U+2029 escaped, whole floats without
/// a point. Members stay in the order they have.
pub fn go_json(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    // Writing a `Value` to memory cannot fail: its keys are strings.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut out, Go));
    out
}

struct Go;

impl Formatter for Go {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let size = value.abs();
        if size == 0.0 || (1e-6..1e21).contains(&size) {
            return write!(writer, "{value}");
        }
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => write!(writer, "{digits}e+{exponent}"),
            _ => writer.write_all(text.as_bytes()),
        }
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_html_safe(writer, fragment)
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let text: &[u8] = match escape {
            CharEscape::Quote => b"\\\"",
            CharEscape::ReverseSolidus => b"\\\\",
            CharEscape::Solidus => b"/",
            CharEscape::Backspace => b"\\b",
            CharEscape::FormFeed => b"\\f",
            CharEscape::LineFeed => b"\\n",
            CharEscape::CarriageReturn => b"\\r",
            CharEscape::Tab => b"\\t",
            CharEscape::AsciiControl(byte) => return write!(writer, "\\u{byte:04x}"),
        };
        writer.write_all(text)
    }
}

/// Text of a string with `<`, `>`, `&` and the two Unicode line ends escaped.
fn write_html_safe<W: ?Sized + io::Write>(writer: &mut W, fragment: &str) -> io::Result<()> {
    let mut rest = fragment;
    while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        let (plain, tail) = rest.split_at(at);
        writer.write_all(plain.as_bytes())?;
        let mut chars = tail.chars();
        if let Some(special) = chars.next() {
            write!(writer, "\\u{:04x}", u32::from(special))?;
        }
        rest = chars.as_str();
    }
    writer.write_all(rest.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_safe_to_embed_in_a_page() {
        let text = String::from_utf8(html_safe_json(&"rid<1>&\u{2028}é\"")).unwrap();
        assert_eq!(text, "\"rid\\u003c1\\u003e\\u0026\\u2028é\\\"\"\n");
    }

    #[test]
    fn json_is_written_as_go_writes_it() {
        for (text, want) in [
            (r#""<a href='x'>&\u2028\"""#, r#""\u003ca href='x'\u003e\u0026\u2028\"""#),
            (r#"{"b":1,"a":[true,null,"Zürich"]}"#, r#"{"b":1,"a":[true,null,"Zürich"]}"#),
            ("1e3", "1000"),
            ("1.5", "1.5"),
            ("-0.25", "-0.25"),
            ("20.0", "20"),
            ("1e21", "1e+21"),
            ("1.5e300", "1.5e+300"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("123456789012345680000.0", "123456789012345680000"),
            ("18446744073709551615", "18446744073709551615"),
            ("9007199254740993", "9007199254740993"),
            (r#""\u0001\b\f\n\r\t\\/""#, r#""\u0001\b\f\n\r\t\\/""#),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(String::from_utf8(go_json(&value)).unwrap(), want, "{text}");
        }
    }
}
