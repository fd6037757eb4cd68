//! Why a rule does or does not match a request, and which rules came near.
//!
//! Made only when somebody asks: patterns are read again, and each is tried piece by piece.

use std::fmt;

use super::engine::Engine;
use super::pattern::{Part, read};
use super::tree::Node;
use super::{ANY_METHOD, Pattern, program};

/// What a rule has to say about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The rule's methods, when the request's is not among them.
    pub other_methods: Option<Vec<String>>,
    /// What its pattern says about the URL.
    pub url: UrlMatch,
}

/// What a pattern says about a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlMatch {
    /// It matches.
    Yes,
    /// It would match with a slash at the end.
    WithSlash,
    /// It would match without the slash at the end.
    WithoutSlash,
    /// It takes too many steps to find out.
    Undecided,
    /// It does not match.
    No(Mismatch),
}

/// Where a URL leaves a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The part of the URL where it does.
    pub part: UrlPart,
    /// The beginning of the URL that the pattern allows.
    pub matched: String,
    /// What the pattern wants next.
    pub wanted: Wanted,
    /// What the URL has instead; empty at its end.
    pub found: String,
}

/// A part of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlPart {
    /// Up to `://`.
    Scheme,
    /// Host and port.
    Host,
    /// From the first slash on.
    Path,
}

/// What a pattern wants at some place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// This text.
    Text(String),
    /// What this fragment, with its angle brackets, matches.
    Fragment(String),
    /// The end of the URL.
    End,
}

/// A rule that does not match, with what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// Its place in the list of rules.
    pub rule: usize,
    /// What it lacks.
    pub explanation: Explanation,
}

impl Explanation {
    /// Explains what a rule with these methods and this pattern says about a method and a canonical URL.
    pub fn new(
        methods: impl IntoIterator<Item: AsRef<str>>,
        pattern: &Pattern,
        method: &str,
        url: &str,
    ) -> Self {
        let other_methods = unlisted(methods, method);
        let url = at_a_glance(pattern, url).unwrap_or_else(|| UrlMatch::No(mismatch(pattern, url)));
        Self { other_methods, url }
    }

    /// Whether the rule matches.
    pub fn matches(&self) -> bool {
        self.other_methods.is_none() && self.url == UrlMatch::Yes
    }

    /// Greater for rules that come nearer.
    fn nearness(&self) -> (u8, usize, bool) {
        let listed = self.other_methods.is_none();
        match &self.url {
            UrlMatch::Yes => (3, 0, listed),
            UrlMatch::Undecided => (2, 0, listed),
            UrlMatch::WithSlash | UrlMatch::WithoutSlash => (1, 0, listed),
            UrlMatch::No(mismatch) => (0, mismatch.matched.len(), listed),
        }
    }
}

/// The methods, if `method` is not among them.
fn unlisted(methods: impl IntoIterator<Item: AsRef<str>>, method: &str) -> Option<Vec<String>> {
    let methods: Vec<String> = methods.into_iter().map(|m| m.as_ref().to_owned()).collect();
    let listed = methods.iter().any(|m| m == ANY_METHOD || m.eq_ignore_ascii_case(method));
    (!listed).then_some(methods)
}

/// What matching alone tells; `None` for a plain no.
fn at_a_glance(pattern: &Pattern, url: &str) -> Option<UrlMatch> {
    match pattern.is_match(url) {
        Ok(true) => return Some(UrlMatch::Yes),
        Ok(false) => {}
        Err(_) => return Some(UrlMatch::Undecided),
    }
    match url.strip_suffix('/') {
        Some(cut) => (pattern.is_match(cut) == Ok(true)).then_some(UrlMatch::WithoutSlash),
        None => (pattern.is_match(&format!("{url}/")) == Ok(true)).then_some(UrlMatch::WithSlash),
    }
}

/// The rules that come nearest to a method and a canonical URL without matching, the nearest first.
pub fn near_misses<'p, M>(
    rules: impl IntoIterator<Item = (M, &'p Pattern)>,
    method: &str,
    url: &str,
    limit: usize,
) -> Vec<NearMiss>
where
    M: IntoIterator<Item: AsRef<str>>,
{
    let lower = url.to_ascii_lowercase();
    let mut sure = Vec::new();
    let mut others = Vec::new();
    for (rule, (methods, pattern)) in rules.into_iter().enumerate() {
        let other_methods = unlisted(methods, method);
        match at_a_glance(pattern, url) {
            Some(UrlMatch::Yes) if other_methods.is_none() => {}
            Some(url) => sure.push(NearMiss { rule, explanation: Explanation { other_methods, url } }),
            None => others.push((likeness(pattern, &lower), rule, other_methods, pattern)),
        }
    }
    // Only patterns that have much in common with the URL are worth reading again.
    others.sort_by_key(|(likeness, rule, ..)| (std::cmp::Reverse(*likeness), *rule));
    others.truncate(limit.saturating_mul(4));
    let mut all = sure;
    all.extend(others.into_iter().map(|(_, rule, other_methods, pattern)| NearMiss {
        rule,
        explanation: Explanation { other_methods, url: UrlMatch::No(mismatch(pattern, url)) },
    }));
    all.sort_by_key(|miss| (std::cmp::Reverse(miss.explanation.nearness()), miss.rule));
    all.truncate(limit);
    all
}

