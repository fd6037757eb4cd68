//! URLs as Go's `net/url` reads, changes and writes them.

use std::borrow::Cow;
use std::rc::Rc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::value::Value;
use crate::template::Data;
use crate::template::sprig::paths;

/// What Go leaves unescaped in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b'-')
    .remove(b'.')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@')
    .remove(b'_')
    .remove(b'~');
const FRAGMENT: &AsciiSet = &PATH.remove(b'!').remove(b'(').remove(b')').remove(b'*').remove(b'?');
const USER: &AsciiSet = &PATH.add(b'/').add(b':').add(b'@');
const HOST: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'"')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'-')
    .remove(b'.')
    .remove(b':')
    .remove(b';')
    .remove(b'<')
    .remove(b'=')
    .remove(b'>')
    .remove(b'[')
    .remove(b']')
    .remove(b'_')
    .remove(b'~');

/// User name and password of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub password: Option<String>,
}

impl User {
    pub fn text(&self) -> String {
        let mut out = utf8_percent_encode(&self.name, USER).to_string();
        if let Some(password) = &self.password {
            out.push(':');
            out.extend(utf8_percent_encode(password, USER));
        }
        out
    }
}

/// A URL in the parts that Go's has; texts of the request are borrowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Url<'d> {
    pub scheme: Cow<'d, str>,
    pub opaque: Cow<'d, str>,
    pub user: Option<User>,
    pub host: Cow<'d, str>,
    /// Decoded.
    pub path: Cow<'d, str>,
    /// The path as it was written, where the usual escapes would give another text.
    pub raw_path: Cow<'d, str>,
    pub raw_query: Cow<'d, str>,
    pub force_query: bool,
    pub omit_host: bool,
    pub fragment: Cow<'d, str>,
    pub raw_fragment: Cow<'d, str>,
}

impl<'d> Url<'d> {
    /// The URL of the request that is decided on, in canonical form.
    pub fn of(data: &'d Data<'d>) -> Self {
        let request = data.request;
        Self {
            scheme: Cow::Borrowed(request.scheme()),
            host: Cow::Borrowed(request.host()),
            path: request.path(),
            raw_query: Cow::Borrowed(request.query()),
            force_query: request.has_query() && request.query().is_empty(),
            ..Self::default()
        }
    }

