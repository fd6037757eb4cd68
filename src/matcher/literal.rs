//! Literal parts of patterns in the canonical form that requests have.
//!
//! Scheme and host are compared in lower case, `ws` and `wss` as `http` and `https`, a scheme's default
//! port as none; paths with escapes decoded and `//` and dot segments resolved. A literal is only a piece
//! between fragments, so each is treated by the part of the URL where it surely stands; where a fragment
//! may have run from the host into the path, nothing but that path is touched.

use super::tree::{Node, has, meet, span};
use crate::request::host::default_port;

/// The part of the URL where the next piece begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Region {
    /// The scheme, or its `://`.
    Scheme,
    /// Host and port.
    Host,
    /// Host or path: a fragment may have taken the first slash.
    HostOrPath,
    /// The path.
    Path,
    /// Anywhere: a fragment may have taken scheme, host and path.
    Anywhere,
}

/// Goes over a pattern's pieces from left to right.
#[derive(Debug)]
pub(super) struct Canonical {
    region: Region,
    /// The scheme, while it is all literal so far.
    scheme: Option<String>,
    /// Whether a host can have been met.
    has_host: bool,
    /// Whether the host names the default port of a scheme that is not literal.
    names_default_port: bool,
}

/// What was noticed about a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    /// Upper case where it may be host or path, so that it was left alone.
    UpperCase,
    /// A `..` that climbs over a fragment, or a `.` segment beside one.
    Dots,
    /// `?` or `#`.
    Query,
}

impl Canonical {
    pub(super) fn new() -> Self {
        Self {
            region: Region::Scheme,
            scheme: Some(String::new()),
            has_host: false,
            names_default_port: false,
        }
    }

    /// Where the next piece begins.
    pub(super) fn region(&self) -> Region {
        self.region
    }

    /// Whether there is a host so far, or a fragment that may have taken it.
    pub(super) fn has_host(&self) -> bool {
        self.has_host
    }

    /// Whether a request has to be tried with its default port spelled out.
    pub(super) fn names_default_port(&self) -> bool {
        self.names_default_port
    }

    /// Takes note of a fragment; one in the place of the scheme learns that `ws` is `http`.
    pub(super) fn fragment(&mut self, node: Node) -> Node {
        match self.region {
            Region::Scheme => {
                let whole = self.scheme.as_deref() == Some("");
                self.scheme = None;
                if node.can_take('/') {
                    self.region = Region::Anywhere;
                    self.has_host = true;
                    self.names_default_port |= names_port(&node);
                    node
                } else if whole {
                    fold_websocket(node)
                } else {
                    node
                }
            }
            Region::Host | Region::HostOrPath | Region::Anywhere => {
                self.names_default_port |= names_port(&node);
                if self.region == Region::Host && node.can_take('/') {
                    self.region = Region::HostOrPath;
                }
                node
            }
            Region::Path => node,
        }
    }

    /// A literal piece in canonical form. `next` is the fragment after it, `None` at the end.
    pub(super) fn literal(&mut self, raw: &str, next: Option<&Node>) -> (Node, Vec<Oddity>) {
        let mut odd = Vec::new();
        let mut text = String::new();
        let mut rest = raw;
        if matches!(self.region, Region::Scheme | Region::Anywhere) {
            rest = self.scheme(raw, &mut text);
        }
        let rooted = self.region == Region::Host;
        if matches!(self.region, Region::Host | Region::HostOrPath | Region::Anywhere) && !rest.is_empty() {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            self.host(
                host,
                if path.is_empty() { next.map(Follow::Fragment) } else { Some(Follow::Path) },
                &mut text,
            );
            if self.region != Region::Host && host.bytes().any(|b| b.is_ascii_uppercase()) {
                odd.push(Oddity::UpperCase);
            }
            if !path.is_empty() {
                self.region = Region::Path;
            }
            rest = path;
        }
        let mut parts = vec![Node::text(text)];
        if self.region == Region::Path {
            parts.push(path(rest, rooted, next.is_none(), &mut odd));
        } else {
            parts.push(Node::text(rest));
        }
        (Node::sequence(parts), odd)
    }

