//! Functions on the letters and words of a text.

use std::borrow::Cow;

use super::strings::bytes;
use crate::template::go::function::{Args, Function, Scope};
use crate::template::go::value::{Answer, Kind, Value};

const TEXT: Kind = Kind::Text;
const INT: Kind = Kind::Int;

pub const FUNCTIONS: &[Function] = &[
    Function::new("upper", &[TEXT], TEXT, |_, args| map(args, upper)),
    Function::new("lower", &[TEXT], TEXT, |_, args| map(args, lower)),
    Function::new("title", &[TEXT], TEXT, |_, args| map(args, title)),
    Function::new("untitle", &[TEXT], TEXT, |_, args| map(args, untitle)),
    Function::new("swapcase", &[TEXT], TEXT, |_, args| map(args, swapcase)),
    Function::new("initials", &[TEXT], TEXT, |_, args| map(args, initials)),
    Function::new("camelcase", &[TEXT], TEXT, |_, args| map(args, pascal)),
    Function::new("snakecase", &[TEXT], TEXT, |_, args| map(args, |text| join_words(text, '_'))),
    Function::new("kebabcase", &[TEXT], TEXT, |_, args| map(args, |text| join_words(text, '-'))),
    Function::new("abbrev", &[INT, TEXT], TEXT, abbrev),
    Function::new("abbrevboth", &[INT, INT, TEXT], TEXT, abbrevboth),
    Function::new("wrap", &[INT, TEXT], TEXT, wrap),
    Function::new("wrapWith", &[INT, TEXT, TEXT], TEXT, wrap_with),
];

fn map<'d>(args: &mut Args<'_, 'd>, change: impl FnOnce(&str) -> String) -> Answer<'d> {
    Ok(Value::text(change(args.text(0))))
}

/// One letter for one letter, as Go maps them.
fn to_upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(upper), None) => upper,
        _ => c,
    }
}

fn to_lower(c: char) -> char {
    let mut mapped = c.to_lowercase();
    // The dotted capital I is the only one that becomes two, the first of them an i.
    mapped.next().unwrap_or(c)
}

fn upper(text: &str) -> String {
    text.chars().map(to_upper).collect()
}

fn lower(text: &str) -> String {
    text.chars().map(to_lower).collect()
}

/// A capital at the beginning of each word; letters, digits and `_` make words.
fn title(text: &str) -> String {
    let mut in_word = false;
    text.chars()
        .map(|c| {
            let first = !in_word;
            in_word = if c.is_ascii() {
                c.is_ascii_alphanumeric() || c == '_'
            } else {
                c.is_alphanumeric() || !c.is_whitespace()
            };
            if first { to_upper(c) } else { c }
        })
        .collect()
}

fn untitle(text: &str) -> String {
    let mut first = true;
    text.chars()
        .map(|c| {
            if c.is_whitespace() {
                first = true;
                c
            } else if std::mem::take(&mut first) {
                to_lower(c)
            } else {
                c
            }
        })
        .collect()
}

fn swapcase(text: &str) -> String {
    let mut after_space = true;
    text.chars()
        .map(|c| {
            if c.is_uppercase() {
                after_space = false;
                to_lower(c)
            } else if c.is_lowercase() {
                after_space = false;
                to_upper(c)
            } else {
                after_space = c.is_whitespace();
                c
            }
        })
        .collect()
}

fn initials(text: &str) -> String {
    text.split_whitespace().filter_map(|word| word.chars().next()).collect()
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

/// `http_server` as `HttpServer`; connectors at the beginning, doubled or at the end stay.
fn pascal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut current = '\0';
    let mut started = false;
    let mut capitals = false;
    for c in chars.by_ref() {
        current = c;
        if !is_connector(c) {
            capitals = c.is_uppercase();
            current = to_upper(c);
            started = true;
            break;
        }
        out.push(c);
    }
    if !started {
        // Of nothing but connectors the last is written twice.
        if text.is_empty() {
            return out;
        }
        out.push(current);
        return out;
    }
    for next in chars {
        let before = std::mem::replace(&mut current, next);
        if is_connector(next) && is_connector(before) {
            out.push(before);
            continue;
        }
        if is_connector(before) {
            capitals = next.is_uppercase();
            current = to_upper(next);
        } else {
            if capitals {
                if next.is_uppercase() {
                    current = to_lower(next);
                } else {
                    capitals = false;
                }
            }
            out.push(before);
        }
    }
    out.push(current);
    out
}

/// What a run of characters is to `snakecase` and `kebabcase`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    None,
    Number,
    Upper,
    Letters,
    Connector,
    Punctuation,
    Other,
}

fn is_punctuation(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_punctuation() && !matches!(c, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~');
    }
    matches!(c, '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}'
        | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}')
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic()
}

/// The length of the run of characters at the beginning for which `same` holds.
fn run(text: &str, same: impl Fn(char) -> bool) -> usize {
    text.find(|c| !same(c)).unwrap_or(text.len())
}

/// The first word of a text: what it is and how long.
fn next_word(text: &str) -> (Word, usize) {
    let Some(first) = text.chars().next() else { return (Word::None, 0) };
    let lower_letter = |c: char| is_letter(c) && !c.is_uppercase();
    if is_connector(first) {
        (Word::Connector, run(text, is_connector))
    } else if is_punctuation(first) {
        (Word::Punctuation, run(text, is_punctuation))
    } else if first.is_uppercase() {
        let capitals = run(text, char::is_uppercase);
        let behind = text.get(capitals..).unwrap_or_default();
        if capitals > first.len_utf8() {
            // In `HTTPStatus` the `S` belongs to what follows.
            let last = text.get(..capitals).and_then(|t| t.chars().last()).map_or(0, char::len_utf8);
            let steps_back = behind.chars().next().is_some_and(is_letter);
            return (Word::Upper, if steps_back { capitals - last } else { capitals });
        }
        (Word::Upper, capitals + run(behind, lower_letter))
    } else if is_letter(first) {
        (Word::Letters, run(text, lower_letter))
    } else if first.is_numeric() {
        (Word::Number, run(text, char::is_numeric))
    } else {
        let other = |c: char| !(is_connector(c) || is_letter(c) || c.is_numeric() || is_punctuation(c));
        (Word::Other, run(text, other))
    }
}

