//! `nginx`: for `auth_request`, which understands 2xx, 401 and 403 and makes a 500 page of all else
//! (<https://nginx.org/en/docs/http/ngx_http_auth_request_module.html>).

use http::HeaderName;
use http::header::LOCATION;

use super::{Asked, Dialect, No, Understood, x_forwarded};
use crate::pipeline::{Detail, Reply};

/// Where a redirect leads: `auth_request_set $go $upstream_http_x_auth_redirect`.
const REDIRECT: HeaderName = HeaderName::from_static("x-auth-redirect");

/// See the module.
pub struct Nginx;

impl Dialect for Nginx {
    fn id(&self) -> &'static str {
        "nginx"
    }

    fn read<'r>(&self, asked: &Asked<'r>) -> Result<Understood<'r>, Detail> {
        x_forwarded::read(asked).map(Into::into)
    }

    fn refuse(&self, no: No<'_>) -> Reply {
        in_two_statuses(no)
    }
}

/// 401 or 403, as configured, else by what the answer meant; where it would have led, in a header of its own.
pub(super) fn in_two_statuses(no: No<'_>) -> Reply {
    let status = match (no.status, no.reply.status) {
        (Some(status @ (401 | 403)), _) => status,
        // A redirect to a login page means that credentials are missing.
        (_, 300..=399 | 401) => 401,
        _ => 403,
    };
    let location = no.header(&LOCATION).cloned();
    let mut reply = no.with_status(status);
    reply.headers.extend(location.map(|location| (REDIRECT, location)));
    reply
}
