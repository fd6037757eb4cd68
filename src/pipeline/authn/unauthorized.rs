//! `unauthorized`: lets nobody in.

use serde_json::Value;

use crate::diagnostic::Finding;
use crate::pipeline::denial::{Denial, Detail};
use crate::pipeline::handler::{Answer, Authentication, Authenticator, BuildContext, Exchange, Registration};

/// How the registry knows it. Oathkeeper takes any configuration for it and reads none.
pub const REGISTRATION: Registration<dyn Authenticator> = Registration { id: "unauthorized", build };

struct Unauthorized;

#[expect(clippy::unnecessary_wraps, reason = "the signature is the registry's")]
fn build(_: &BuildContext<'_>, _: &Value) -> Result<Box<dyn Authenticator>, Vec<Finding>> {
    Ok(Box::new(Unauthorized))
}

impl Authenticator for Unauthorized {
    fn authenticate<'a>(&'a self, _: &'a mut Exchange<'_>) -> Answer<'a, Authentication> {
        Answer::Now(Err(Denial::Unauthenticated { why: Detail::id("unauthorized-handler") }))
    }
}
