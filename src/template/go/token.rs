//! Tokens: a Go template's text cut into pieces, as `text/template/parse` cuts it.

use super::ast::{Number, Span};
use super::number;

/// What is wrong with the text, where.
#[derive(Debug)]
pub struct Syntax {
    pub span: Span,
    pub message: String,
    pub help: Option<String>,
}

impl Syntax {
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind<'s> {
    /// What stands outside of `{{ }}`, trimmed where a marker says so.
    Text(&'s str),
    Open,
    Close,
    Dot,
    /// `.Name`, without the dot.
    Field(&'s str),
    /// `$` or `$name`, with the dollar.
    Variable(&'s str),
    /// A function or a keyword.
    Word(&'s str),
    Quoted(String),
    Number(Number),
    Pipe,
    Comma,
    Assign,
    Declare,
    LeftParen,
    RightParen,
    /// The end of the text.
    End,
}

#[derive(Debug, Clone)]
pub struct Token<'s> {
    pub kind: Kind<'s>,
    pub span: Span,
    /// White space stands before it.
    pub spaced: bool,
}

/// Cuts a whole template. The last token is `End`.
pub fn tokens(source: &str) -> Result<Vec<Token<'_>>, Syntax> {
    let mut lexer = Lexer { source, at: 0, tokens: Vec::new() };
    lexer.run()?;
    Ok(lexer.tokens)
}

/// Go's white space inside actions and for trimming.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_name_part(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    tokens: Vec<Token<'s>>,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn push(&mut self, kind: Kind<'s>, start: usize, spaced: bool) {
        self.tokens.push(Token { kind, span: Span::new(start, self.at), spaced });
    }

    fn error(&self, start: usize, message: impl Into<String>) -> Syntax {
        Syntax::new(Span::new(start, self.at.max(start)), message)
    }

    fn run(&mut self) -> Result<(), Syntax> {
        let mut trim_start = false;
        loop {
            let start = self.at;
            let text = self.rest();
            let (text, found) = match text.find("{{") {
                Some(len) => (text.get(..len).unwrap_or_default(), true),
                None => (text, false),
            };
            self.at = start + text.len();
            let open = self.at;
            let trim_end = found && starts_trimmed(self.source.get(open + 2..).unwrap_or_default());
            let mut shown = text;
            if trim_start {
                shown = shown.trim_start_matches(is_space);
            }
            if trim_end {
                shown = shown.trim_end_matches(is_space);
            }
            if !shown.is_empty() {
                self.push(Kind::Text(shown), start, false);
            }
            if !found {
                self.push(Kind::End, self.at, false);
                return Ok(());
            }
            self.at = open + if trim_end { 4 } else { 2 };
            trim_start = if self.rest().starts_with("/*") {
                self.comment(open)?
            } else {
                self.push(Kind::Open, open, false);
                self.action(open)?
            };
        }
    }

    /// Skips a comment and its closing; true when the text behind it is to be trimmed.
    fn comment(&mut self, open: usize) -> Result<bool, Syntax> {
        self.at += 2;
        let Some(len) = self.rest().find("*/") else {
            return Err(Syntax::new(Span::new(open, open + 2), "this comment is not closed with `*/}}`"));
        };
        self.at += len + 2;
        if self.rest().starts_with("}}") {
            self.at += 2;
            return Ok(false);
        }
        if closes_trimmed(self.rest()) {
            self.at += 4;
            return Ok(true);
        }
        Err(self.error(self.at - 2, "a comment has to end right before `}}`"))
    }

    /// Cuts what stands between `{{` and `}}`; true when the text behind it is to be trimmed.
    fn action(&mut self, open: usize) -> Result<bool, Syntax> {
        loop {
            let before = self.rest();
            if closes_trimmed(before) {
                self.at += 4;
                self.push(Kind::Close, self.at - 3, true);
                return Ok(true);
            }
            let trimmed = before.trim_start_matches(is_space);
            let spaces = before.len() - trimmed.len();
            if spaces > 0 && closes_trimmed(before.get(spaces - 1..).unwrap_or_default()) {
                self.at += spaces + 3;
                self.push(Kind::Close, self.at - 3, true);
                return Ok(true);
            }
            self.at += spaces;
            let start = self.at;
            if trimmed.starts_with("}}") {
                self.at += 2;
                self.push(Kind::Close, start, spaces > 0);
                return Ok(false);
            }
            let Some(c) = self.peek() else {
                return Err(Syntax::new(Span::new(open, open + 2), "this action is not closed with `}}`"));
            };
            let kind = self.piece(c, start)?;
            self.push(kind, start, spaces > 0);
        }
    }

