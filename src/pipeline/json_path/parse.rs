//! Reading a path.

use serde_json::Value;

use super::modifier::Modifier;
use super::query::{Pattern, Query};
use super::{JsonPath, Step};

/// A longer path is refused.
const LONGEST: usize = 4096;
/// Paths within paths, to this depth.
const DEEPEST: usize = 16;

pub(super) fn path(text: &str) -> Result<JsonPath, String> {
    if text.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    steps(text, 0)
}

/// Reads a path that lies within `depth` others.
pub(super) fn steps(text: &str, depth: usize) -> Result<JsonPath, String> {
    if depth > DEEPEST {
        return Err("it is nested too deep".to_owned());
    }
    let mut steps = Vec::new();
    // `..` in front means a document of many lines; an answer is one.
    let mut rest = match text.strip_prefix("..") {
        Some(rest) => {
            steps.push(Step::List(vec![JsonPath(Vec::new())]));
            rest
        }
        None => text,
    };
    loop {
        let (step, end) = step(rest, depth)?;
        let (separator, after) = separated(rest.get(end..).unwrap_or_default())?;
        rest = after;
        // Behind what stands for each item, a dot leads into the items, a pipe to what was collected.
        let into_items = matches!(step, Step::Count | Step::All(..)) && separator == Some('.');
        let step = if into_items {
            let (inner, after) = rest.split_at(end_of_group(rest));
            rest = after.strip_prefix('|').unwrap_or(after);
            let inner = self::steps(inner, depth + 1)?;
            steps.push(match step {
                Step::All(query, _) => Step::All(query, inner),
                _ => Step::Each(inner),
            });
            if after.is_empty() {
                break;
            }
            continue;
        } else {
            step
        };
        steps.push(step);
        if separator.is_none() {
            break;
        }
    }
    Ok(JsonPath(steps))
}

/// The separator that `text` begins with, and what is behind it.
fn separated(text: &str) -> Result<(Option<char>, &str), String> {
    let mut chars = text.chars();
    match chars.next() {
        None => Ok((None, "")),
        Some(c @ ('.' | '|')) => Ok((Some(c), chars.as_str())),
        Some(_) => Err(format!("`.` or `|` is missing before `{text}`")),
    }
}

/// Reads the step that `text` begins with, and says where it ends.
fn step(text: &str, depth: usize) -> Result<(Step, usize), String> {
    let unclosed = || format!("a bracket or quote of `{text}` is not closed");
    let tail = |at: usize| text.get(at..).unwrap_or_default();
    match text.chars().next() {
        Some('@') => {
            if let Some((modifier, end)) = Modifier::read(tail(1), depth)? {
                return Ok((Step::Modify(modifier), end + 1));
            }
        }
        Some('!') => {
            let mut values = serde_json::Deserializer::from_str(tail(1)).into_iter::<Value>();
            if let Some(Ok(value)) = values.next() {
                return Ok((Step::Literal(value), values.byte_offset() + 1));
            }
        }
        Some(open @ ('{' | '[')) => {
            let end = bracketed(text).ok_or_else(unclosed)?;
            let inner = text.get(1..end.saturating_sub(1)).unwrap_or_default();
            let members = split(inner, ',').into_iter().filter(|member| !member.trim().is_empty());
            let step = if open == '{' {
                Step::Object(members.map(|m| member(m, depth)).collect::<Result<_, _>>()?)
            } else {
                let paths = members.map(|m| member(m, depth).map(|(_, path)| path));
                Step::List(paths.collect::<Result<_, _>>()?)
            };
            return Ok((step, end));
        }
        Some('#') => match text.as_bytes().get(1) {
            None | Some(b'.' | b'|') => return Ok((Step::Count, 1)),
            Some(b'(') => {
                let end = 1 + bracketed(tail(1)).ok_or_else(unclosed)?;
                let inner = text.get(2..end.saturating_sub(1)).unwrap_or_default();
                let query = Query::read(inner, depth)?;
                return Ok(if tail(end).starts_with('#') {
                    (Step::All(query, JsonPath(Vec::new())), end + 1)
                } else {
                    (Step::First(query), end)
                });
            }
            Some(_) => {}
        },
        _ => {}
    }
    let end = end_of_key(text);
    let key = text.get(..end).unwrap_or_default();
    let pattern = Pattern::read(key);
    Ok((pattern.literal().map_or(Step::Wild(pattern), Step::Key), end))
}

/// One of several paths: `name:path` or a path, which is called after its last key.
fn member(text: &str, depth: usize) -> Result<(String, JsonPath), String> {
    let text = text.trim();
    let named = match split(text, ':').as_slice() {
        [name, _, ..] if !text.starts_with('@') => Some((*name, text.get(name.len() + 1..))),
        _ => None,
    };
    let (name, path) = match named {
        Some((name, path)) => {
            let name = name.trim();
            let quoted = serde_json::from_str::<String>(name).ok();
            (quoted.unwrap_or_else(|| name.to_owned()), path.unwrap_or_default().trim())
        }
        None => (last_key(text), text),
    };
    Ok((name, steps(path, depth + 1)?))
}

fn last_key(path: &str) -> String {
    let begin = path.rfind(['.', '|']).map_or(0, |at| at + 1);
    let last = path.get(begin..).unwrap_or_default();
    let simple = !last.is_empty() && !last.contains(['[', ']', '{', '}', '(', ')', '#', '|', '!']);
    if simple { last.to_owned() } else { "_".to_owned() }
}

/// Where a key ends: at a dot or pipe that is not escaped.
fn end_of_key(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().find(|(_, c)| {
        let separates = matches!(c, '.' | '|') && !escaped;
        escaped = *c == '\\' && !escaped;
        separates
    });
    end.map_or(text.len(), |(at, _)| at)
}

/// Where the pipe is that ends what belongs to each item.
fn end_of_group(text: &str) -> usize {
    split(text, '|').first().map_or(text.len(), |group| group.len())
}

/// The end of the bracket that `text` begins with.
pub(super) fn bracketed(text: &str) -> Option<usize> {
    let mut nesting = Nesting::default();
    for (at, c) in text.char_indices() {
        nesting.pass(c);
        if nesting.depth == 0 && !nesting.quoted {
            return Some(at + c.len_utf8());
        }
    }
    None
}

/// Splits at a character outside of brackets and quotes.
pub(super) fn split(text: &str, at: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut begin = 0;
    let mut nesting = Nesting::default();
    for (index, c) in text.char_indices() {
        if c == at && nesting.is_outside() {
            parts.push(text.get(begin..index).unwrap_or_default());
            begin = index + c.len_utf8();
        }
        nesting.pass(c);
    }
    parts.push(text.get(begin..).unwrap_or_default());
    parts
}

/// How deep in brackets and quotes a reader is.
#[derive(Default)]
pub(super) struct Nesting {
    depth: usize,
    quoted: bool,
    escaped: bool,
}

impl Nesting {
    pub(super) fn is_outside(&self) -> bool {
        self.depth == 0 && !self.quoted && !self.escaped
    }

    pub(super) fn pass(&mut self, c: char) {
        if std::mem::take(&mut self.escaped) {
            return;
        }
        match c {
            '\\' => self.escaped = true,
            '"' => self.quoted = !self.quoted,
            _ if self.quoted => {}
            '(' | '[' | '{' => self.depth += 1,
            ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}
