//! The proxy's dialect: nobody describes the request, it is there.
//!
//! Not at a path, but on a listener of its own, `serve.proxy`. What clients say with X-Forwarded headers counts only
//! where the peer is believed, and then `X-Forwarded-Proto` alone: a host would choose the rule.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use smallvec::SmallVec;
use url::form_urlencoded;

use super::answer::is_end_to_end;
use super::{Asked, Dialect, No, Understood, Yes, x_forwarded};
use crate::pipeline::{Detail, Reply};
use crate::request::headers::is_token;
use crate::request::{Client, Headers, Origin, Part, Parts};

/// See the module.
pub struct Proxy;

impl Dialect for Proxy {
    fn id(&self) -> &'static str {
        "proxy"
    }

    fn read<'r>(&self, asked: &Asked<'r>) -> Result<Understood<'r>, Detail> {
        if asked.method == "CONNECT" {
            return Err(Detail::id("connect").public("This is no tunnel."));
        }
        let said = x_forwarded::scheme(asked);
        let own = if asked.tls { "https" } else { "http" };
        let is_known = ["http", "https"].iter().any(|known| said.value.eq_ignore_ascii_case(known));
        let own = Part { value: Cow::Borrowed(own), origin: Origin::Connection };
        let query = asked.query.map(clean_query);
        let parts = Parts {
            method: Part { value: asked.method.into(), origin: Origin::RequestLine },
            scheme: if is_known { said } else { own },
            host: Part { value: asked.host.into(), origin: Origin::RequestLine },
            path: x_forwarded::own_path(asked),
            query: Part { value: query, origin: Origin::RequestLine },
            peer: asked.peer,
            client: Client::Peer,
            host_header: Some(asked.host.into()),
        };
        Ok(parts.into())
    }

    /// A preflight that is answered here, and nothing else: all other requests go on.
    fn grant(&self, yes: Yes<'_>) -> Reply {
        yes.into_reply()
    }

    fn refuse(&self, no: No<'_>) -> Reply {
        no.into_reply()
    }
}

/// A query that everybody reads the same way: as it is, or where some of its parameters have no value that all agree
/// on (a semicolon, a broken escape), the others, sorted. What handlers have seen is what the upstream gets.
fn clean_query(query: &str) -> Cow<'_, str> {
    let is_clean = |pair: &&str| !pair.contains(';') && !has_broken_escape(pair);
    if query.split('&').all(|pair| is_clean(&pair)) {
        return Cow::Borrowed(query);
    }
    let clean = query.split('&').filter(|pair| !pair.is_empty()).filter(is_clean);
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = clean
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect();
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut out = String::with_capacity(query.len());
    for (name, value) in &pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.extend(form_urlencoded::byte_serialize(name));
        out.push('=');
        out.extend(form_urlencoded::byte_serialize(value));
    }
    Cow::Owned(out)
}

/// A query without the parameters of these names.
pub fn without_parameters<'q>(query: &'q str, names: &[String]) -> Cow<'q, str> {
    if names.is_empty() {
        return Cow::Borrowed(query);
    }
    let stays = |pair: &&str| {
        let name = decoded(pair.split_once('=').map_or(*pair, |(name, _)| name));
        !names.iter().any(|strip| *strip.as_bytes() == *name)
    };
    Cow::Owned(query.split('&').filter(stays).collect::<Vec<_>>().join("&"))
}

fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(&text.replace('+', " ")).collect()
}

fn has_broken_escape(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .any(|behind| !behind.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)))
}

/// The header fields of a client's request that are meant for others than the next server: what handlers see, and
/// what goes on to the upstream.
pub struct Passing<'h> {
    all: &'h dyn Headers,
    /// What `Connection` names (RFC 9110 section 7.6.1).
    named: SmallVec<[&'h [u8]; 2]>,
    keeps_forwarded: bool,
    keeps_real_ip: bool,
}