    fn piece(&mut self, c: char, start: usize) -> Result<Kind<'s>, Syntax> {
        let next = self.rest().chars().nth(1);
        let single = match c {
            '|' => Some(Kind::Pipe),
            ',' => Some(Kind::Comma),
            '=' => Some(Kind::Assign),
            '(' => Some(Kind::LeftParen),
            ')' => Some(Kind::RightParen),
            _ => None,
        };
        if let Some(kind) = single {
            self.at += 1;
            return Ok(kind);
        }
        match c {
            ':' if next == Some('=') => {
                self.at += 2;
                Ok(Kind::Declare)
            }
            '"' => self
                .quoted('"', start)
                .and_then(|raw| unquote(raw).map(Kind::Quoted).map_err(|why| self.error(start, why))),
            '`' => self.raw(start),
            '\'' => self.character(start),
            '.' if next.is_some_and(|n| n.is_ascii_digit()) => self.number(start),
            '.' => self.field(start),
            '$' => self.variable(start),
            '+' | '-' | '0'..='9' => self.number(start),
            _ if is_name_part(c) => {
                self.name();
                self.terminated(start)?;
                Ok(Kind::Word(self.source.get(start..self.at).unwrap_or_default()))
            }
            '/' if next == Some('*') => {
                self.at += 2;
                Err(self.error(start, "a comment has to follow `{{` at once, as in `{{/* … */}}`"))
            }
            _ => {
                self.at += c.len_utf8();
                Err(self.error(start, format!("unexpected `{}` in an action", c.escape_debug())))
            }
        }
    }

    fn name(&mut self) {
        let rest = self.rest();
        self.at += rest.find(|c| !is_name_part(c)).unwrap_or(rest.len());
    }

    /// Names have to be followed by something that ends them.
    fn terminated(&mut self, start: usize) -> Result<(), Syntax> {
        let Some(c) = self.peek() else { return Ok(()) };
        if is_space(c) || matches!(c, '.' | ',' | '|' | ':' | ')' | '(') || self.rest().starts_with("}}") {
            return Ok(());
        }
        let bad = self.at;
        self.at += c.len_utf8();
        let error = self.error(bad, format!("unexpected `{}` in a name", c.escape_debug()));
        let name = self.source.get(start..bad).unwrap_or_default();
        Err(if name.starts_with('.') && matches!(c, '-' | '/' | '@' | '#' | '+') {
            error.help("reach keys with such characters by `index`, as in `index .Extra \"my-key\"`")
        } else {
            error
        })
    }

    fn field(&mut self, start: usize) -> Result<Kind<'s>, Syntax> {
        self.at += 1;
        self.name();
        if self.at == start + 1 {
            self.terminated(start)?;
            return Ok(Kind::Dot);
        }
        self.terminated(start)?;
        Ok(Kind::Field(self.source.get(start + 1..self.at).unwrap_or_default()))
    }

    fn variable(&mut self, start: usize) -> Result<Kind<'s>, Syntax> {
        self.at += 1;
        self.name();
        self.terminated(start)?;
        Ok(Kind::Variable(self.source.get(start..self.at).unwrap_or_default()))
    }

    fn number(&mut self, start: usize) -> Result<Kind<'s>, Syntax> {
        let mut previous = ' ';
        let rest = self.rest();
        let hex = rest.trim_start_matches(['+', '-']).get(..2).is_some_and(|p| p.eq_ignore_ascii_case("0x"));
        let len = rest
            .find(|c: char| {
                let exponent =
                    if hex { matches!(previous, 'p' | 'P') } else { matches!(previous, 'e' | 'E') };
                let sign = matches!(c, '+' | '-') && (previous == ' ' || exponent);
                previous = c;
                !(sign || c == '.' || is_name_part(c))
            })
            .unwrap_or(rest.len());
        self.at = start + len;
        let text = self.source.get(start..self.at).unwrap_or_default();
        match number::literal(text) {
            Some(number) => Ok(Kind::Number(number)),
            None => Err(self.error(start, format!("`{text}` is not a number"))),
        }
    }

    /// The inside of a quoted constant; the closing quote is skipped.
    fn quoted(&mut self, quote: char, start: usize) -> Result<&'s str, Syntax> {
        let mut escaped = false;
        for (index, c) in self.rest().char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => {
                    self.at = start + index + 1;
                    return Ok(self.source.get(start + 1..start + index).unwrap_or_default());
                }
                _ => {}
            }
        }
        Err(Syntax::new(Span::new(start, start + 1), format!("this `{quote}` is not closed on its line")))
    }

    fn raw(&mut self, start: usize) -> Result<Kind<'s>, Syntax> {
        let inside = self.rest().get(1..).unwrap_or_default();
        let Some(len) = inside.find('`') else {
            return Err(Syntax::new(Span::new(start, start + 1), "this backquote is not closed"));
        };
        self.at = start + len + 2;
        Ok(Kind::Quoted(inside.get(..len).unwrap_or_default().to_owned()))
    }

    fn character(&mut self, start: usize) -> Result<Kind<'s>, Syntax> {
        let raw = self.quoted('\'', start)?;
        let mut chars = raw.chars();
        let value = match (chars.next(), chars.next()) {
            (Some('\\'), Some(_)) => match unescape(&mut raw.chars(), '\'') {
                Ok(Unescaped::Char(c)) if raw.chars().count() == escape_len(raw) => {
                    Some(i64::from(u32::from(c)))
                }
                Ok(Unescaped::Byte(b)) if raw.chars().count() == escape_len(raw) => Some(i64::from(b)),
                _ => None,
            },
            (Some(c), None) if c != '\\' => Some(i64::from(u32::from(c))),
            _ => None,
        };
        match value {
            Some(value) => {
                Ok(Kind::Number(Number { int: Some(value), float: number::to_float(value), is_float: false }))
            }
            None => Err(self
                .error(start, format!("`'{raw}'` is not one character"))
                .help("text stands in double quotes, as in `\"text\"`")),
        }
    }
}

