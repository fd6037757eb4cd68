//! Reads a fragment of the `regexp` strategy: .NET's regular expressions as Oathkeeper's engine
//! (dlclark/regexp2 in its RE2 mode) reads them.

mod class;
mod escape;
mod group;

pub(super) use class::{DIGIT, SPACE, WORD};
pub(super) use group::Groups;

use super::Fault;
use super::tree::{Chars, Node, Order, Place, Times, any, except};

/// Deeper nesting is refused: nothing people write comes near.
const MAX_DEPTH: usize = 50;

/// Options that `(?imnsx)` sets.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "five independent options are what the syntax has")]
struct Flags {
    /// `i`: letters without regard to case.
    fold: bool,
    /// `m`: `^` and `$` at every line.
    lines: bool,
    /// `n`: plain parentheses capture nothing.
    explicit: bool,
    /// `s`: the dot matches a newline.
    dot_all: bool,
    /// `x`: white space and comments are skipped.
    spaced: bool,
}

struct Reader<'s, 'g> {
    text: &'s str,
    /// Where `text` stands in the pattern.
    base: usize,
    at: usize,
    flags: Flags,
    groups: &'g mut Groups,
    depth: usize,
}

/// Reads one fragment that stands at `base` in its pattern. Capture groups and references are entered in
/// `groups`, and their numbers in the tree are indexes into it.
pub(super) fn read(text: &str, base: usize, groups: &mut Groups) -> Result<Node, Fault> {
    let mut reader = Reader { text, base, at: 0, flags: Flags::default(), groups, depth: 0 };
    let node = reader.branches()?;
    if reader.at < text.len() {
        return Err(reader.fault("`)` closes a group that was never opened", reader.at));
    }
    Ok(node)
}