impl<'h> Passing<'h> {
    /// Without what belongs to the connection, and without what a peer says of others who is not believed. Where
    /// nobody is named who is (`is_listed`), `X-Real-Ip` passes, as in Oathkeeper.
    pub fn new(all: &'h dyn Headers, believed: bool, is_listed: bool) -> Self {
        let mut named = SmallVec::new();
        all.each("connection", &mut |line| {
            named.extend(
                line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| is_token(name)),
            );
        });
        Self { all, named, keeps_forwarded: believed, keeps_real_ip: believed || !is_listed }
    }

    /// Whether fields of a name, in lower case, are among them.
    pub fn keeps(&self, name: &str) -> bool {
        let is_forwarded = name.get(..11).is_some_and(|begin| begin == "x-forwarded");
        is_end_to_end(name)
            && name != "forwarded"
            && (self.keeps_forwarded || !is_forwarded)
            && (self.keeps_real_ip || name != "x-real-ip")
            && !self.named.iter().any(|named| named.eq_ignore_ascii_case(name.as_bytes()))
    }
}

impl Headers for Passing<'_> {
    fn first(&self, name: &str) -> Option<&[u8]> {
        if self.keeps(&name.to_ascii_lowercase()) { self.all.first(name) } else { None }
    }

    fn each<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        if self.keeps(&name.to_ascii_lowercase()) {
            self.all.each(name, visit);
        }
    }

    fn all<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        self.all.all(&mut |name, value| {
            if self.keeps(name) {
                visit(name, value);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::headers::HeaderFields;

    #[test]
    fn a_query_has_what_everybody_reads_the_same() {
        for (query, want) in [
            ("", ""),
            ("a=1&b=%2F&&c", "a=1&b=%2F&&c"),
            ("x=1&y=%zz;q", "x=1"),
            ("b=2&a=1+1;c=3&a=%41", "a=A&b=2"),
            ("z&%", "z="),
            ("a=%4", ""),
        ] {
            assert_eq!(clean_query(query), want, "{query}");
        }
    }

    #[test]
    fn named_parameters_do_not_go_on() {
        let names = ["access_token".to_owned(), "a b".to_owned()];
        for (query, want) in [
            ("access_token=t&b=2", "b=2"),
            ("b=2&access%5Ftoken=t&access_token", "b=2"),
            ("a+b=1&a%20b=2&c=%2F", "c=%2F"),
            ("Access_Token=t", "Access_Token=t"),
        ] {
            assert_eq!(without_parameters(query, &names), want, "{query}");
        }
        assert_eq!(without_parameters("a&&b", &[]), "a&&b");
    }

    #[test]
    fn what_belongs_to_the_connection_or_is_said_by_strangers_is_for_nobody() {
        let fields: HeaderFields = [
            ("Connection", "close, X-Drop , cookie"),
            ("X-Drop", "1"),
            ("Cookie", "a=1"),
            ("TE", "trailers"),
            ("Proxy-Authorization", "Basic x"),
            ("X-Forwarded-For", "192.0.2.1"),
            ("X-Forwarded-Anything", "1"),
            ("Forwarded", "for=192.0.2.1"),
            ("X-Real-Ip", "192.0.2.1"),
            ("Accept", "a"),
            ("Accept", "b"),
        ]
        .into_iter()
        .collect();
        for (believed, is_listed, want) in [
            (false, false, "x-real-ip accept accept"),
            (false, true, "accept accept"),
            (true, true, "x-forwarded-for x-forwarded-anything x-real-ip accept accept"),
        ] {
            let passing = Passing::new(&fields, believed, is_listed);
            let mut names = Vec::new();
            passing.all(&mut |name, _| names.push(name.to_owned()));
            assert_eq!(names.join(" "), want, "{believed} {is_listed}");
            assert_eq!((passing.first("X-Drop"), passing.first("ACCEPT")), (None, Some(&b"a"[..])));
        }
    }
}
