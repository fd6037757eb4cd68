//! `printf`: Go's verbs, flags and complaints.

use std::borrow::Cow;

use super::number::format_float;
use super::text::{MAX_TEXT, Sheet, is_printable, quote, quote_with};
use super::value::{Fault, Value};

/// No width or precision may be larger (Go's own bound).
const MAX_NUMBER: i64 = 1_000_000;

/// A text with its verbs replaced.
pub fn format(format: &str, args: &[Value<'_>]) -> Result<String, Fault> {
    let mut printer =
        Printer { rest: format, args, next: 0, reordered: false, good_index: true, out: String::new() };
    printer.run()?;
    Ok(printer.out)
}

/// Flags, width and precision of one verb.
#[derive(Default, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "one for each of Go's flags")]
struct Spec {
    sharp: bool,
    zero: bool,
    plus: bool,
    minus: bool,
    space: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

struct Printer<'f, 'a, 'd> {
    rest: &'f str,
    args: &'a [Value<'d>],
    next: usize,
    reordered: bool,
    good_index: bool,
    out: String,
}

impl Printer<'_, '_, '_> {
    fn run(&mut self) -> Result<(), Fault> {
        while let Some(at) = self.rest.find('%') {
            let (text, rest) = self.rest.split_at_checked(at).unwrap_or((self.rest, ""));
            self.out.push_str(text);
            self.rest = rest.strip_prefix('%').unwrap_or(rest);
            self.verb()?;
            if self.out.len() > MAX_TEXT {
                return Err(Fault::from("the text grows too long"));
            }
        }
        self.out.push_str(self.rest);
        let extra = self.args.get(self.next..).unwrap_or_default();
        if !self.reordered && !extra.is_empty() {
            self.out.push_str("%!(EXTRA ");
            for (index, arg) in extra.iter().enumerate() {
                if index > 0 {
                    self.out.push_str(", ");
                }
                if !arg.is_nil() {
                    self.out.push_str(arg.type_name());
                    self.out.push('=');
                }
                Sheet::new(&mut self.out).value(arg)?;
            }
            self.out.push(')');
        }
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn verb(&mut self) -> Result<(), Fault> {
        let mut spec = Spec::default();
        self.good_index = true;
        loop {
            match self.peek() {
                Some('#') => spec.sharp = true,
                Some('0') => spec.zero = true,
                Some('+') => spec.plus = true,
                Some('-') => spec.minus = true,
                Some(' ') => spec.space = true,
                _ => break,
            }
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        let mut after_index = self.index();
        if self.eat('*') {
            match self.int_arg() {
                Some(width) => {
                    spec.width = usize::try_from(width.unsigned_abs()).ok();
                    if width < 0 {
                        spec.minus = true;
                        spec.zero = false;
                    }
                }
                None => self.out.push_str("%!(BADWIDTH)"),
            }
            after_index = false;
        } else {
            spec.width = self.number();
            if after_index && spec.width.is_some() {
                self.good_index = false;
            }
        }
        if self.rest.len() > 1 && self.eat('.') {
            if after_index {
                self.good_index = false;
            }
            after_index = self.index();
            if self.eat('*') {
                match self.int_arg() {
                    Some(precision) => spec.precision = usize::try_from(precision).ok(),
                    None => self.out.push_str("%!(BADPREC)"),
                }
                after_index = false;
            } else {
                spec.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !after_index {
            self.index();
        }
        let Some(verb) = self.peek() else {
            self.out.push_str("%!(NOVERB)");
            return Ok(());
        };
        self.rest = self.rest.get(verb.len_utf8()..).unwrap_or_default();
        match self.args.get(self.next) {
            _ if verb == '%' => self.out.push('%'),
            _ if !self.good_index => self.complain(verb, "BADINDEX"),
            None => self.complain(verb, "MISSING"),
            Some(arg) => {
                self.next += 1;
                if verb == 'v' {
                    // For structs only, which print without names here.
                    spec.plus = false;
                }
                Writer { spec, verb, out: &mut self.out, depth: 0 }.value(arg)?;
            }
        }
        Ok(())
    }

    fn complain(&mut self, verb: char, what: &str) {
        self.out.push_str("%!");
        self.out.push(verb);
        self.out.push('(');
        self.out.push_str(what);
        self.out.push(')');
    }

    /// A decimal number at this place.
    fn number(&mut self) -> Option<usize> {
        let len = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(len)?;
        let number: i64 = digits.parse().ok()?;
        self.rest = rest;
        if number > MAX_NUMBER { None } else { usize::try_from(number).ok() }
    }

    /// An argument index such as `[2]`, counted from 1.
    fn index(&mut self) -> bool {
        if !self.rest.starts_with('[') {
            return false;
        }
        self.reordered = true;
        let Some(end) = self.rest.find(']') else {
            self.good_index = false;
            self.rest = self.rest.get(1..).unwrap_or_default();
            return false;
        };
        let inside = self.rest.get(1..end).unwrap_or_default();
        let index = inside.parse::<usize>().ok().filter(|n| *n >= 1 && *n <= self.args.len());
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        if let Some(index) = index {
            self.next = index - 1;
            true
        } else {
            self.good_index = false;
            true
        }
    }

    /// The argument of `*`.
    fn int_arg(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next)?;
        self.next += 1;
        arg.as_int().filter(|n| n.abs() <= MAX_NUMBER)
    }
}

/// Writes one value by one verb, and what it holds by the same.
struct Writer<'o> {
    spec: Spec,
    verb: char,
    out: &'o mut String,
    depth: u8,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        if self.out.len() > MAX_TEXT {
            return Err(Fault::from("the text grows too long"));
        }
        if self.verb == 'T' && self.depth == 0 {
            self.pad(value.type_name());
            return Ok(());
        }
        match value {
            Value::Lost => Ok(()),
            Value::Nil if self.verb == 'v' => {
                self.pad("<nil>");
                Ok(())
            }
            Value::Nil => self.bad_verb(value),
            Value::Bool(b) if matches!(self.verb, 't' | 'v') => {
                self.pad(if *b { "true" } else { "false" });
                Ok(())
            }
            Value::Int(_) | Value::Int64(_) | Value::Byte(_) | Value::Uint64(_) => self.integer(value),
            Value::Exact(n) if self.verb == 'v' => {
                self.signed(&n.to_string());
                Ok(())
            }
            Value::Float(_) | Value::Exact(_) => self.float(value),
            Value::Text(text) => self.text(text, value),
            Value::List(list) => self.group("[", list.iter().map(|item| (None, item))),
            Value::Dict(dict) => self.group("map[", dict.entries().into_iter().map(|(k, v)| (Some(k), v))),
            Value::Fields(fields) => {
                self.group("map[", fields.entries().into_iter().map(|(k, v)| (Some(k), v)))
            }
            Value::Session(_) | Value::Match(_) if self.verb == 'v' => Sheet::new(self.out).value(value),
            Value::Url(_) | Value::User(_) | Value::Time(_) | Value::Version(_)
                if matches!(self.verb, 'v' | 's' | 'q' | 'x' | 'X') =>
            {
                let text = super::text::plain(value)?;
                self.text(&text, value)
            }
            other => self.bad_verb(other),
        }
    }

    fn group<'k, 'd>(
        &mut self,
        open: &str,
        items: impl Iterator<Item = (Option<Cow<'k, str>>, Value<'d>)>,
    ) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > super::function::MAX_DEPTH {
            return Err(Fault::from("lists or dicts stand too deep within each other"));
        }
        self.out.push_str(open);
        for (index, (key, item)) in items.enumerate() {
            if index > 0 {
                self.out.push(' ');
            }
            if let Some(key) = key {
                let key = Value::Text(key);
                self.value(&key)?;
                self.out.push(':');
            }
            match item {
                // Go writes a nil in a list the same for every verb.
                Value::Nil => self.out.push_str("<nil>"),
                item => self.value(&item)?,
            }
        }
        self.out.push(']');
        self.depth -= 1;
        Ok(())
    }

    /// `%!d(string=x)`
    fn bad_verb(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        self.out.push_str("%!");
        self.out.push(self.verb);
        self.out.push('(');
        if !value.is_nil() {
            self.out.push_str(value.type_name());
            self.out.push('=');
        }
        let mut inner = Writer { spec: self.spec, verb: 'v', out: &mut *self.out, depth: self.depth };
        if value.is_nil() {
            inner.out.push_str("<nil>");
        } else {
            inner.value(value)?;
        }
        self.out.push(')');
        Ok(())
    }

    /// Fills up to the width; zeros go in front only where that was asked for.
    fn pad(&mut self, text: &str) {
        let missing = self.spec.width.unwrap_or(0).saturating_sub(text.chars().count());
        if self.spec.minus {
            self.out.push_str(text);
            self.fill(' ', missing);
        } else {
            self.fill(if self.spec.zero { '0' } else { ' ' }, missing);
            self.out.push_str(text);
        }
    }

    fn fill(&mut self, with: char, count: usize) {
        self.out.extend(std::iter::repeat_n(with, count));
    }

    /// A number with its sign as the flags say, zeros between sign and digits.
    fn signed(&mut self, number: &str) {
        let (sign, digits) = match number.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => (
                if self.spec.plus {
                    "+"
                } else if self.spec.space {
                    " "
                } else {
                    ""
                },
                number,
            ),
        };
        if self.spec.zero && !self.spec.minus {
            let missing = self.spec.width.unwrap_or(0).saturating_sub(sign.len() + digits.chars().count());
            self.out.push_str(sign);
            self.fill('0', missing);
            self.out.push_str(digits);
        } else {
            self.pad(&format!("{sign}{digits}"));
        }
    }

    fn integer(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        let number = match value {
            Value::Uint64(n) => i128::from(*n),
            other => i128::from(other.as_int().unwrap_or(0)),
        };
        let magnitude = number.unsigned_abs();
        let digits = match self.verb {
            'v' | 'd' => magnitude.to_string(),
            'b' => format!("{magnitude:b}"),
            'o' | 'O' => format!("{magnitude:o}"),
            'x' => format!("{magnitude:x}"),
            'X' => format!("{magnitude:X}"),
            'c' | 'q' | 'U' => {
                self.character(number);
                return Ok(());
            }
            _ => return self.bad_verb(value),
        };
        let mut spec = self.spec;
        let mut text = String::new();
        if number < 0 {
            text.push('-');
        }
        text.push_str(match self.verb {
            'O' => "0o",
            'o' if spec.sharp => "0",
            'x' if spec.sharp => "0x",
            'X' if spec.sharp => "0X",
            'b' if spec.sharp => "0b",
            _ => "",
        });
        if let Some(precision) = spec.precision {
            spec.zero = false;
            if precision == 0 && number == 0 {
                self.fill(' ', spec.width.unwrap_or(0));
                return Ok(());
            }
            text.extend(std::iter::repeat_n('0', precision.saturating_sub(digits.len())));
        }
        text.push_str(&digits);
        let outer = std::mem::replace(&mut self.spec, spec);
        self.signed(&text);
        self.spec = outer;
        Ok(())
    }

    fn character(&mut self, number: i128) {
        let c = u32::try_from(number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
        match self.verb {
            'c' => self.pad(c.encode_utf8(&mut [0; 4])),
            'q' => self.pad(&quote_with(c.encode_utf8(&mut [0; 4]), '\'')),
            _ => {
                let mut text = format!("U+{:04X}", number.max(0));
                if self.spec.sharp && is_printable(c) {
                    text.push_str(" '");
                    text.push(c);
                    text.push('\'');
                }
                let outer = std::mem::replace(&mut self.spec.zero, false);
                self.pad(&text);
                self.spec.zero = outer;
            }
        }
    }

    fn float(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        let (format, precision) = match self.verb {
            'v' | 'g' => (b'g', self.spec.precision),
            'G' => (b'G', self.spec.precision),
            'e' => (b'e', Some(self.spec.precision.unwrap_or(6))),
            'E' => (b'E', Some(self.spec.precision.unwrap_or(6))),
            'f' | 'F' => (b'f', Some(self.spec.precision.unwrap_or(6))),
            _ => return self.bad_verb(value),
        };
        let float = value.as_float().unwrap_or_default();
        let mut text = String::new();
        format_float(&mut text, float, format, precision.map(|p| p.min(1000)));
        if float.is_finite() {
            self.signed(&text);
        } else {
            let plus = self.spec.plus;
            let outer = std::mem::replace(&mut self.spec.zero, false);
            let text = if plus { text } else { text.trim_start_matches('+').to_owned() };
            self.pad(if float > 0.0 && !plus { "+Inf" } else { &text });
            self.spec.zero = outer;
        }
        Ok(())
    }

    fn text(&mut self, text: &str, value: &Value<'_>) -> Result<(), Fault> {
        let cut: Cow<'_, str> = match self.spec.precision {
            Some(precision) => text.chars().take(precision).collect::<String>().into(),
            None => text.into(),
        };
        match self.verb {
            'v' if self.spec.sharp => self.pad(&quote(&cut)),
            's' | 'v' => self.pad(&cut),
            'q' if self.spec.sharp && !cut.contains('`') && !cut.contains(char::is_control) => {
                self.pad(&format!("`{cut}`"));
            }
            'q' => self.pad(&quote(&cut)),
            'x' | 'X' => {
                let bytes = text.as_bytes();
                let bytes = bytes.get(..self.spec.precision.unwrap_or(bytes.len())).unwrap_or(bytes);
                let upper = self.verb == 'X';
                let hex: Vec<String> = bytes
                    .iter()
                    .map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") })
                    .collect();
                let prefix = match (self.spec.sharp && !hex.is_empty(), upper) {
                    (true, false) => "0x",
                    (true, true) => "0X",
                    _ => "",
                };
                let between = if self.spec.space { format!(" {prefix}") } else { String::new() };
                self.pad(&format!("{prefix}{}", hex.join(&between)));
            }
            _ => return self.bad_verb(value),
        }
        Ok(())
    }
}
