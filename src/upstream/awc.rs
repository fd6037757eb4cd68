//! The HTTP client: [`Fetch`] on awc, with one time limit for the whole exchange and redirects by hand.
//!
//! awc gets its connections from [`connection`](super::connection), those with TLS as well, since it misreads some answers:
//! half of one, an interim one, one without a length. Half an answer is never taken for a whole one, also where the
//! half reads well (a list of rules, a form).

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ::awc::error::{ConnectError, SendRequestError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::LocalBoxFuture;
use http::{HeaderName, HeaderValue, Method, header};
use openssl::ssl::SslConnector;
use url::Url;

use super::connection::Connector;
use super::tls::{Outbound, Trust};
use super::{Fetch, FetchError, Incoming, Outgoing, OutgoingBody, answer, passing, shown_url};

/// The only headers that follow a redirect to another origin. Any other may hold a credential: an API key
/// has no name of its own.
const HARMLESS: [HeaderName; 4] =
    [header::ACCEPT, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE, header::USER_AGENT];

/// Longer than any time limit of a request, which ends what takes longer.
const LONGEST: Duration = Duration::from_secs(600);

/// One worker's HTTP client. Connections are opened when they are first needed.
#[derive(Clone, Default)]
pub struct Client {
    connections: Rc<Connections>,
}

/// Two clients, so that a server that only speaks http never reads the machine's root certificates.
#[derive(Default)]
struct Connections {
    plain: OnceCell<::awc::Client>,
    /// With what it was made for.
    tls: RefCell<Option<(Arc<Trust>, ::awc::Client)>>,
    outbound: Arc<Outbound>,
}

impl Client {
    /// A client without connections that trusts whom the machine trusts.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with the TLS that all workers share.
    pub fn with(outbound: Arc<Outbound>) -> Self {
        Self { connections: Rc::new(Connections { outbound, ..Connections::default() }) }
    }
}

impl Fetch for Client {
    fn send(&self, request: Outgoing) -> LocalBoxFuture<'static, Result<Incoming, FetchError>> {
        let connections = Rc::clone(&self.connections);
        Box::pin(async move {
            let after = request.timeout;
            let shown = shown_url(&request.url);
            match tokio::time::timeout(after, connections.follow(request)).await {
                Ok(result) => result,
                Err(_) => Err(FetchError::Timeout { url: shown, after }),
            }
        })
    }
}

impl Connections {
    /// Sends, and follows as many redirects as were asked for.
    async fn follow(&self, mut request: Outgoing) -> Result<Incoming, FetchError> {
        let mut url = usable(&request.url)?;
        let mut followed = 0;
        loop {
            let answer = self.exchange(&request, url.clone()).await?;
            let Some(location) = location(&answer).filter(|_| request.redirects > 0) else {
                return Ok(answer);
            };
            let broken = |reason: String| FetchError::Protocol { url: shown_url(url.as_str()), reason };
            if followed == request.redirects {
                return Err(broken(format!("more than {followed} redirects")));
            }
            followed += 1;
            let mut next = url
                .join(&location)
                .ok()
                .filter(|next| matches!(next.scheme(), "http" | "https"))
                .ok_or_else(|| broken("redirect to something that is no http(s) URL".to_owned()))?;
            if url.scheme() == "https" && next.scheme() == "http" {
                return Err(broken("redirect from https to http".to_owned()));
            }
            request.headers.retain(|(name, _)| *name != header::REFERER);
            if next.origin() == url.origin() {
                if let Some(referer) = referer(&url) {
                    request.headers.push((header::REFERER, referer));
                }
            } else {
                request.headers.retain(|(name, _)| HARMLESS.contains(name));
                if !request.body.is_empty() && !becomes_get(answer.status, &request.method) {
                    return Err(broken("redirect of a body to another host".to_owned()));
                }
                // Both only fail for URLs without a host, which `join` cannot make of one with a host.
                let _ = next.set_username("");
                let _ = next.set_password(None);
            }
            if becomes_get(answer.status, &request.method) {
                request.method = Method::GET;
                request.body = OutgoingBody::default();
                request.headers.retain(|(name, _)| *name != header::CONTENT_TYPE);
            }
            if !request.body.rewind() {
                return Err(broken("redirect of a body that was passed on".to_owned()));
            }
            url = next;
        }
    }

    /// One request and its answer.
    async fn exchange(&self, request: &Outgoing, mut url: Url) -> Result<Incoming, FetchError> {
        let shown = shown_url(url.as_str());
        let basic = basic_auth(&url);
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);

