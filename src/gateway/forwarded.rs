//! `forwarded`: for gateways that say everything in `X-Forwarded-*` and hand a refusal on as it is: Traefik's
//! `forwardAuth`, Caddy's `forward_auth`, HAProxy with a script, APISIX's `forward-auth`, Skipper's `webhook`.
//!
//! Unlike `oathkeeper`, which fills in what is missing from the question's own line.

use super::{Asked, Dialect, No, Understood, x_forwarded};
use crate::pipeline::{Detail, Reply};

/// See the module.
pub struct Forwarded;

impl Dialect for Forwarded {
    fn id(&self) -> &'static str {
        "forwarded"
    }

    fn read<'r>(&self, asked: &Asked<'r>) -> Result<Understood<'r>, Detail> {
        x_forwarded::read(asked).map(Into::into)
    }

    fn refuse(&self, no: No<'_>) -> Reply {
        no.into_reply()
    }
}
