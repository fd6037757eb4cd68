//! Calls to object stores go out through the worker's client: the store's library hands each one over, and
//! whoever waits for the store makes it.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use http1::header::CONTENT_LENGTH;
use http1::{HeaderName, HeaderValue, Response};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use tokio::sync::{mpsc, oneshot};

use crate::rule::source::LONGEST;
use crate::upstream::{Fetch, FetchError, Incoming, Outgoing};

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long asking the machine for its own credentials may take. Where there is nobody to ask, nothing comes.
const OWN_TIMEOUT: Duration = Duration::from_secs(2);
/// Where machines in a cloud ask who they are.
const OWN_HOSTS: [&str; 3] = ["169.254.169.254", "169.254.170.2", "metadata.google.internal"];

/// A call that waits to be made.
pub(super) struct Call {
    request: HttpRequest,
    answer: oneshot::Sender<Result<Incoming, FetchError>>,
}

impl Call {
    /// Makes the call. How it went: a status, or why there is none.
    pub(super) async fn make(self, fetch: &Rc<dyn Fetch>) -> Result<Outcome, FetchError> {
        if self.answer.is_closed() {
            return Ok(Outcome::default());
        }
        let answer = fetch.send(outgoing(&self.request)).await;
        let outcome = match &answer {
            Ok(answer) => Ok(Outcome { status: answer.status, code: error_code(&answer.body) }),
            Err(error) => Err(error.clone()),
        };
        // Whoever asked may have given up.
        let _ = self.answer.send(answer);
        outcome
    }
}

/// How a call went.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub status: u16,
    /// What S3 and its like call the error.
    pub code: Option<String>,
}

/// `<Code>NoSuchBucket</Code>`, as S3, Google and Azure answer.
fn error_code(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body.get(..body.len().min(4096))?).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_name = (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    is_name.then(|| code.to_owned())
}

/// Hands calls over.
#[derive(Debug, Clone)]
pub(super) struct Connector(mpsc::UnboundedSender<Call>);

/// A way to hand calls over, and the calls.
pub(super) fn channel() -> (Connector, mpsc::UnboundedReceiver<Call>) {
    let (sender, calls) = mpsc::unbounded_channel();
    (Connector(sender), calls)
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (answer, answered) = oneshot::channel();
        let gone = || HttpError::new(HttpErrorKind::Interrupted, Gone);
        self.0.send(Call { request, answer }).map_err(|_| gone())?;
        match answered.await {
            Ok(Ok(answer)) => incoming(answer),
            Ok(Err(error)) => Err(HttpError::new(HttpErrorKind::Connect, error)),
            Err(_) => Err(gone()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("nobody makes this call")]
struct Gone;

/// A request as our client sends it. Only tokens are asked for with a body, which is in one piece.
fn outgoing(request: &HttpRequest) -> Outgoing {
    let own = request.uri().host().is_some_and(|host| OWN_HOSTS.contains(&host));
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| {
            let name = http::HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
            Some((name, http::HeaderValue::from_bytes(value.as_bytes()).ok()?))
        })
        .filter(|(name, _)| *name != http::header::HOST && *name != http::header::CONTENT_LENGTH)
        .collect();
    // The length of a document has to be that of its bytes.
    headers.push((http::header::ACCEPT_ENCODING, http::HeaderValue::from_static("identity")));
    Outgoing {
        method: http::Method::from_bytes(request.method().as_str().as_bytes()).unwrap_or_default(),
        url: request.uri().to_string(),
        headers,
        body: request.body().as_bytes().cloned().unwrap_or_default().into(),
        timeout: if own { OWN_TIMEOUT } else { TIMEOUT },
        max_response_bytes: LONGEST,
        redirects: 0,
    }
}

fn incoming(answer: Incoming) -> Result<HttpResponse, HttpError> {
    let broken = |error: http1::Error| HttpError::new(HttpErrorKind::Decode, error);
    let length = answer.body.len();
    let mut response = Response::builder()
        .status(answer.status)
        .body(HttpResponseBody::from(answer.body))
        .map_err(broken)?;
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_str().as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        {
            response.headers_mut().append(name, value);
        }
    }
    // Missing where the body was inflated or came in chunks.
    response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stores_own_word_for_an_error_is_found_and_nothing_else() {
        for (body, code) in [
            ("<Error><Code>NoSuchBucket</Code><Message>x</Message></Error>", Some("NoSuchBucket")),
            ("<Code>has blanks</Code>", None),
            ("<Code></Code>", None),
            ("<Code>unending", None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(error_code(body.as_bytes()).as_deref(), code, "{body}");
        }
    }
}
