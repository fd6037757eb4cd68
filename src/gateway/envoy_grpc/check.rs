//! The question: `envoy.service.auth.v3.CheckRequest`, where it lies
//! (<https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/attribute_context.proto>).
//!
//! Envoy writes names of header fields in small letters, and repeats among them what HTTP/2 has beside them:
//! `:method`, `:path`. These stand in where the attribute is missing, and are no header fields.

use std::borrow::Cow;
use std::net::IpAddr;

use memchr::memchr3;
use smallvec::SmallVec;

use super::wire::{Fields, Malformed, Value};
use crate::gateway::{Asked, Source, x_forwarded};
use crate::pipeline::Detail;
use crate::request::Headers;
use crate::request::headers::is_token;

/// More header fields nobody means.
const MOST_FIELDS: usize = 1000;

/// A question, as far as it is looked at.
#[derive(Default)]
pub struct Check<'m> {
    http: Option<Http<'m>>,
    source: Source,
}

/// The client's request.
#[derive(Default)]
struct Http<'m> {
    method: &'m [u8],
    scheme: &'m [u8],
    host: &'m [u8],
    path: &'m [u8],
    body: &'m [u8],
    fields: CheckHeaders<'m>,
}

impl<'m> Check<'m> {
    /// Reads a message. What is in it may still be no request.
    pub fn read(message: &'m [u8]) -> Result<Self, Malformed> {
        let mut check = Self::default();
        messages(message, |number, value| match number {
            1 => messages(value, |number, value| match number {
                1 => check.source(value),
                4 => messages(value, |number, value| match number {
                    2 => check.http.get_or_insert_default().read(value),
                    _ => Ok(()),
                }),
                _ => Ok(()),
            }),
            _ => Ok(()),
        })?;
        Ok(check)
    }

    /// `Peer`: who is at the other end of Envoy's connection. Who is there without an address that is one, is
    /// somebody nobody knows.
    fn source(&mut self, peer: &'m [u8]) -> Result<(), Malformed> {
        let source = &mut self.source;
        messages(peer, |number, address| match number {
            1 => messages(address, |number, value| {
                *source = Source::Nameless;
                match number {
                    1 => messages(value, |number, text| {
                        if number == 2 {
                            let text = std::str::from_utf8(text).ok();
                            let address = text.and_then(|text| text.parse::<IpAddr>().ok());
                            *source =
                                address.map_or(Source::Nameless, |ip| Source::Address(ip.to_canonical()));
                        }
                        Ok(())
                    }),
                    _ => Ok(()),
                }
            }),
            _ => Ok(()),
        })
    }

    /// The question in the words of all gateways, or why there is none.
    pub fn asked<'a>(&'a self, peer: Option<IpAddr>, id: &'a str) -> Result<Asked<'a>, Detail> {
        let http = self.http.as_ref().ok_or_else(|| {
            Detail::id("no-http-request").log("the question has no `attributes.request.http`")
        })?;
        if let Some(why) = http.fields.wrong {
            return Err(unreadable(why));
        }
        let uri = http.or_field(http.path, ":path");
        if uri.is_empty() {
            return Err(unreadable("the request has no path"));
        }
        let (path, query) = x_forwarded::split(uri);
        Ok(Asked {
            method: text(http.or_field(http.method, ":method"))?,
            path: text(path)?,
            query: query.map(text).transpose()?,
            host: text(http.or_field(http.host, ":authority"))?,
            tls: http.tls()?,
            headers: &http.fields,
            body: &[],
            peer,
            source: self.source,
            believed: false,
            id: Some(id),
        })
    }

    /// The client's body, as far as Envoy sent it, and whether that is all of it.
    pub fn body(&self) -> Option<(&'m [u8], bool)> {
        let http = self.http.as_ref().filter(|http| !http.body.is_empty())?;
        let partial = http.fields.first("x-envoy-auth-partial-body").is_some_and(|value| value != b"false");
        Some((http.body, !partial))
    }
}

