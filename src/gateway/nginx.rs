//! `nginx`: for `auth_request`, which understands 2xx, 401 and 403 and makes a 500 page of all else
//! (<https://nginx.org/en/docs/http/ngx_http_auth_request_module.html>).

use http::header::LOCATION;
use http::{HeaderName, HeaderValue};

use super::{Asked, Dialect, forwarded};
use crate::pipeline::{Denial, Reply};
use crate::request::Parts;

/// Where a redirect leads: `auth_request_set $go $upstream_http_x_auth_redirect`.
const REDIRECT: HeaderName = HeaderName::from_static("x-auth-redirect");
/// The status that the answer would have had.
const STATUS: HeaderName = HeaderName::from_static("x-auth-status");

/// See the module.
pub struct Nginx;

impl Dialect for Nginx {
    fn id(&self) -> &'static str {
        "nginx"
    }

    fn read<'r>(&self, asked: &Asked<'r>) -> Parts<'r> {
        forwarded::read(asked)
    }

    fn refuse(&self, _: &Denial, mut reply: Reply) -> Reply {
        let meant = reply.status;
        reply.status = match meant {
            // A redirect to a login page means that credentials are missing.
            300..=399 | 401 => 401,
            _ => 403,
        };
        if reply.status != meant {
            reply.headers.push((STATUS, HeaderValue::from(meant)));
        }
        let location = reply.headers.iter().find(|(name, _)| *name == LOCATION).map(|(_, v)| v.clone());
        if let Some(location) = location {
            reply.headers.push((REDIRECT, location));
        }
        reply
    }
}
