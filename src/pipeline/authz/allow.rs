//! `allow`: whoever was authenticated may.

use serde_json::Value;

use crate::diagnostic::Finding;
use crate::pipeline::handler::{Answer, Authorizer, BuildContext, Exchange, Registration};

/// How the registry knows it. Oathkeeper takes any configuration for it and reads none.
pub const REGISTRATION: Registration<dyn Authorizer> = Registration { id: "allow", build };

struct Allow;

#[expect(clippy::unnecessary_wraps, reason = "the signature is the registry's")]
fn build(_: &BuildContext<'_>, _: &Value) -> Result<Box<dyn Authorizer>, Vec<Finding>> {
    Ok(Box::new(Allow))
}

impl Authorizer for Allow {
    fn authorize<'a>(&'a self, _: &'a mut Exchange<'_>) -> Answer<'a, ()> {
        Answer::Now(Ok(()))
    }

    fn uses_captures(&self) -> bool {
        false
    }
}