impl<'m> Http<'m> {
    fn read(&mut self, http: &'m [u8]) -> Result<(), Malformed> {
        messages(http, |number, value| {
            match number {
                2 => self.method = value,
                3 => self.fields.read(value)?,
                4 => self.path = value,
                5 => self.host = value,
                6 => self.scheme = value,
                // As text or as bytes, whatever it is.
                11 | 12 if !value.is_empty() => self.body = value,
                13 => messages(value, |number, field| match number {
                    1 => self.fields.read(field),
                    _ => Ok(()),
                })?,
                _ => {}
            }
            Ok(())
        })
    }

    fn or_field<'a>(&'a self, attribute: &'a [u8], name: &str) -> &'a [u8] {
        if attribute.is_empty() { self.fields.first(name).unwrap_or_default() } else { attribute }
    }

    fn tls(&self) -> Result<bool, Detail> {
        let scheme = self.or_field(self.or_field(self.scheme, ":scheme"), "x-forwarded-proto");
        match scheme {
            b"" => Ok(false),
            scheme if scheme.eq_ignore_ascii_case(b"http") => Ok(false),
            scheme if scheme.eq_ignore_ascii_case(b"https") => Ok(true),
            _ => Err(unreadable("the scheme is neither `http` nor `https`")),
        }
    }
}

/// What is neither number nor text stands for nothing that is known.
fn messages<'m>(
    message: &'m [u8],
    mut visit: impl FnMut(u64, &'m [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    for field in Fields(message) {
        if let (number, Value::Bytes(value)) = field? {
            visit(number, value)?;
        }
    }
    Ok(())
}

fn unreadable(why: &'static str) -> Detail {
    Detail::id("unreadable-check").log(why)
}

fn text(bytes: &[u8]) -> Result<&str, Detail> {
    std::str::from_utf8(bytes).map_err(|_| unreadable("the request line is not UTF-8"))
}

/// Header fields of the client. Those of HTTP/2 that are none can be asked for, but are not listed.
#[derive(Default)]
struct CheckHeaders<'m> {
    fields: SmallVec<[(Cow<'m, str>, &'m [u8]); 16]>,
    /// Why there cannot have been such fields.
    wrong: Option<&'static str>,
}

impl<'m> CheckHeaders<'m> {
    /// An entry of `headers`, or of `header_map`, where `raw_value` has what need not be UTF-8.
    fn read(&mut self, entry: &'m [u8]) -> Result<(), Malformed> {
        let (mut name, mut value, mut raw): (&[u8], &[u8], &[u8]) = (b"", b"", b"");
        messages(entry, |number, bytes| {
            match number {
                1 => name = bytes,
                2 => value = bytes,
                3 => raw = bytes,
                _ => {}
            }
            Ok(())
        })?;
        self.push(name, if raw.is_empty() { value } else { raw });
        Ok(())
    }

    fn push(&mut self, name: &'m [u8], value: &'m [u8]) {
        let token = is_token(name.strip_prefix(b":").unwrap_or(name));
        match std::str::from_utf8(name) {
            Ok(name) if token && self.fields.len() < MOST_FIELDS => {
                let small = !name.bytes().any(|b| b.is_ascii_uppercase());
                let name = if small { Cow::Borrowed(name) } else { Cow::Owned(name.to_ascii_lowercase()) };
                self.fields.push((name, value));
            }
            Ok(_) if token => self.wrong = Some("the request has too many header fields"),
            _ => self.wrong = Some("the name of a header field is none"),
        }
        if memchr3(b'\r', b'\n', 0, value).is_some() {
            self.wrong = Some("the value of a header field has a line end or a NUL");
        }
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &'m [u8]> {
        let named = self.fields.iter().filter(move |(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| *value)
    }
}

impl Headers for CheckHeaders<'_> {
    fn first(&self, name: &str) -> Option<&[u8]> {
        self.named(name).next()
    }

    fn each<'h>(&'h self, name: &str, visit: &mut dyn FnMut(&'h [u8])) {
        for value in self.named(name) {
            visit(value);
        }
    }

    fn all<'h>(&'h self, visit: &mut dyn FnMut(&'h str, &'h [u8])) {
        for (name, value) in self.fields.iter().filter(|(name, _)| !name.starts_with(':')) {
            visit(name, value);
        }
    }
}
