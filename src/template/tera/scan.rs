//! What a Tera template names: a look at the words of its tags.
//!
//! Tera keeps its tree to itself. The words are enough to know which data a template may want, and which
//! names it uses that are not there.

use std::collections::HashSet;

use tera::Tera;

use super::super::go::closest;
use crate::diagnostic::Finding;

/// So deep parentheses, brackets and blocks may stand within each other: Tera recurses over them.
const MAX_DEPTH: usize = 30;

/// The parts of the session, in both spellings.
pub const ROOTS: [&str; 8] =
    ["Subject", "Extra", "Header", "MatchContext", "subject", "extra", "header", "match_context"];

const KEYWORDS: &[&str] = &[
    "if",
    "elif",
    "else",
    "endif",
    "for",
    "in",
    "endfor",
    "set",
    "set_global",
    "filter",
    "endfilter",
    "block",
    "endblock",
    "macro",
    "endmacro",
    "raw",
    "endraw",
    "and",
    "or",
    "not",
    "is",
    "true",
    "false",
    "True",
    "False",
    "break",
    "continue",
];

/// A word of a tag.
#[derive(Debug)]
struct Word<'s> {
    text: &'s str,
    start: usize,
    /// The sign before it, white space aside; a space when that is a word, a text or a number.
    before: char,
    /// The sign behind it, a space for `==`.
    after: char,
    /// The word before it in the tag.
    previous: &'s str,
    /// The first word of the tag, where that is made of `{%`.
    tag: &'s str,
    in_macro: bool,
}

/// What was seen in a template.
#[derive(Debug, Default)]
pub struct Scan<'s> {
    words: Vec<Word<'s>>,
    /// Where too much stands within each other.
    pub too_deep: Option<usize>,
}

/// Looks through a template.
pub fn scan(source: &str) -> Scan<'_> {
    let mut scan = Scan::default();
    let mut at = 0;
    let mut blocks = 0_usize;
    let mut in_macro = false;
    while let Some(found) = source.get(at..).and_then(|rest| rest.find('{')) {
        let open = at + found;
        let rest = source.get(open..).unwrap_or_default();
        let tag = match rest.get(1..2) {
            Some("{") => false,
            Some("%") => true,
            Some("#") => {
                at = open + rest.find("#}").map_or(rest.len(), |len| len + 2);
                continue;
            }
            _ => {
                at = open + 1;
                continue;
            }
        };
        let first = scan.words.len();
        at = scan.tag(source, open + 2, tag, in_macro);
        let Some(word) = scan.words.get(first).filter(|_| tag) else { continue };
        match word.text {
            "if" | "for" | "block" | "filter" => blocks += 1,
            "macro" => in_macro = true,
            "endmacro" => in_macro = false,
            "raw" => {
                let rest = source.get(at..).unwrap_or_default();
                at += rest.find("endraw").unwrap_or(rest.len());
            }
            text if text.starts_with("end") => blocks = blocks.saturating_sub(1),
            _ => {}
        }
        if blocks > MAX_DEPTH {
            scan.too_deep.get_or_insert(open);
        }
    }
    scan
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}

impl<'s> Scan<'s> {
    /// Takes the words of one tag; gives where it ends.
    fn tag(&mut self, source: &'s str, from: usize, tag: bool, in_macro: bool) -> usize {
        let close = if tag { "%}" } else { "}}" };
        let (mut at, mut depth) = (from, 0_usize);
        let (mut before, mut previous, mut first) = ('\0', "", "");
        while let Some(c) = source.get(at..).and_then(|rest| rest.chars().next()) {
            let rest = source.get(at..).unwrap_or_default();
            if rest.starts_with(close) {
                return at + close.len();
            }
            let len = match c {
                '"' | '\'' | '`' => {
                    rest.get(1..).and_then(|inside| inside.find(c)).map_or(rest.len(), |end| end + 2)
                }
                c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                c => c.len_utf8(),
            };
            match c {
                '(' | '[' => {
                    depth += 1;
                    if depth > MAX_DEPTH {
                        self.too_deep.get_or_insert(at);
                    }
                }
                ')' | ']' => depth = depth.saturating_sub(1),
                c if is_word(c) && !c.is_ascii_digit() => {
                    let text = rest.get(..len).unwrap_or_default();
                    let behind = rest.get(len..).unwrap_or_default().trim_start();
                    let after = behind.chars().next().filter(|_| !behind.starts_with("==")).unwrap_or(' ');
                    if tag && first.is_empty() {
                        first = text;
                    }
                    self.words.push(Word { text, start: at, before, after, previous, tag: first, in_macro });
                    previous = text;
                }
                _ => {}
            }
            if !c.is_whitespace() {
                before = if len == 1 && !is_word(c) { c } else { ' ' };
            }
            at += len;
        }
        at
    }

