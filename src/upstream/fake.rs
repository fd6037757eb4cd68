//! A client for tests: answers from a script, and remembers what it was asked.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{HeaderName, HeaderValue};
use tokio::sync::Notify;

use super::{Fetch, FetchError, Incoming, Outgoing, OutgoingBody, shown_url};
use crate::request::body::{BodyError, Pieces};

/// What the script says for one call.
#[derive(Clone)]
enum Line {
    Answer(Incoming),
    Fail(FetchError),
    Never,
    /// Waits until the test says so, then answers.
    After(Rc<Notify>, Incoming),
}

/// Answers by exact URL. The answers of a URL are used one after another; the last one stays.
#[derive(Default)]
pub struct FakeFetch {
    script: RefCell<HashMap<String, VecDeque<Line>>>,
    calls: Rc<RefCell<Vec<Outgoing>>>,
}

impl FakeFetch {
    /// A client that knows no URL: every call is a failed connection.
    pub fn new() -> Rc<Self> {
        Rc::new(Self::default())
    }

    /// Answers the next call to `url`.
    pub fn answer(&self, url: &str, status: u16, body: impl Into<Bytes>) {
        self.add(url, Line::Answer(incoming(status, body)));
    }

    /// Answers the next call to `url`, with headers.
    pub fn answer_with(
        &self,
        url: &str,
        status: u16,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) {
        let headers = headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
        });
        self.add(url, Line::Answer(Incoming { headers: headers.collect(), ..incoming(status, body) }));
    }

    /// Fails the next call to `url`.
    pub fn fail(&self, url: &str, error: FetchError) {
        self.add(url, Line::Fail(error));
    }

    /// Leaves the next call to `url` without an answer.
    pub fn never(&self, url: &str) {
        self.add(url, Line::Never);
    }

    /// Answers the next call to `url` when the test calls `notify_one` on what is returned.
    pub fn answer_later(&self, url: &str, status: u16, body: impl Into<Bytes>) -> Rc<Notify> {
        let signal = Rc::new(Notify::new());
        self.add(url, Line::After(Rc::clone(&signal), incoming(status, body)));
        signal
    }

    /// Forgets the script of a URL, so that the next answer set is the next one given.
    pub fn forget(&self, url: &str) {
        self.script.borrow_mut().remove(url);
    }

    /// How often `url` was called.
    pub fn count(&self, url: &str) -> usize {
        self.calls.borrow().iter().filter(|call| call.url == url).count()
    }

    /// Every call, in order.
    pub fn calls(&self) -> Vec<Outgoing> {
        self.calls.borrow().clone()
    }

    fn add(&self, url: &str, line: Line) {
        self.script.borrow_mut().entry(url.to_owned()).or_default().push_back(line);
    }

    fn next(&self, url: &str) -> Option<Line> {
        let mut script = self.script.borrow_mut();
        let lines = script.get_mut(url)?;
        if lines.len() > 1 { lines.pop_front() } else { lines.front().cloned() }
    }
}

fn incoming(status: u16, body: impl Into<Bytes>) -> Incoming {
    Incoming { status, headers: Vec::new(), body: body.into() }
}

async fn collect(pieces: &Pieces) -> Result<Vec<u8>, BodyError> {
    let mut all = Vec::new();
    while let Some(piece) = pieces.next().await {
        all.extend(piece?);
    }
    Ok(all)
}

impl Fetch for FakeFetch {
    fn send(&self, request: Outgoing) -> LocalBoxFuture<'static, Result<Incoming, FetchError>> {
        let line = self.next(&request.url);
        let (url, after) = (request.url.clone(), request.timeout);
        let body = request.body.clone();
        let mut calls = self.calls.borrow_mut();
        let call = calls.len();
        calls.push(request);
        drop(calls);
        let calls = Rc::clone(&self.calls);
        Box::pin(async move {
            let too_late = FetchError::Timeout { url: shown_url(&url), after };
            if let OutgoingBody::Passing(pieces) = body {
                let read =
                    tokio::time::timeout(after, collect(&pieces)).await.map_err(|_| too_late.clone())?;
                let body = read.map_err(|reason| FetchError::Body { url: shown_url(&url), reason })?;
                if let Some(call) = calls.borrow_mut().get_mut(call) {
                    call.body = body.into();
                }
            }
            match line {
                Some(Line::Answer(answer)) => Ok(answer),
                Some(Line::Fail(error)) => Err(error),
                Some(Line::Never) => {
                    tokio::time::sleep(after).await;
                    Err(too_late)
                }
                Some(Line::After(signal, answer)) => {
                    tokio::time::timeout(after, signal.notified()).await.map_err(|_| too_late)?;
                    Ok(answer)
                }
                None => Err(FetchError::Connect { url, reason: "not in the script".to_owned() }),
            }
        })
    }
}