impl<'s> Reader<'s, '_> {
    fn rest(&self) -> &'s str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Takes `text` if it is next.
    fn take(&mut self, text: &str) -> bool {
        let next = self.rest().starts_with(text);
        if next {
            self.at += text.len();
        }
        next
    }

    /// A fault from `start` (within the fragment) up to where reading stands, at least one byte.
    fn fault(&self, message: impl Into<String>, start: usize) -> Fault {
        let end = self.at.max(start + 1).min(self.text.len()).max(start);
        Fault::new(message, self.base + start..self.base + end)
    }

    /// Branches up to a closing parenthesis or the end.
    fn branches(&mut self) -> Result<Node, Fault> {
        Ok(Node::choice(self.branch_list()?))
    }

    fn branch_list(&mut self) -> Result<Vec<Node>, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fault("groups are nested too deeply", self.at));
        }
        let mut branches = vec![self.sequence()?];
        while self.take("|") {
            branches.push(self.sequence()?);
        }
        self.depth -= 1;
        Ok(branches)
    }

    fn sequence(&mut self) -> Result<Node, Fault> {
        let mut parts = Vec::new();
        loop {
            self.skip_blank()?;
            match self.peek() {
                None | Some('|' | ')') => return Ok(Node::sequence(parts)),
                Some(_) => {
                    if let Some(part) = self.part()? {
                        parts.push(self.repeated(part)?);
                    }
                }
            }
        }
    }

    /// One part; `None` for what only sets options.
    fn part(&mut self) -> Result<Option<Node>, Fault> {
        let start = self.at;
        if matches!(self.peek(), Some('*' | '+' | '?'))
            || (self.peek() == Some('{') && self.counts().is_some())
        {
            let shown = self.rest().chars().next().unwrap_or_default();
            return Err(self.fault(format!("`{shown}` has nothing before it to repeat"), start));
        }
        let node = match self.bump() {
            Some('(') => return self.group(start),
            Some('[') => {
                let chars = self.class(start)?;
                Node::one(chars)
            }
            Some('\\') => self.escaped(start)?,
            Some('^') => Node::At(if self.flags.lines { Place::LineStart } else { Place::Start }),
            Some('$') => Node::At(if self.flags.lines { Place::LineEnd } else { Place::Edge }),
            Some('.') => Node::One(if self.flags.dot_all { any() } else { except(&['\n']) }),
            Some(c) => self.letter(c),
            None => Node::Empty,
        };
        Ok(Some(node))
    }

    /// A character, in both cases where case does not count.
    fn letter(&self, c: char) -> Node {
        if self.flags.fold { Node::one(both_cases(c)) } else { Node::Text(c.to_string()) }
    }

    /// The part with the quantifier that follows it, if one does.
    fn repeated(&mut self, part: Node) -> Result<Node, Fault> {
        self.skip_blank()?;
        let start = self.at;
        let (min, max) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => match self.counts() {
                Some((min, max, len)) => {
                    self.at += len - 1;
                    (min, max)
                }
                None => return Ok(part),
            },
            _ => return Ok(part),
        };
        self.bump();
        let order = if self.take("?") {
            Order::Least
        } else if self.take("+") {
            Order::Only
        } else {
            Order::Most
        };
        let count = |n: u64| u16::try_from(n).ok().filter(|n| *n <= MAX_COUNT);
        let Some(min) = count(min) else { return Err(self.fault("the repeat count is too large", start)) };
        let max = match max.map(count) {
            None => None,
            Some(Some(max)) if max >= min => Some(max),
            Some(Some(_)) => return Err(self.fault("the repeat counts are in reverse order", start)),
            Some(None) => return Err(self.fault("the repeat count is too large", start)),
        };
        self.skip_blank()?;
        let again = matches!(self.peek(), Some('*' | '+' | '?'))
            || (self.peek() == Some('{') && self.counts().is_some());
        if again {
            self.bump();
            return Err(self.fault("a quantifier follows a quantifier", start));
        }
        Ok(Node::Repeat(Box::new(part), Times { min, max, order }))
    }

    /// `{n}`, `{n,}` or `{n,m}` at this place with its length; anything else in braces is literal.
    fn counts(&self) -> Option<(u64, Option<u64>, usize)> {
        let inner = self.rest().strip_prefix('{')?;
        let (inner, _) = inner.split_once('}')?;
        let number = |digits: &str| {
            let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            valid.then(|| digits.parse().unwrap_or(u64::MAX))
        };
        let (min, max) = match inner.split_once(',') {
            None => {
                let exact = number(inner)?;
                (exact, Some(exact))
            }
            Some((min, "")) => (number(min)?, None),
            Some((min, max)) => (number(min)?, Some(number(max)?)),
        };
        Some((min, max, inner.len() + 2))
    }

    /// Skips `(?#…)`, and under `x` white space and `#…` up to the end of the line.
    fn skip_blank(&mut self) -> Result<(), Fault> {
        loop {
            let start = self.at;
            if self.take("(?#") {
                let Some(len) = self.rest().find(')') else {
                    self.at = self.text.len();
                    return Err(self.fault("the comment is never closed", start));
                };
                self.at += len + 1;
            } else if self.flags.spaced && self.peek() == Some('#') {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else if self.flags.spaced && self.peek().is_some_and(char::is_whitespace) {
                self.bump();
            } else {
                return Ok(());
            }
        }
    }
}

/// More repetitions of anything are refused.
const MAX_COUNT: u16 = 1000;

/// The characters that are the same as `c` when case does not count: those with the same lower case, which
/// is narrower than Unicode's case folding (`ſ` is not `s`).
fn both_cases(c: char) -> Chars {
    let lower = |c: char| {
        let mut all = c.to_lowercase();
        match (all.next(), all.next()) {
            (Some(one), None) => one,
            _ => c,
        }
    };
    let mut orbit = super::tree::single(c);
    orbit.case_fold_simple();
    let same = orbit.iter().flat_map(|r| r.start()..=r.end()).filter(|other| lower(*other) == lower(c));
    Chars::new(same.map(|c| regex_syntax::hir::ClassUnicodeRange::new(c, c)))
}