    /// The names that a template makes itself.
    fn locals(&self) -> HashSet<&'s str> {
        let mut locals: HashSet<&str> = HashSet::from(["loop", "self"]);
        let mut before_in = false;
        for word in &self.words {
            if word.previous.is_empty() {
                before_in = true;
            }
            before_in &= word.text != "in";
            let named = match word.tag {
                "for" => before_in,
                "macro" => true,
                tag => word.previous == tag && !tag.is_empty(),
            };
            let declares = matches!(
                word.tag,
                "for" | "set" | "set_global" | "block" | "macro" | "endblock" | "endmacro"
            );
            if named && declares {
                locals.insert(word.text);
            }
        }
        locals
    }

    /// What is named that is not there.
    pub fn check(&self, engine: &Tera) -> Vec<Finding> {
        let locals = self.locals();
        self.words.iter().filter_map(|word| finding(word, engine, &locals)).collect()
    }

    /// The key behind each use of a name, empty for the name alone.
    pub fn uses(&self, name: &str) -> Vec<&'s str> {
        let mut uses = Vec::new();
        for (index, word) in self.words.iter().enumerate() {
            if word.before == '.' || word.text != name {
                continue;
            }
            let key = match self.words.get(index + 1) {
                Some(next) if word.after == '.' && next.start == word.start + name.len() + 1 => next.text,
                _ => "",
            };
            uses.push(key);
        }
        uses
    }
}

/// What is wrong with a word, if anything.
fn finding(word: &Word<'_>, engine: &Tera, locals: &HashSet<&str>) -> Option<Finding> {
    let name = word.text;
    let error = |code: &'static str, text: String| {
        Some(Finding::error(code, "", text).span(word.start, word.start + name.len()))
    };
    if matches!(word.tag, "include" | "extends" | "import") {
        let first = word.previous.is_empty();
        let text = format!("`{name}` has nothing to take: there are no other templates");
        return first.then(|| error("unknown-template", text)).flatten();
    }
    let negated = word.previous == "not" && word.before == ' ';
    if (word.previous == "is" && name != "not") || (negated && word.after != '.' && is_tester(engine, name)) {
        let text = format!("no test is called `{name}`");
        return if is_tester(engine, name) { None } else { error("unknown-function", text) };
    }
    if word.before == '|' || (word.tag == "filter" && word.previous == "filter") {
        let known = matches!(name, "default" | "safe") || engine.get_filter(name).is_ok();
        return if known { None } else { error("unknown-function", format!("no filter is called `{name}`")) };
    }
    if word.after == ':' || word.before == ':' {
        // A macro that calls macros may never end, and there is no bound to it.
        let text = "a macro cannot call a macro here".to_owned();
        return if word.in_macro { error("template-syntax", text) } else { None };
    }
    if KEYWORDS.contains(&name) || word.before == '.' || word.after == '=' {
        return None;
    }
    if word.after == '(' && word.tag != "macro" {
        return match name {
            "range" | "throw" | "super" => None,
            "get_env" => error(
                "function-not-offered",
                "`get_env` is not offered to templates: it reads the environment of this server".to_owned(),
            ),
            _ => error("unknown-function", format!("no function is called `{name}`")),
        };
    }
    if locals.contains(name) || ROOTS.contains(&name) || name == "__tera_context" {
        return None;
    }
    let help = match closest(name, ROOTS) {
        Some(close) => format!("did you mean `{close}`?"),
        None => "there are `Subject`, `Extra`, `Header` and `MatchContext`".to_owned(),
    };
    error("unknown-field", format!("the session has no field `{name}`")).map(|finding| finding.help(help))
}

fn is_tester(engine: &Tera, name: &str) -> bool {
    engine.get_tester(name).is_ok()
}
