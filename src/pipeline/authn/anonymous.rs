//! `anonymous`: lets in whoever shows no credentials, under a fixed name.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::diagnostic::Finding;
use crate::pipeline::handler::{Answer, Authentication, Authenticator, BuildContext, Exchange, Registration};

/// How the registry knows it.
pub const REGISTRATION: Registration<dyn Authenticator> = Registration { id: "anonymous", build };

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    subject: String,
    #[serde(default)]
    ignore_authorization: bool,
}

struct Anonymous {
    subject: Arc<str>,
    ignore_authorization: bool,
}

fn build(_: &BuildContext<'_>, config: &Value) -> Result<Box<dyn Authenticator>, Vec<Finding>> {
    let settings: Settings = super::super::settings(config)?;
    let subject = if settings.subject.is_empty() { "anonymous" } else { &settings.subject };
    let ignore_authorization = settings.ignore_authorization;
    Ok(Box::new(Anonymous { subject: Arc::from(subject), ignore_authorization }))
}

impl Authenticator for Anonymous {
    fn authenticate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, Authentication> {
        // Any credentials at all, even behind an empty field, are another handler's business.
        let mut credentials = false;
        exchange.request.headers().each("authorization", &mut |value| credentials |= !value.is_empty());
        if credentials && !self.ignore_authorization {
            return Answer::Now(Ok(Authentication::NotResponsible));
        }
        exchange.session.subject = Arc::clone(&self.subject);
        exchange.session.anonymous = true;
        Answer::Now(Ok(Authentication::Subject))
    }
}
