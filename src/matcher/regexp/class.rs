//! Character classes: `[…]`, `\d`, `\p{…}`.

use std::sync::LazyLock;

use super::super::Fault;
use super::super::tree::{Chars, has, single, span};
use super::Reader;

/// `\w`: letters, nonspacing marks, decimal digits and connectors of all scripts.
pub(in super::super) static WORD: LazyLock<Chars> =
    LazyLock::new(|| named(r"[\p{L}\p{Mn}\p{Nd}\p{Pc}]").unwrap_or_else(Chars::empty));
/// `\d`: decimal digits of all scripts.
pub(in super::super) static DIGIT: LazyLock<Chars> =
    LazyLock::new(|| named(r"\p{Nd}").unwrap_or_else(Chars::empty));
/// `\s`: white space of all scripts.
pub(in super::super) static SPACE: LazyLock<Chars> =
    LazyLock::new(|| named(r"\s").unwrap_or_else(Chars::empty));

/// What the `regex` crate understands by `expression`, a class.
fn named(expression: &str) -> Option<Chars> {
    let hir = regex_syntax::Parser::new().parse(expression).ok()?;
    match hir.into_kind() {
        regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(chars)) => Some(chars),
        regex_syntax::hir::HirKind::Literal(text) => {
            std::str::from_utf8(&text.0).ok()?.chars().next().map(single)
        }
        _ => None,
    }
}

/// `\d`, `\D`, `\s`, `\S`, `\w` or `\W`.
pub(super) fn shorthand(letter: char) -> Option<Chars> {
    let chars = match letter.to_ascii_lowercase() {
        'd' => &DIGIT,
        's' => &SPACE,
        'w' => &WORD,
        _ => return None,
    };
    Some(negated_if(letter.is_ascii_uppercase(), (*chars).clone()))
}

fn negated_if(negative: bool, mut chars: Chars) -> Chars {
    if negative {
        chars.negate();
    }
    chars
}

/// `[:name:]`, ASCII only.
fn posix(name: &str) -> Option<Chars> {
    let ranges: &[(char, char)] = match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7F')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1F'), ('\x7F', '\x7F')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    };
    let mut all = Chars::empty();
    for (from, to) in ranges {
        all.union(&span(*from, *to));
    }
    Some(all)
}

/// Every character in both cases. `ſ` is left out where only `s` was meant.
fn folded(mut chars: Chars) -> Chars {
    let long_s = has(&chars, 'ſ');
    chars.case_fold_simple();
    if !long_s {
        chars.difference(&single('ſ'));
    }
    chars
}

impl Reader<'_, '_> {
    /// The rest of `[…]`, whose bracket at `start` was taken.
    pub(super) fn class(&mut self, start: usize) -> Result<Chars, Fault> {
        self.depth += 1;
        if self.depth > super::MAX_DEPTH {
            return Err(self.fault("classes are nested too deeply", start));
        }
        let negative = self.take("^");
        let mut chars = Chars::empty();
        let mut first = true;
        let mut without = None;
        loop {
            let at = self.at;
            match self.bump() {
                None => return Err(self.fault("`[` is never closed", start)),
                Some(']') if !first => break,
                Some('-') if !first && self.take("[") => {
                    without = Some(self.subtraction(at)?);
                    break;
                }
                Some('[') if self.peek() == Some(':') => match self.posix_class(at)? {
                    Some(set) => chars.union(&set),
                    None => self.range_from('[', at, &mut chars, &mut without)?,
                },
                Some('\\') => match self.class_escape(at)? {
                    Ok(set) => chars.union(&set),
                    Err(c) => self.range_from(c, at, &mut chars, &mut without)?,
                },
                Some(c) => self.range_from(c, at, &mut chars, &mut without)?,
            }
            first = false;
            if without.is_some() {
                break;
            }
        }
        self.depth -= 1;
        if self.flags.fold {
            chars = folded(chars);
        }
        let mut chars = negated_if(negative, chars);
        if let Some(without) = without {
            chars.difference(&without);
        }
        Ok(chars)
    }

    /// The class after `-[`, and the bracket that then has to close the outer one.
    fn subtraction(&mut self, start: usize) -> Result<Chars, Fault> {
        let inner = self.class(start)?;
        if self.take("]") {
            Ok(inner)
        } else {
            self.bump();
            Err(self.fault("a subtraction has to be the last part of its class", start))
        }
    }

    /// `c`, or the range it begins.
    fn range_from(
        &mut self,
        c: char,
        start: usize,
        chars: &mut Chars,
        without: &mut Option<Chars>,
    ) -> Result<(), Fault> {
        let mut ahead = self.rest().chars();
        if ahead.next() != Some('-') || matches!(ahead.next(), None | Some(']')) {
            chars.union(&single(c));
            return Ok(());
        }
        self.bump();
        let at = self.at;
        let end = match self.bump() {
            Some('[') => {
                chars.union(&single(c));
                *without = Some(self.subtraction(at)?);
                return Ok(());
            }
            Some('\\') => match self.class_escape(at)? {
                Err(end) => end,
                Ok(_) => return Err(self.fault("a class cannot end a range", at)),
            },
            Some(end) => end,
            None => return Err(self.fault("the class is never closed", start)),
        };
        if end < c {
            return Err(self.fault("the range is in reverse order", start));
        }
        chars.union(&span(c, end));
        Ok(())
    }

    /// An escape within a class: a set, or a character.
    fn class_escape(&mut self, start: usize) -> Result<Result<Chars, char>, Fault> {
        match self.peek() {
            Some(c @ ('d' | 'D' | 's' | 'S' | 'w' | 'W')) => {
                self.bump();
                Ok(shorthand(c).ok_or(c))
            }
            Some(c @ ('p' | 'P')) => {
                self.bump();
                self.property(c == 'P', start).map(Ok)
            }
            _ => self.escaped_char(start).map(Err),
        }
    }

    /// `:name:]` after `[`; `None` where that is no such class but characters.
    fn posix_class(&mut self, start: usize) -> Result<Option<Chars>, Fault> {
        let Some((name, _)) = self.rest().get(1..).and_then(|rest| rest.split_once(":]")) else {
            return Ok(None);
        };
        let (negative, bare) = name.strip_prefix('^').map_or((false, name), |bare| (true, bare));
        if !bare.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Ok(None);
        }
        self.at += name.len() + 3;
        match posix(bare) {
            Some(chars) => Ok(Some(negated_if(negative, chars))),
            None => Err(self.fault(format!("there is no class `[:{bare}:]`"), start)),
        }
    }

    /// `{name}` after `\p` or `\P`; one letter may do without the braces.
    pub(super) fn property(&mut self, negative: bool, start: usize) -> Result<Chars, Fault> {
        let name = if self.take("{") {
            let Some((name, _)) = self.rest().split_once('}') else {
                return Err(self.fault("`\\p{` is never closed", start));
            };
            self.at += name.len() + 1;
            name.to_owned()
        } else {
            self.bump().map(String::from).unwrap_or_default()
        };
        let word =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let chars = word.then(|| named(&format!("\\p{{{name}}}"))).flatten();
        match chars {
            Some(chars) => {
                let chars = if self.flags.fold { folded(chars) } else { chars };
                Ok(negated_if(negative, chars))
            }
            None => Err(self.fault(format!("there is no Unicode category or script `{name}`"), start)),
        }
    }
}