    pub fn user_value(&self) -> Value<'d> {
        Value::User(self.user.clone().map(Rc::new))
    }

    /// Go's `url.Parse`.
    pub fn parse(text: &str) -> Option<Self> {
        let (text, raw_fragment) = text.split_once('#').unwrap_or((text, ""));
        if text.bytes().chain(raw_fragment.bytes()).any(|b| b < 0x20 || b == 0x7F) {
            return None;
        }
        let mut url = Self::default();
        if text == "*" {
            url.path = Cow::Borrowed("*");
        } else {
            url.parse_hierarchy(text)?;
        }
        url.set_fragment(raw_fragment)?;
        Some(url)
    }

    fn parse_hierarchy(&mut self, text: &str) -> Option<()> {
        let (scheme, mut rest) = split_scheme(text)?;
        self.scheme = Cow::Owned(scheme.to_ascii_lowercase());
        if rest.ends_with('?') && rest.matches('?').count() == 1 {
            self.force_query = true;
            rest = rest.trim_end_matches('?');
        } else if let Some((before, query)) = rest.split_once('?') {
            rest = before;
            self.raw_query = Cow::Owned(query.to_owned());
        }
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                self.opaque = Cow::Owned(rest.to_owned());
                return Some(());
            }
            if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
                return None;
            }
        }
        match rest.strip_prefix("//") {
            Some(authority) if !scheme.is_empty() || !rest.starts_with("///") => {
                let len = authority.find('/').unwrap_or(authority.len());
                let (authority, path) = authority.split_at_checked(len)?;
                self.parse_authority(scheme, authority)?;
                rest = path;
            }
            _ => self.omit_host = !scheme.is_empty() && rest.starts_with('/'),
        }
        self.set_path(rest)
    }

    fn parse_authority(&mut self, scheme: &str, authority: &str) -> Option<()> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        self.host = Cow::Owned(parse_host(scheme, host)?);
        if let Some(user) = user {
            self.user = Some(parse_user(user)?);
        }
        Some(())
    }

    pub fn set_path(&mut self, escaped: &str) -> Option<()> {
        let path = unescape(escaped)?;
        let usual = utf8_percent_encode(&path, PATH).to_string();
        self.raw_path = if usual == escaped { Cow::Borrowed("") } else { Cow::Owned(escaped.to_owned()) };
        self.path = Cow::Owned(path);
        Some(())
    }

    fn set_fragment(&mut self, escaped: &str) -> Option<()> {
        let fragment = unescape(escaped)?;
        let usual = utf8_percent_encode(&fragment, FRAGMENT).to_string();
        self.raw_fragment = if usual == escaped { Cow::Borrowed("") } else { Cow::Owned(escaped.to_owned()) };
        self.fragment = Cow::Owned(fragment);
        Some(())
    }

    /// The path with its escapes, as written where that was still a valid way to write it.
    pub fn escaped_path(&self) -> Cow<'_, str> {
        let raw_fits = !self.raw_path.is_empty()
            && valid_escapes(&self.raw_path, "/$&+,-.:;=@_~!'()*[]%")
            && unescape(&self.raw_path).as_deref() == Some(&*self.path);
        if raw_fits {
            return Cow::Borrowed(&self.raw_path);
        }
        if self.path == "*" {
            return Cow::Borrowed("*");
        }
        utf8_percent_encode(&self.path, PATH).into()
    }

    pub fn escaped_fragment(&self) -> Cow<'_, str> {
        let raw_fits = !self.raw_fragment.is_empty()
            && valid_escapes(&self.raw_fragment, "/$&+,-.:;=@_~!'()*[]%?")
            && unescape(&self.raw_fragment).as_deref() == Some(&*self.fragment);
        if raw_fits {
            return Cow::Borrowed(&self.raw_fragment);
        }
        utf8_percent_encode(&self.fragment, FRAGMENT).into()
    }

    /// Go's `String`.
    pub fn push(&self, out: &mut String) {
        let start = out.len();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            let named = !self.host.is_empty() || self.user.is_some();
            if named || (!self.scheme.is_empty() && !self.omit_host && !self.path.is_empty()) {
                out.push_str("//");
            }
            if let Some(user) = &self.user {
                out.push_str(&user.text());
                out.push('@');
            }
            out.extend(utf8_percent_encode(&self.host, HOST));
            let path = self.escaped_path();
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                out.push('/');
            }
            if out.len() == start && path.split('/').next().is_some_and(|s| s.contains(':')) {
                out.push_str("./");
            }
            out.push_str(&path);
        } else {
            out.push_str(&self.opaque);
        }
        if self.force_query || !self.raw_query.is_empty() {
            out.push('?');
            out.push_str(&self.raw_query);
        }
        if !self.fragment.is_empty() {
            out.push('#');
            out.push_str(&self.escaped_fragment());
        }
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        self.push(&mut out);
        out
    }

    /// The text with `xxxxx` for a password.
    pub fn redacted(&self) -> String {
        let mut shown = self.clone();
        if let Some(password) = shown.user.as_mut().and_then(|user| user.password.as_mut()) {
            "xxxxx".clone_into(password);
        }
        shown.text()
    }

    /// Path and query as a request line has them.
    pub fn request_uri(&self) -> String {
        let mut out = if self.opaque.is_empty() {
            match self.escaped_path() {
                path if path.is_empty() => "/".to_owned(),
                path => path.into_owned(),
            }
        } else if self.opaque.starts_with("//") {
            format!("{}:{}", self.scheme, self.opaque)
        } else {
            self.opaque.to_string()
        };
        if self.force_query || !self.raw_query.is_empty() {
            out.push('?');
            out.push_str(&self.raw_query);
        }
        out
    }

    pub fn hostname(&self) -> &str {
        split_port(&self.host).0
    }

    pub fn port(&self) -> &str {
        split_port(&self.host).1
    }

    /// Path elements appended, the whole cleaned, a trailing slash of the last kept.
    pub fn join_path(&self, elements: &[&str]) -> Option<Self> {
        let base = self.escaped_path();
        let rooted = base.starts_with('/');
        let first = if rooted { base.into_owned() } else { format!("/{base}") };
        let mut all = vec![first.as_str()];
        all.extend_from_slice(elements);
        let mut joined = paths::join(&all);
        if !rooted {
            joined.remove(0);
        }
        if all.last().is_some_and(|last| last.ends_with('/')) && !joined.ends_with('/') {
            joined.push('/');
        }
        let mut url = self.clone();
        url.set_path(&joined)?;
        Some(url)
    }

    /// A reference read relative to this URL (RFC 3986 section 5.2).
    pub fn resolve(&self, reference: &Self) -> Option<Self> {
        let mut url = reference.clone();
        if reference.scheme.is_empty() {
            url.scheme.clone_from(&self.scheme);
        }
        if !reference.scheme.is_empty() || !reference.host.is_empty() || reference.user.is_some() {
            url.set_path(&resolve_path(&reference.escaped_path(), ""))?;
            return Some(url);
        }
        if !reference.opaque.is_empty() {
            url.host = Cow::Borrowed("");
            url.path = Cow::Borrowed("");
            return Some(url);
        }
        if reference.path.is_empty() && !reference.force_query && reference.raw_query.is_empty() {
            url.raw_query.clone_from(&self.raw_query);
            if reference.fragment.is_empty() {
                url.fragment.clone_from(&self.fragment);
                url.raw_fragment.clone_from(&self.raw_fragment);
            }
        }
        if reference.path.is_empty() && !self.opaque.is_empty() {
            url.opaque.clone_from(&self.opaque);
            return Some(url);
        }
        url.host.clone_from(&self.host);
        url.user.clone_from(&self.user);
        url.set_path(&resolve_path(&self.escaped_path(), &reference.escaped_path()))?;
        Some(url)
    }
}

