//! Header fields of an actix request as the library reads them.

use actix_web::http::header::{self, HeaderMap, HeaderName};

use crate::request::Headers;

/// See the module.
pub struct RequestHeaders<'r>(pub &'r HeaderMap);

const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The names that every decision looks for, ready made: a look-up by text would build the name first.
static X_FORWARDED: [HeaderName; 4] =
    [X_FORWARDED_URI, X_FORWARDED_METHOD, X_FORWARDED_PROTO, X_FORWARDED_HOST];

fn known(name: &str) -> Option<&'static HeaderName> {
    match name {
        "authorization" => Some(&header::AUTHORIZATION),
        "cookie" => Some(&header::COOKIE),
        _ => X_FORWARDED.iter().find(|n| n.as_str() == name),
    }
}

impl<'r> RequestHeaders<'r> {
    /// The values of a field that is not among the known ones. There are fewer than a hundred fields, and
    /// looking at each is cheaper than making a name of the text.
    fn others(&self, name: &str) -> impl Iterator<Item = &'r [u8]> {
        let same = move |field: &HeaderName| field.as_str().eq_ignore_ascii_case(name);
        self.0.iter().filter(move |(field, _)| same(field)).map(|(_, value)| value.as_bytes())
    }
}

impl Headers for RequestHeaders<'_> {
    fn first(&self, name: &str) -> Option<&[u8]> {
        match known(name) {
            Some(name) => self.0.get(name).map(header::HeaderValue::as_bytes),
            None => self.others(name).next(),
        }
    }

    fn each<'h>(&'h self, name: &str, visit: &mut dyn FnMut(&'h [u8])) {
        match known(name) {
            Some(name) => self.0.get_all(name).for_each(|v| visit(v.as_bytes())),
            None => self.others(name).for_each(visit),
        }
    }

    fn all<'h>(&'h self, visit: &mut dyn FnMut(&'h str, &'h [u8])) {
        for (name, value) in self.0 {
            visit(name.as_str(), value.as_bytes());
        }
    }
}
