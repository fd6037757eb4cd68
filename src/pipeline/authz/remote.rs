//! `remote`: a service decides, and is sent the request's body.
//!
//! A short body that comes at once is sent whole, and again where the call is made again. Any other is passed on
//! while it comes, up to `max_body_bytes` and within the handler's `timeout`. One that is longer, or does not
//! come, is refused: the service must not decide on another body than the upstream gets.

use std::time::Duration;

use http::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::decision_point::{self, DecisionPoint};
use crate::config::parse_bytes;
use crate::diagnostic::Finding;
use crate::pipeline::handler::{Answer, Authorizer, BuildContext, Exchange, Registration};
use crate::pipeline::settings;
use crate::request::body::Opened;
use crate::upstream::OutgoingBody;

/// The `remote` authorizer.
pub const REGISTRATION: Registration<dyn Authorizer> =
    Registration { id: "remote", build: |context, config| Ok(Box::new(Remote::build(context, config)?)) };

/// The longest body that is sent where nothing else is set.
const LONGEST_BODY: usize = 1 << 20;

/// How long a short body is waited for before the service is asked while it comes.
const PATIENCE: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    forward_body: bool,
    max_body_bytes: Value,
    #[serde(flatten)]
    common: decision_point::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        let max_body_bytes = Value::from(LONGEST_BODY);
        Self { forward_body: true, max_body_bytes, common: decision_point::Settings::default() }
    }
}

struct Remote {
    point: DecisionPoint,
    /// The longest body that is sent; `None` where none is.
    longest_body: Option<usize>,
}

impl Remote {
    fn build(context: &BuildContext<'_>, config: &Value) -> Result<Self, Vec<Finding>> {
        let settings: Settings = settings(config)?;
        let longest_body = match &settings.max_body_bytes {
            Value::String(text) => parse_bytes(text),
            number => number.as_u64().and_then(|n| usize::try_from(n).ok()),
        };
        let Some(longest_body) = longest_body else {
            let message = "`max_body_bytes` is not a size".to_owned();
            return Err(vec![Finding::error("bad-format", "/max_body_bytes", message)]);
        };
        let point = DecisionPoint::build("remote", context, config, settings.common)?;
        Ok(Self { point, longest_body: settings.forward_body.then_some(longest_body) })
    }
}

impl Authorizer for Remote {
    fn authorize<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, ()> {
        let deadline = self.point.deadline();
        let Some((body, limit)) = exchange.request.body().zip(self.longest_body) else {
            return self.decide(exchange, OutgoingBody::default(), deadline);
        };
        Answer::Later(Box::pin(async move {
            let patience = deadline.min(Instant::now() + PATIENCE);
            let body = match body.open(limit, patience).await.map_err(decision_point::unreadable)? {
                Opened::Whole(body) => body.into(),
                Opened::Pieces(pieces) => OutgoingBody::Passing(pieces),
            };
            self.decide(exchange, body, deadline).get().await
        }))
    }

    fn uses_captures(&self) -> bool {
        self.point.uses_captures()
    }

    fn header_names(&self) -> Vec<http::HeaderName> {
        self.point.header_names()
    }
}

impl Remote {
    /// Asks about a request with this body.
    fn decide<'a>(
        &'a self,
        exchange: &'a mut Exchange<'_>,
        body: OutgoingBody,
        deadline: Instant,
    ) -> Answer<'a, ()> {
        // Oathkeeper sends an empty field where the client sends none.
        let content_type = exchange.request.headers().first("content-type").unwrap_or_default();
        let content_type =
            HeaderValue::from_bytes(content_type).unwrap_or_else(|_| HeaderValue::from_static(""));
        match self.point.question(exchange, content_type, body) {
            Ok(question) => self.point.ask(exchange, question, deadline),
            Err(denial) => Answer::Now(Err(denial)),
        }
    }
}