/// How much of what a pattern requires a URL has, in bytes.
fn likeness(pattern: &Pattern, lower: &str) -> usize {
    let common = |text: &[u8]| {
        let whole = memchr::memmem::find(lower.as_bytes(), text).map(|_| text.len());
        whole.unwrap_or_else(|| lower.bytes().zip(text).take_while(|(a, b)| a == *b).count())
    };
    pattern.required().iter().filter_map(|one| one.map(common).max()).sum()
}

/// Where `url` leaves a pattern that does not match it.
fn mismatch(pattern: &Pattern, url: &str) -> Mismatch {
    let (strategy, source) = pattern.key();
    // It was compiled, so it can be read.
    let parts = read(strategy, source).map(|reading| reading.parts).unwrap_or_default();
    let shown = |part: &Part| source.get(part.span.clone()).unwrap_or_default().to_owned();
    let mut matched = 0;
    let mut wanted = Wanted::End;
    for (index, part) in parts.iter().enumerate() {
        let before = parts.get(..index).unwrap_or_default();
        if let Some(end) = reach(before, Some(&part.node), url) {
            matched = end;
            continue;
        }
        wanted = match &part.node {
            Node::Text(text) if !part.fragment => {
                let (end, left) = into_text(before, text, url);
                matched = end;
                Wanted::Text(left.to_owned())
            }
            _ if !part.fragment => Wanted::Text(shown(part)),
            _ => Wanted::Fragment(shown(part)),
        };
        break;
    }
    let (head, found) = url.split_at_checked(matched).unwrap_or((url, ""));
    Mismatch { part: part_at(url, matched), matched: head.to_owned(), wanted, found: found.to_owned() }
}

/// How far `parts` and then `last` match from the start of `url`.
fn reach(parts: &[Part], last: Option<&Node>, url: &str) -> Option<usize> {
    let node = Node::sequence(parts.iter().map(|part| &part.node).chain(last).cloned().collect());
    let slots = usize::from(u8::MAX);
    match program::compile(&node, slots, None) {
        Some(program) => program.reach(url).ok()?,
        None => Engine::compile(&node, slots, None).ok()?.reach(url).ok()?,
    }
}

/// How far `url` goes into `text` after `parts`, and what of the text is left.
fn into_text<'t>(parts: &[Part], text: &'t str, url: &str) -> (usize, &'t str) {
    let mut best = (reach(parts, None, url).unwrap_or_default(), text);
    for (at, _) in text.char_indices().skip(1) {
        let (begun, left) = text.split_at(at);
        match reach(parts, Some(&Node::Text(begun.to_owned())), url) {
            Some(end) => best = (end, left),
            None => break,
        }
    }
    best
}

fn part_at(url: &str, at: usize) -> UrlPart {
    let host = url.find("://").map_or(0, |scheme| scheme + 3);
    let path = url.get(host..).and_then(|rest| rest.find('/')).map_or(url.len(), |len| host + len);
    if at < host {
        UrlPart::Scheme
    } else if at < path || (at == path && path == url.len()) {
        UrlPart::Host
    } else {
        UrlPart::Path
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.url, &self.other_methods) {
            (UrlMatch::Yes, None) => f.write_str("matches"),
            (UrlMatch::Yes, Some(methods)) => write!(f, "the URL matches, but only for {}", list(methods)),
            (url, None) => write!(f, "{url}"),
            (url, Some(methods)) => write!(f, "{url}; and it is only for {}", list(methods)),
        }
    }
}

fn list(methods: &[String]) -> String {
    if methods.is_empty() { "no method at all".to_owned() } else { methods.join(", ") }
}

impl fmt::Display for UrlMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("the URL matches"),
            Self::WithSlash => f.write_str("would match with a slash at the end"),
            Self::WithoutSlash => f.write_str("would match without the slash at the end"),
            Self::Undecided => f.write_str("takes too many steps to find out"),
            Self::No(mismatch) => write!(f, "{mismatch}"),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} differs: ", self.part)?;
        if !self.matched.is_empty() {
            write!(f, "matches up to `{}`, then ", self.matched)?;
        }
        match (&self.wanted, self.found.as_str()) {
            (Wanted::End, found) => write!(f, "nothing more is wanted, not `{found}`"),
            (Wanted::Text(text), "") => write!(f, "`{text}` is wanted, but the URL ends"),
            (Wanted::Text(text), found) => write!(f, "`{text}` is wanted, not `{found}`"),
            (Wanted::Fragment(fragment), "") => write!(f, "`{fragment}` does not match the end of the URL"),
            (Wanted::Fragment(fragment), found) => write!(f, "`{fragment}` does not match `{found}`"),
        }
    }
}