struct Words<'t> {
    rest: &'t str,
    word: Word,
    text: &'t str,
    connector: char,
    out: String,
}

impl<'t> Words<'t> {
    fn next(&mut self) {
        let (word, len) = next_word(self.rest);
        let (text, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        (self.word, self.text, self.rest) = (word, text, rest);
    }

    fn write(&mut self, word: Word, text: &'t str) {
        if !matches!(word, Word::Upper | Word::Connector) {
            self.out.push_str(text);
            return;
        }
        for c in text.chars() {
            self.out.push(if is_connector(c) { self.connector } else { to_lower(c) });
        }
    }

    fn is(&self, words: &[Word]) -> bool {
        words.contains(&self.word)
    }

    fn write_letters_and_numbers(&mut self) {
        while self.is(&[Word::Letters, Word::Number]) {
            self.write(self.word, self.text);
            self.next();
        }
        if !self.is(&[Word::None, Word::Punctuation, Word::Connector]) {
            self.out.push(self.connector);
        }
    }
}

/// `FirstName` as `first_name`, `HTTP20xOK` as `http_20x_ok`.
fn join_words(text: &str, connector: char) -> String {
    let mut words = Words {
        rest: text,
        word: Word::None,
        text: "",
        connector,
        out: String::with_capacity(text.len() + 4),
    };
    words.next();
    while !words.rest.is_empty() {
        if words.word != Word::Connector {
            words.write(words.word, words.text);
        }
        let (before, before_text) = (words.word, words.text);
        words.next();
        match before {
            Word::Number => words.write_letters_and_numbers(),
            Word::Connector => words.write(before, before_text),
            Word::Punctuation => {}
            _ if words.word != Word::Number => {
                if !words.is(&[Word::Connector, Word::Punctuation]) {
                    words.out.push(connector);
                }
            }
            _ if words.rest.is_empty() => {}
            _ => {
                // A number belongs to the word before it, unless small letters follow it.
                let number = words.text;
                words.next();
                if words.word == Word::Letters {
                    words.out.push(connector);
                    words.write(Word::Number, number);
                    words.write_letters_and_numbers();
                } else {
                    words.write(Word::Number, number);
                    if !words.is(&[Word::Connector, Word::Punctuation]) {
                        words.out.push(connector);
                    }
                }
            }
        }
    }
    words.write(words.word, words.text);
    words.out
}

fn shorten(text: &str, width: usize) -> Cow<'_, str> {
    if text.len() <= width {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}...", bytes(text, 0, width - 3)))
}

fn abbrev<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    match usize::try_from(args.int(0)) {
        Ok(width) if width >= 4 => Ok(Value::text(shorten(args.text(1), width).into_owned())),
        _ => Ok(args.take(1)),
    }
}

fn abbrevboth<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let (left, right) = (args.int(0), args.int(1));
    let width = usize::try_from(right).unwrap_or(0);
    if width < 4 || (left > 0 && width < 7) {
        return Ok(args.take(2));
    }
    let text = args.text(2);
    if text.len() <= width {
        return Ok(args.take(2));
    }
    let mut offset = usize::try_from(left).unwrap_or(0).min(text.len());
    if text.len() - offset < width - 3 {
        offset = text.len() - (width - 3);
    }
    Ok(Value::text(if offset <= 4 {
        format!("{}...", bytes(text, 0, width - 3))
    } else if width < 7 {
        String::new()
    } else if offset + width - 3 < text.len() {
        format!("...{}", shorten(bytes(text, offset, text.len()), width - 3))
    } else {
        format!("...{}", bytes(text, text.len() - (width - 3), text.len()))
    }))
}

/// Lines of at most `width` characters, broken at spaces.
fn wrapped(text: &str, width: i64, line_end: &str, break_long: bool) -> String {
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let line_end = if line_end.is_empty() { "\n" } else { line_end };
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let slice = |from: usize, to: usize| chars.get(from..to).unwrap_or_default();
    while chars.len() - at > width {
        if chars.get(at) == Some(&' ') {
            at += 1;
            continue;
        }
        let space = slice(at, at + width + 1).iter().rposition(|c| *c == ' ');
        let (end, next) = match space {
            Some(space) => (at + space, at + space + 1),
            None if break_long => (at + width, at + width),
            None => {
                if let Some(space) = slice(at + width, chars.len()).iter().position(|c| *c == ' ') {
                    (at + width + space, at + width + space + 1)
                } else {
                    out.extend(slice(at, chars.len()));
                    return out;
                }
            }
        };
        out.extend(slice(at, end));
        out.push_str(line_end);
        at = next;
    }
    out.extend(slice(at, chars.len()));
    out
}

fn wrap<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::text(wrapped(args.text(1), args.int(0), "", false)))
}

fn wrap_with<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let (line_end, text) = (args.text(1), args.text(2));
    let width = usize::try_from(args.int(0)).unwrap_or(1).max(1);
    // No more breaks than this, each of them a line's end.
    let breaks = text.len() / width + text.matches(' ').count();
    super::strings::room(text.len().saturating_add(breaks.saturating_mul(line_end.len())))?;
    Ok(Value::text(wrapped(text, args.int(0), line_end, true)))
}