fn split_scheme(text: &str) -> Option<(&str, &str)> {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return None,
            b':' => return Some((text.get(..index)?, text.get(index + 1..)?)),
            _ => break,
        }
    }
    Some(("", text))
}

fn parse_host(scheme: &str, host: &str) -> Option<String> {
    let port_at = if host.starts_with('[') {
        host.rfind(']')? + 1
    } else if host.contains('[') {
        return None;
    } else if matches!(scheme, "http" | "https") {
        host.find(':').unwrap_or(host.len())
    } else {
        host.rfind(':').unwrap_or(host.len())
    };
    let (name, port) = host.split_at_checked(port_at)?;
    let digits = port.strip_prefix(':').unwrap_or(port);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if let Some(inner) = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        let address = inner.split("%25").next().unwrap_or_default();
        address.parse::<std::net::Ipv6Addr>().ok()?;
    }
    let allowed = |b: u8| b >= 0x80 || b.is_ascii_alphanumeric() || b"!\"$&'()*+,-.:;<=>[]_~%".contains(&b);
    if !name.bytes().all(allowed) {
        return None;
    }
    unescape(host)
}

fn parse_user(text: &str) -> Option<User> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
    if !text.bytes().all(allowed) {
        return None;
    }
    Some(match text.split_once(':') {
        Some((name, password)) => User { name: unescape(name)?, password: Some(unescape(password)?) },
        None => User { name: unescape(text)?, password: None },
    })
}

/// Host name and port; the brackets of an IPv6 address belong to neither.
pub fn split_port(host: &str) -> (&str, &str) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (name, port),
        _ => (host, ""),
    };
    (name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name), port)
}

fn resolve_path(base: &str, reference: &str) -> String {
    let full = match reference.as_bytes().first() {
        None => base.to_owned(),
        Some(b'/') => reference.to_owned(),
        Some(_) => {
            let keep = base.rfind('/').map_or(0, |at| at + 1);
            format!("{}{reference}", base.get(..keep).unwrap_or_default())
        }
    };
    if full.is_empty() {
        return full;
    }
    let mut segments: Vec<&str> = Vec::new();
    let mut last = "";
    for segment in full.strip_prefix('/').unwrap_or(&full).split('/') {
        last = segment;
        match segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut out = format!("/{}", segments.join("/"));
    if matches!(last, "." | "..") && !out.ends_with('/') {
        out.push('/');
    }
    out
}

/// Takes percent-escapes off; `None` for a stray `%` or bytes that are not UTF-8.
pub fn unescape(text: &str) -> Option<String> {
    let complete = text
        .split('%')
        .skip(1)
        .all(|rest| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)));
    if !complete {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
}

/// Whether a text consists of letters, digits and these.
fn valid_escapes(text: &str, allowed: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || allowed.as_bytes().contains(&b))
}