impl fmt::Display for UrlPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "scheme",
            Self::Host => "host",
            Self::Path => "path",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Strategy;
    use super::*;

    fn explained(source: &str, method: &str, url: &str) -> String {
        let pattern = Pattern::compile(Strategy::Regexp, source).unwrap().0;
        Explanation::new(["GET", "POST"], &pattern, method, url).to_string()
    }

    #[test]
    fn an_explanation_says_where_the_url_leaves_the_pattern() {
        let url = "https://app.test/api/abc";
        for (source, method, want) in [
            ("https://app.test/api/<.*>", "GET", "matches"),
            ("https://app.test/api/<.*>", "PUT", "the URL matches, but only for GET, POST"),
            (
                "https://app.test/api/<[0-9]+>",
                "GET",
                "the path differs: matches up to `https://app.test/api/`, then `<[0-9]+>` does not match `abc`",
            ),
            (
                "https://app.test/api/<[0-9]+>",
                "PUT",
                "the path differs: matches up to `https://app.test/api/`, then `<[0-9]+>` does not match `abc`; \
                 and it is only for GET, POST",
            ),
            (
                "https://app.test/apx/<.*>",
                "GET",
                "the path differs: matches up to `https://app.test/ap`, then `x/` is wanted, not `i/abc`",
            ),
            (
                "https://web.test/api/<.*>",
                "GET",
                "the host differs: matches up to `https://`, then `web.test/api/` is wanted, not `app.test/api/abc`",
            ),
            (
                "http://app.test/api/<.*>",
                "GET",
                "the scheme differs: matches up to `http`, then `://app.test/api/` is wanted, not `s://app.test/api/abc`",
            ),
            (
                "ftp://app.test/",
                "GET",
                "the scheme differs: `ftp://app.test/` is wanted, not `https://app.test/api/abc`",
            ),
            (
                "https://app.test/api/<[a-z]{2}>",
                "GET",
                "the path differs: matches up to `https://app.test/api/ab`, then nothing more is wanted, not `c`",
            ),
            (
                "https://app.test/api/abc/x",
                "GET",
                "the path differs: matches up to `https://app.test/api/abc`, then `/x` is wanted, but the URL ends",
            ),
            (
                "https://app.test/api/abc<[0-9]+>",
                "GET",
                "the path differs: matches up to `https://app.test/api/abc`, then `<[0-9]+>` does not match the end of the URL",
            ),
            ("https://app.test/api/abc/", "GET", "would match with a slash at the end"),
            (
                "<.*>://<.*>/api/svc1/<.*>",
                "GET",
                "the path differs: matches up to `https://app.test/api/`, then `svc1/` is wanted, not `abc`",
            ),
            (
                "https://<[a-z]+>.example/<.*>",
                "GET",
                "the host differs: matches up to `https://app.`, then `example/` is wanted, not `test/api/abc`",
            ),
            (
                "https://app.test/<(?<x>a)\\k<x>>",
                "GET",
                "the path differs: matches up to `https://app.test/`, then `<(?<x>a)\\k<x>>` does not match `api/abc`",
            ),
        ] {
            assert_eq!(explained(source, method, url), want, "{source}");
        }
        let slash = explained("https://app.test/api", "GET", "https://app.test/api/");
        assert_eq!(slash, "would match without the slash at the end");
    }

    #[test]
    fn the_nearest_misses_come_first() {
        let rules: Vec<(&[&str], &str)> = vec![
            (&["GET"], "https://other.test/<.*>"),
            (&["GET"], "https://app.test/users/<[0-9]+>"),
            (&["POST"], "https://app.test/users/<.*>"),
            (&["GET"], "https://app.test/users/abc/"),
            (&["GET"], "https://app.test/user<.>"),
            (&["GET"], "https://app.test/<.*>"),
        ];
        let rules: Vec<_> = rules
            .iter()
            .map(|(methods, url)| (*methods, Pattern::compile(Strategy::Regexp, url).unwrap().0))
            .collect();
        let misses =
            near_misses(rules.iter().map(|(m, p)| (m.iter(), p)), "GET", "https://app.test/users/abc", 4);
        let order: Vec<usize> = misses.iter().map(|miss| miss.rule).collect();
        assert_eq!(order, [2, 3, 1, 4]);
    }
}