/// `{{- ` trims what stands before it.
fn starts_trimmed(after_open: &str) -> bool {
    let mut chars = after_open.chars();
    chars.next() == Some('-') && chars.next().is_some_and(is_space)
}

/// ` -}}` trims what stands behind it.
fn closes_trimmed(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_space) && chars.as_str().starts_with("-}}")
}

enum Unescaped {
    Char(char),
    Byte(u8),
}

/// How many characters the escape at the beginning of `raw` takes.
fn escape_len(raw: &str) -> usize {
    match raw.chars().nth(1) {
        Some('x' | '0'..='7') => 4,
        Some('u') => 6,
        Some('U') => 10,
        _ => 2,
    }
}

/// Takes one escape, backslash included, off the front.
fn unescape(chars: &mut std::str::Chars<'_>, quote: char) -> Result<Unescaped, String> {
    chars.next();
    let Some(c) = chars.next() else { return Err("an escape ends too early".to_owned()) };
    let plain = match c {
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        '\\' => Some('\\'),
        c if c == quote => Some(c),
        _ => None,
    };
    if let Some(plain) = plain {
        return Ok(Unescaped::Char(plain));
    }
    let (len, radix, first) = match c {
        'x' => (2, 16, None),
        'u' => (4, 16, None),
        'U' => (8, 16, None),
        '0'..='7' => (2, 8, Some(c)),
        other => return Err(format!("`\\{}` is no escape", other.escape_debug())),
    };
    let digits: String = first.into_iter().chain(chars.by_ref().take(len)).collect();
    let complete = digits.len() == len + usize::from(first.is_some());
    let value = u32::from_str_radix(&digits, radix).ok().filter(|_| complete && !digits.starts_with('+'));
    let value = value.ok_or_else(|| format!("`\\{c}` is not followed by enough digits"))?;
    if matches!(c, 'u' | 'U') {
        return char::from_u32(value)
            .map(Unescaped::Char)
            .ok_or_else(|| format!("`\\{c}{digits}` is no character"));
    }
    u8::try_from(value).map(Unescaped::Byte).map_err(|_| format!("`\\{digits}` is no byte"))
}

/// The text of a double-quoted constant (Go's `strconv.Unquote`).
fn unquote(raw: &str) -> Result<String, String> {
    if !raw.contains('\\') {
        return Ok(raw.to_owned());
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut chars = raw.chars();
    loop {
        let before = chars.clone();
        match chars.next() {
            None => break,
            Some('\\') => {
                chars = before;
                match unescape(&mut chars, '"')? {
                    Unescaped::Byte(b) => bytes.push(b),
                    Unescaped::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            Some(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    String::from_utf8(bytes).map_err(|_| "this text is not UTF-8".to_owned())
}