    /// Moves the scheme of `raw` to `text`, if it is there, and gives what is left.
    fn scheme<'r>(&mut self, raw: &'r str, text: &mut String) -> &'r str {
        if let Some((scheme, rest)) = raw.split_once("://") {
            let lower = scheme.to_ascii_lowercase();
            let whole = self.scheme.as_deref() == Some("");
            let folded = match lower.as_str() {
                "ws" if whole => "http",
                "wss" if whole => "https",
                other => other,
            };
            if self.region == Region::Anywhere {
                text.push_str(scheme);
            } else {
                text.push_str(folded);
            }
            self.scheme = self.scheme.as_ref().map(|before| format!("{before}{folded}"));
            text.push_str("://");
            self.region = Region::Host;
            self.has_host = true;
            return rest;
        }
        if self.region == Region::Anywhere {
            return raw;
        }
        let (scheme, rest) = raw.split_at(raw.find('/').unwrap_or(raw.len()));
        let lower = scheme.to_ascii_lowercase();
        if let Some(before) = &mut self.scheme {
            before.push_str(&lower);
        }
        text.push_str(&lower);
        if let Some(rest) = rest.strip_prefix("//") {
            // The fragment before brought the colon.
            text.push_str("//");
            self.region = Region::Host;
            self.has_host = true;
            return rest;
        }
        if !rest.is_empty() {
            self.region = Region::Path;
        }
        rest
    }

    fn host(&mut self, host: &str, follow: Option<Follow<'_>>, text: &mut String) {
        if self.region == Region::Host {
            text.push_str(&host.to_ascii_lowercase());
        } else {
            text.push_str(host);
        }
        // The port is all there when no fragment can go on with it.
        let complete = match follow {
            None | Some(Follow::Path) => true,
            Some(Follow::Fragment(node)) => {
                let first = node.first();
                !has(&first.chars, ':') && !meet(&first.chars, &span('0', '9'))
            }
        };
        let Some((before, port)) = text.rsplit_once(':').filter(|_| complete && host.contains(':')) else {
            return;
        };
        let keep = before.len();
        match self.scheme.as_deref() {
            Some(scheme) => {
                let at_end = matches!(follow, None | Some(Follow::Path));
                if default_port(scheme) == Some(port) || (port.is_empty() && at_end) {
                    text.truncate(keep);
                }
            }
            None => self.names_default_port |= matches!(port, "80" | "443"),
        }
    }
}

#[derive(Clone, Copy)]
enum Follow<'n> {
    Path,
    Fragment(&'n Node),
}

/// Lets a scheme fragment that names `ws` or `wss` match `http` or `https`.
fn fold_websocket(node: Node) -> Node {
    let Some(texts) = node.texts(16) else { return node };
    let lacks = |name: &str| texts.iter().all(|text| text != name);
    let mut branches = Vec::new();
    for (socket, plain) in [("ws", "http"), ("wss", "https")] {
        if !lacks(socket) && lacks(plain) {
            branches.push(Node::Text(plain.to_owned()));
        }
    }
    if branches.is_empty() {
        return node;
    }
    branches.insert(0, node);
    Node::choice(branches)
}

/// Whether a fragment in the place of the host spells a default port.
fn names_port(node: &Node) -> bool {
    node.any(&mut |part| match part {
        Node::Text(text) => [":80", ":443"].iter().any(|port| {
            text.match_indices(port).any(|(at, _)| {
                !text
                    .get(at + port.len()..)
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            })
        }),
        _ => false,
    }) || node.texts(16).is_some_and(|texts| texts.iter().any(|t| matches!(t.as_str(), "80" | "443")))
}

/// A segment's byte, or an encoded slash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Byte(u8),
    Slash,
}

/// A piece of a path: escapes decoded, empty and dot segments resolved where they are whole. The first
/// segment goes on with what came before, which is the host where the piece is `rooted`; the last is whole
/// only at the end of the pattern.
fn path(raw: &str, rooted: bool, at_end: bool, odd: &mut Vec<Oddity>) -> Node {
    if raw.contains(['?', '#']) {
        odd.push(Oddity::Query);
    }
    let mut segments = raw.split('/').map(units);
    let first = segments.next().unwrap_or_default();
    let mut rest: Vec<Vec<Unit>> = segments.collect();
    let Some(mut last) = rest.pop() else { return joined(&[first]) };
    let mut kept: Vec<Vec<Unit>> = Vec::new();
    if at_end && matches!(dots(&last), Some(1 | 2)) {
        rest.push(std::mem::take(&mut last));
    }
    for segment in rest {
        match dots(&segment) {
            Some(2) => {
                if kept.pop().is_none() && !rooted {
                    odd.push(Oddity::Dots);
                    kept.push(segment);
                }
            }
            Some(_) => {}
            None if segment.is_empty() => {}
            None => kept.push(segment),
        }
    }
    kept.insert(0, first);
    kept.push(last);
    joined(&kept)
}

fn units(segment: &str) -> Vec<Unit> {
    let bytes = segment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = segment.get(at + 1..at + 3).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|d| u8::from_str_radix(d, 16).ok()).filter(|_| byte == b'%') {
            Some(b'/') => out.push(Unit::Slash),
            Some(value) => out.push(Unit::Byte(value)),
            None => {
                out.push(Unit::Byte(byte));
                at += 1;
                continue;
            }
        }
        at += 3;
    }
    out
}

/// 1 for `.`, 2 for `..`.
fn dots(segment: &[Unit]) -> Option<usize> {
    let all = segment.iter().all(|u| *u == Unit::Byte(b'.'));
    (all && matches!(segment.len(), 1 | 2)).then_some(segment.len())
}

fn joined(segments: &[Vec<Unit>]) -> Node {
    let mut parts = Vec::new();
    let mut bytes = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        if index > 0 {
            bytes.push(b'/');
        }
        for unit in segment {
            match unit {
                Unit::Byte(byte) => bytes.push(*byte),
                Unit::Slash => {
                    parts.push(Node::text(utf8(&bytes)));
                    bytes.clear();
                    let either = ["/", "%2F"].map(|text| Node::Text(text.to_owned()));
                    parts.push(Node::Choice(either.into()));
                }
            }
        }
    }
    parts.push(Node::text(utf8(&bytes)));
    Node::sequence(parts)
}

/// Bytes as text; what is not UTF-8 stays percent-encoded, as in requests.
fn utf8(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
