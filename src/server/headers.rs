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

impl Headers for RequestHeaders<'_> {
    fn first(&self, name: &str) -> Option<&[u8]> {
        let value = match known(name) {
            Some(name) => self.0.get(name),
            None => self.0.get(name),
        };
        value.map(header::HeaderValue::as_bytes)
    }

    fn each<'h>(&'h self, name: &str, visit: &mut dyn FnMut(&'h [u8])) {
        match known(name) {
            Some(name) => self.0.get_all(name).for_each(|v| visit(v.as_bytes())),
            None => self.0.get_all(name).for_each(|v| visit(v.as_bytes())),
        }
    }

    fn all<'h>(&'h self, visit: &mut dyn FnMut(&'h str, &'h [u8])) {
        for (name, value) in self.0 {
            visit(name.as_str(), value.as_bytes());
        }
    }
}