        let mut headers = request.headers.clone();
        let mut set_if_none = |name: HeaderName, value: HeaderValue| {
            if !headers.iter().any(|(known, _)| *known == name) {
                headers.push((name, value));
            }
        };
        set_if_none(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        set_if_none(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("okgate/", env!("CARGO_PKG_VERSION"))),
        );
        if let Some(basic) = basic {
            set_if_none(header::AUTHORIZATION, basic);
        }
        let body = match &request.body {
            OutgoingBody::Passing(pieces) => {
                let trust = self.outbound.current();
                let tls = if url.scheme() == "https" { Some(connector(&trust, &url)?) } else { None };
                let head = passing::Head { method: &request.method, url: &url, headers };
                return passing::exchange(head, pieces, tls, request.max_response_bytes).await;
            }
            OutgoingBody::Whole(body) => body,
        };
        if let Ok(host) = HeaderValue::from_str(&host(&url)) {
            headers.push((header::HOST, host));
        }
        let client = self.client(&url)?;
        plain_scheme(&mut url);
        let mut outgoing = client.request(request.method.clone(), url.as_str());
        for header in headers {
            outgoing = outgoing.append_header(header);
        }
        let outgoing = outgoing.no_decompress();
        let bodiless = body.is_empty() && matches!(request.method, Method::GET | Method::HEAD);
        let sent = if bodiless { outgoing.send() } else { outgoing.send_body(body.clone()) };
        let answer = sent.await.map_err(|error| failure(&shown, request, &error))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().iter().map(|(n, v)| (n.clone(), v.clone())).collect();
        let whole = request.method != Method::HEAD;
        answer::read(&shown, status, headers, answer, request.max_response_bytes, whole).await
    }

    fn client(&self, url: &Url) -> Result<::awc::Client, FetchError> {
        if url.scheme() != "https" {
            return Ok(self.plain.get_or_init(|| client(None)).clone());
        }
        let trust = self.outbound.current();
        let mut made = self.tls.borrow_mut();
        if let Some((of, client)) = made.as_ref()
            && Arc::ptr_eq(of, &trust)
        {
            return Ok(client.clone());
        }
        // The connections of the one before end with the calls that are under way.
        let client = client(Some(connector(&trust, url)?.clone()));
        *made = Some((trust, client.clone()));
        Ok(client)
    }
}

fn connector<'t>(trust: &'t Trust, url: &Url) -> Result<&'t SslConnector, FetchError> {
    trust.connector().map_err(|error| {
        let reason = format!("TLS cannot be set up: {error}");
        FetchError::Connect { url: shown_url(url.as_str()), reason }
    })
}

/// Makes a client. Its own time limits are off: the whole exchange has one.
fn client(tls: Option<SslConnector>) -> ::awc::Client {
    // No limit over all services: a slow one would use it up. Each has its own, in `Calls`.
    let connector = ::awc::Connector::new().connector(Connector { tls }).limit(0).timeout(LONGEST);
    ::awc::Client::builder().connector(connector).disable_timeout().disable_redirects().finish()
}

/// What the other side is called in `Host`.
pub(super) fn host(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// Makes an https URL an http one with the same port, for a client whose connections have TLS anyway: of
/// the scheme, awc would make TLS of its own.
fn plain_scheme(url: &mut Url) {
    let port = url.port_or_known_default();
    // Neither fails for a URL with a host.
    let _ = url.set_scheme("http");
    let _ = url.set_port(port);
}

fn usable(url: &str) -> Result<Url, FetchError> {
    Url::parse(url)
        .ok()
        .filter(|u| matches!(u.scheme(), "http" | "https") && u.host().is_some())
        .ok_or_else(|| FetchError::Url { url: shown_url(url) })
}

/// Where an answer redirects to, if it does.
fn location(answer: &Incoming) -> Option<String> {
    if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let (_, value) = answer.headers.iter().find(|(name, _)| *name == header::LOCATION)?;
    String::from_utf8(value.as_bytes().to_vec()).ok()
}

/// Whether a redirect turns the request into a GET (RFC 9110 section 15.4, and what clients do).
fn becomes_get(status: u16, method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
        && (status == 303 || (matches!(status, 301 | 302) && *method == Method::POST))
}

/// The page a redirect within an origin came from.
fn referer(from: &Url) -> Option<HeaderValue> {
    let mut from = from.clone();
    let _ = from.set_username("");
    let _ = from.set_password(None);
    from.set_fragment(None);
    HeaderValue::from_str(from.as_str()).ok()
}

/// Userinfo of a URL as an `Authorization` value (RFC 7617).
fn basic_auth(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut plain: Vec<u8> = percent_encoding::percent_decode_str(url.username()).collect();
    plain.push(b':');
    plain.extend(percent_encoding::percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(plain))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn failure(url: &str, request: &Outgoing, error: &SendRequestError) -> FetchError {
    let url = url.to_owned();
    match error {
        SendRequestError::Url(_) => FetchError::Url { url },
        SendRequestError::Connect(ConnectError::Timeout) | SendRequestError::Timeout => {
            FetchError::Timeout { url, after: request.timeout }
        }
        SendRequestError::Connect(ConnectError::Disconnected) => {
            FetchError::Protocol { url, reason: "the connection was closed".to_owned() }
        }
        SendRequestError::Connect(error) => FetchError::Connect { url, reason: plain(&error.to_string()) },
        other => FetchError::Protocol { url, reason: other.to_string() },
    }
}

/// OpenSSL's `error:0A000086:SSL routines:…:certificate verify failed:…` without what only its authors
/// can read.
pub(super) fn plain(reason: &str) -> String {
    match reason.split(':').collect::<Vec<_>>().as_slice() {
        ["error", _, "SSL routines", _, what, ..] => format!("TLS failed: {what}"),
        _ => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
