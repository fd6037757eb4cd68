//! `http://` and `https://`: a document behind a URL.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use http::{HeaderName, HeaderValue, Method, header};

use super::{Failure, Fetched, LONGEST, RuleSource, Version, text_of};
use crate::diagnostic::Finding;
use crate::upstream::{Fetch, Incoming, Outgoing, OutgoingBody};

/// How long one try may take, as in Oathkeeper.
const TIMEOUT: Duration = Duration::from_secs(15);
const REDIRECTS: u8 = 10;

struct Url(String);

pub(super) fn open(entry: &str, _: &str, _: &str) -> Result<Box<dyn RuleSource>, Finding> {
    match url::Url::parse(entry) {
        Ok(url) if url.has_host() => Ok(Box::new(Url(entry.to_owned()))),
        _ => {
            let message = format!("`{}` is no usable URL", super::name(entry));
            Err(Finding::error("unknown-source", "", message).help("write `https://host/path/rules.yaml`"))
        }
    }
}

impl RuleSource for Url {
    fn is_remote(&self) -> bool {
        true
    }

    fn fetch<'a>(
        &'a self,
        known: Option<&'a Version>,
        fetch: &'a Rc<dyn Fetch>,
    ) -> LocalBoxFuture<'a, Result<Fetched, Failure>> {
        Box::pin(async move {
            let answer = fetch.send(self.request(known)).await;
            document(answer.map_err(|error| Failure::new(error.to_string()))?, known.is_some())
        })
    }
}

impl Url {
    fn request(&self, known: Option<&Version>) -> Outgoing {
        let mut headers = Vec::new();
        let mut condition = |name: HeaderName, value: &Option<String>| {
            let value = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok());
            headers.extend(value.map(|value| (name, value)));
        };
        if let Some(known) = known {
            condition(header::IF_NONE_MATCH, &known.etag);
            condition(header::IF_MODIFIED_SINCE, &known.last_modified);
        }
        Outgoing {
            method: Method::GET,
            url: self.0.clone(),
            headers,
            body: OutgoingBody::default(),
            timeout: TIMEOUT,
            max_response_bytes: LONGEST,
            redirects: REDIRECTS,
        }
    }
}

/// Makes something of an answer. Only 200 is a document: anything else may be an error page.
fn document(answer: Incoming, conditional: bool) -> Result<Fetched, Failure> {
    let text = |name: HeaderName| Some(answer.header(&name)?.to_str().ok()?.trim().to_owned());
    match answer.status {
        200 => {
            let version = Version { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) };
            let version = (version != Version::default()).then_some(version);
            let text = text_of(answer.body.into()).map_err(Failure::new)?;
            Ok(Fetched::Document(text, version))
        }
        304 if conditional => Ok(Fetched::Unchanged),
        304 => Err(Failure::new("it answered 304 to a question without a condition")),
        status => Err(Failure {
            reason: format!("it answered with status {status}"),
            retry_after: text(header::RETRY_AFTER).and_then(|value| value.parse().ok()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::fake::FakeFetch;

    const URL: &str = "https://rules.test/all.yaml?token=x";

    fn ask(fake: &Rc<FakeFetch>, known: Option<&Version>) -> Result<Fetched, Failure> {
        let fetch: Rc<dyn Fetch> = fake.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(open(URL, "https", "").unwrap().fetch(known, &fetch))
    }

    #[test]
    fn a_known_version_is_asked_for_as_a_condition() {
        let fake = FakeFetch::new();
        fake.answer_with(URL, 200, &[("etag", "W/\"1\""), ("last-modified", "yesterday")], "[]");
        let Ok(Fetched::Document(text, Some(version))) = ask(&fake, None) else { panic!("no document") };
        assert_eq!(&*text, "[]");
        assert!(fake.calls()[0].headers.is_empty());
        fake.forget(URL);
        fake.answer(URL, 304, "");
        assert!(matches!(ask(&fake, Some(&version)), Ok(Fetched::Unchanged)));
        let sent = &fake.calls()[1].headers;
        assert_eq!(
            sent,
            &[
                (header::IF_NONE_MATCH, HeaderValue::from_static("W/\"1\"")),
                (header::IF_MODIFIED_SINCE, HeaderValue::from_static("yesterday")),
            ]
        );
    }

    #[test]
    fn only_200_is_a_document() {
        for (status, reason) in [
            (201, "it answered with status 201"),
            (206, "it answered with status 206"),
            (302, "it answered with status 302"),
            (304, "it answered 304 to a question without a condition"),
            (404, "it answered with status 404"),
            (503, "it answered with status 503"),
        ] {
            let fake = FakeFetch::new();
            fake.answer_with(URL, status, &[("retry-after", "7")], "[]");
            let failure = ask(&fake, None).unwrap_err();
            assert_eq!(failure.reason, reason);
        }
        let fake = FakeFetch::new();
        fake.answer(URL, 200, b"\xff".as_slice());
        assert_eq!(
            ask(&fake, None).unwrap_err().reason,
            "it is not UTF-8 text from line 1 on, save it as UTF-8"
        );
    }
}
