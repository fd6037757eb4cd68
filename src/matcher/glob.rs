//! Reads a fragment of the `glob` strategy: gobwas/glob's syntax with the separators `.` and `/`.

use super::Fault;
use super::tree::{Chars, Node, Order, Times, any, except, single, span};

/// What `*` and `?` stop at.
const SEPARATORS: [char; 2] = ['.', '/'];

/// Deeper nesting of braces is refused.
const MAX_DEPTH: usize = 50;

struct Reader<'s> {
    text: &'s str,
    base: usize,
    at: usize,
    depth: usize,
    odd: Vec<Fault>,
}

/// Reads one fragment that stands at `base` in its pattern. What is legal but rarely meant is told beside it.
pub(super) fn read(text: &str, base: usize) -> Result<(Node, Vec<Fault>), Fault> {
    let mut reader = Reader { text, base, at: 0, depth: 0, odd: Vec::new() };
    let node = reader.sequence()?;
    Ok((node, reader.odd))
}

/// Any number of `chars`.
fn run(chars: Chars) -> Node {
    Node::Repeat(Box::new(Node::One(chars)), Times { min: 0, max: None, order: Order::Most })
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take(&mut self, c: char) -> bool {
        let next = self.peek() == Some(c);
        if next {
            self.at += c.len_utf8();
        }
        next
    }

    fn fault(&self, message: impl Into<String>, start: usize) -> Fault {
        Fault::new(
            message,
            self.base + start..self.base + self.at.max(start + 1).min(self.text.len()).max(start),
        )
    }

    fn sequence(&mut self) -> Result<Node, Fault> {
        let mut parts = Vec::new();
        loop {
            let start = self.at;
            match self.peek() {
                None => break,
                Some(',' | '}') if self.depth > 0 => break,
                Some(_) => {}
            }
            parts.push(match self.bump() {
                Some('*') if self.take('*') => run(any()),
                Some('*') => run(except(&SEPARATORS)),
                Some('?') => Node::One(except(&SEPARATORS)),
                Some('[') => Node::one(self.class(start)?),
                Some('{') => self.alternatives(start)?,
                Some('\\') => match self.bump() {
                    Some(c) => Node::Text(c.to_string()),
                    None => return Err(self.fault("the backslash has nothing after it", start)),
                },
                Some(c) => Node::Text(c.to_string()),
                None => break,
            });
        }
        Ok(Node::sequence(parts))
    }

    /// The rest of `{a,b}`, whose brace at `start` was taken.
    fn alternatives(&mut self, start: usize) -> Result<Node, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fault("braces are nested too deeply", start));
        }
        let mut branches = vec![self.sequence()?];
        while self.take(',') {
            branches.push(self.sequence()?);
        }
        if !self.take('}') {
            return Err(self.fault("`{` is never closed", start));
        }
        self.depth -= 1;
        Ok(Node::choice(branches))
    }

    /// The rest of `[…]`, whose bracket at `start` was taken.
    fn class(&mut self, start: usize) -> Result<Chars, Fault> {
        let negative = self.take('!');
        let caret = self.peek() == Some('^');
        let mut chars = Chars::empty();
        while !self.take(']') {
            let at = self.at;
            let low = self.class_char(start)?;
            let dash_is_last = self.text.get(self.at..).is_some_and(|rest| rest.starts_with("-]"));
            if !self.take('-') {
                chars.union(&single(low));
            } else if dash_is_last && at > start + 1 + usize::from(negative) {
                chars.union(&single(low));
                chars.union(&single('-'));
            } else if dash_is_last {
                return Err(self.fault("the range has no end", at));
            } else {
                let high = self.class_char(start)?;
                if high < low {
                    return Err(self.fault("the range is in reverse order", at));
                }
                chars.union(&span(low, high));
            }
        }
        if chars.ranges().is_empty() {
            return Err(self.fault("the class has no characters", start));
        }
        if caret && !negative {
            let odd = self.fault("`^` in a glob's class is an ordinary character", start);
            self.odd.push(odd.help("`[!…]` means any character but these"));
        }
        if negative {
            chars.negate();
        }
        Ok(chars)
    }

    fn class_char(&mut self, start: usize) -> Result<char, Fault> {
        let c = match self.bump() {
            Some('\\') => self.bump(),
            other => other,
        };
        c.ok_or_else(|| self.fault("`[` is never closed", start))
    }
}
