//! Backends: one handler's way to one service that takes part in decisions.
//!
//! A [`Backend`] is built when rules load, from what the handler's contract says ([`Plan`]) and what the
//! configuration says ([`BackendSettings`]). Asking it a [`Question`] ends within its deadline, whatever the
//! service does: in what the handler's reader made of the answer, or in a [`Fault`]. On the way:
//!
//! 1. What is remembered counts ([`Backend::remembered`]), if `cache` is on.
//! 2. Equal questions under way, in whatever worker, are one call, unless `coalesce` is off.
//! 3. Not too many calls go to one host at once.
//! 4. A call that fails in passing is made again where the handler's contract allows it.
//! 5. The answer is read once; what was read is shared by all who asked, and remembered.
//!
//! What it does not do: say what a fault or a status means for the client (that is
//! [`crate::pipeline::outage`]), or check what a single rule demands of an answer.

mod fault;
mod retry;
mod settings;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use smallvec::SmallVec;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

pub use fault::Fault;
pub use retry::{Retry, retry_after};
pub use settings::{BackendSettings, CacheSettings, DEADLINE, LONGEST_ANSWER, RetrySettings};

use self::settings::Durations;
use super::calls::Calls;
use super::counts::HandlerCounts;
use super::{Fetch, Incoming, Outgoing, OutgoingBody, shown_url};
use crate::cache::{Cache, Key, Space};
use crate::diagnostic::Finding;
use crate::keys::verify::stated_expiry;

/// What a handler's contract says about its calls; the settings say the rest.
pub struct Plan<'p> {
    /// Id of the handler, for metrics.
    pub handler: &'static str,
    /// The URL that is called; calls that change its path or query count as calls to the same service.
    pub url: &'p str,
    /// JSON pointer of the URL in the handler's configuration, for findings.
    pub url_at: &'p str,
    /// How many redirects are followed. Credentials and bodies never leave the host.
    pub redirects: u8,
    /// How calls are made again where `retry` is not set; the waits are what `retry` changes.
    pub retry: Option<Retry>,
    /// Attempts in all where `retry` is set.
    pub attempts: u32,
    /// Which equal calls under way are one where `coalesce` is not set.
    pub coalesce: Coalesce,
    /// Whose answers these are, and everything in the configuration that decides what is read out of one
    /// and for how long that is remembered.
    pub space: Space,
    /// How long a good answer is remembered where `cache.enabled` is set and `cache.ttl` is not.
    pub ttl: Duration,
}

/// Which equal calls under way are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coalesce {
    /// All: asking the service changes nothing.
    All,
    /// Those about a request whose method is safe (RFC 9110 section 9.2.1), and all where answers are remembered
    /// anyway. Others may be made to be counted: a service may let something happen once.
    OfSafeRequests,
}

/// What a service is asked.
#[derive(Clone)]
pub struct Question {
    /// Method.
    pub method: Method,
    /// Absolute URL, http or https.
    pub url: String,
    /// Header fields.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Body, empty for none. The answer to a question whose body is passed on is for who asks alone.
    pub body: OutgoingBody,
    /// Sent as well, but two questions that differ only here are the same: `traceparent` and such.
    pub trace: Vec<(HeaderName, HeaderValue)>,
    /// The answer is not remembered beyond this time (seconds since 1970): when a token expires that is not sent. Of
    /// those that are, the end is found.
    pub not_after: Option<u64>,
}

impl Question {
    /// A question without headers and body.
    pub fn new(method: Method, url: String) -> Self {
        let (headers, trace) = (Vec::new(), Vec::new());
        Self { method, url, headers, body: OutgoingBody::default(), trace, not_after: None }
    }
}

impl Question {
    /// The first time at which one of the tokens ends that are sent, wherever they stand: the answer may be about it.
    fn stated_end(&self) -> Option<u64> {
        let headers = self.headers.iter().map(|(_, value)| value.as_bytes());
        let texts = headers.chain([self.body.whole()]);
        // Around a token in a header, a cookie, a form or JSON.
        let pieces = texts.flat_map(|text| text.split(|byte| b" ;,=&\"".contains(byte)));
        pieces.filter_map(stated_expiry).chain(self.not_after).min()
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, shown_url(&self.url))
    }
}

/// What a handler made of an answer.
pub struct Reading<T> {
    /// What all who asked get.
    pub value: T,
    /// About how many bytes it takes in memory.
    pub bytes: usize,
    /// Whether it may be remembered.
    pub keep: Keep,
}

/// Whether an answer may be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Not at all: a service that is ill, or asks to slow down.
    No,
    /// A yes, for `cache.ttl`, and not beyond this time (seconds since 1970).
    Yes(Option<u64>),
    /// A no, for `cache.negative_ttl`.
    Refusal,
}

type Reader<T> = Box<dyn Fn(Incoming, u64) -> Reading<T> + Send + Sync>;

/// One handler's way to one service. `T` is what its reader makes of an answer.
pub struct Backend<T> {
    deadline: Duration,
    attempt: Duration,
    max_response_bytes: usize,
    redirects: u8,
    retry: Option<Retry>,
    times: Option<Times>,
    coalesce: bool,
    /// Whether that is only for requests with a safe method.
    only_safe: bool,
    space: Space,
    gate: Arc<Semaphore>,
    cache: Arc<Cache>,
    calls: Arc<Calls>,
    counts: Arc<HandlerCounts>,
    read: Reader<T>,
}

/// How long answers are remembered.
#[derive(Debug, Clone, Copy)]
struct Times {
    yes: Duration,
    no: Duration,
}

/// What is remembered, with the end of its time to the millisecond.
struct Kept<T> {
    value: Arc<T>,
    until: u64,
}

impl<T: Send + Sync + 'static> Backend<T> {
    /// Builds the way to a service. `read` gets an answer and the time (seconds since 1970); it runs once
    /// for all who asked the same.
    pub fn new(
        plan: &Plan<'_>,
        settings: &BackendSettings,
        cache: &Arc<Cache>,
        calls: &Arc<Calls>,
        read: impl Fn(Incoming, u64) -> Reading<T> + Send + Sync + 'static,
    ) -> Result<Self, Vec<Finding>> {
        let mut durations = Durations::default();
        let deadline = durations.read_some("/timeout", settings.timeout.as_deref(), DEADLINE);
        let retry = match &settings.retry {
            None => plan.retry,
            Some(written) => {
                let max_delay = written.max_delay.as_deref();
                let give_up_after = written.give_up_after.as_deref();
                Some(Retry {
                    attempts: plan.attempts,
                    max_delay: durations.read("/retry/max_delay", max_delay, Duration::from_millis(100)),
                    give_up_after: durations.read("/retry/give_up_after", give_up_after, deadline),
                })
            }
        };
        // With attempts to spare, the first one must not use up all the time.
        let attempt = if retry.is_some() { deadline / 2 } else { deadline };
        let attempt = durations.read_some("/attempt_timeout", settings.attempt_timeout.as_deref(), attempt);
        let times = Times {
            yes: durations.read("/cache/ttl", settings.cache.ttl.as_deref(), plan.ttl),
            no: durations.read("/cache/negative_ttl", settings.cache.negative_ttl.as_deref(), Duration::ZERO),
        };
        let mut findings = durations.findings;
        let authority = authority(plan.url);
        if authority.is_none() {
            let message = format!("`{}` is not a usable http(s) URL", shown_url(plan.url));
            findings.push(Finding::error("unusable-url", plan.url_at, message));
        }
        let Some(authority) = authority.filter(|_| findings.is_empty()) else { return Err(findings) };
        Ok(Self {
            deadline,
            attempt: attempt.min(deadline),
            max_response_bytes: settings.max_response_bytes.unwrap_or(LONGEST_ANSWER),
            redirects: plan.redirects,
            retry,
            times: settings.cache.enabled.then_some(times),
            coalesce: settings.coalesce.unwrap_or(true),
            only_safe: settings.coalesce.is_none()
                && !settings.cache.enabled
                && plan.coalesce == Coalesce::OfSafeRequests,
            space: plan.space,
            gate: calls.gate(&authority),
            cache: Arc::clone(cache),
            calls: Arc::clone(calls),
            counts: calls.counts.of(plan.handler),
            read: Box::new(read),
        })
    }

    /// Where the answer to a question is found: everything that is sent counts, parts kept apart. `None`
    /// where answers are neither remembered nor shared.
    pub fn key(&self, question: &Question) -> Option<Key> {
        self.key_with(question, b"")
    }

    /// The same where a credential that is not sent keeps questions apart as well.
    pub fn key_with(&self, question: &Question, credential: &[u8]) -> Option<Key> {
        if matches!(question.body, OutgoingBody::Passing(_)) {
            return None;
        }
        let mut parts: SmallVec<[&[u8]; 24]> = SmallVec::new();
        parts.extend([
            question.method.as_str().as_bytes(),
            question.url.as_bytes(),
            question.body.whole(),
            credential,
        ]);
        // All of a client's headers come in no certain order.
        let mut headers: SmallVec<[&(HeaderName, HeaderValue); 10]> = question.headers.iter().collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in headers {
            parts.extend([name.as_str().as_bytes(), value.as_bytes()]);
        }
        self.key_of(&parts)
    }

    /// The same for a handler that knows better what two questions have in common. The parts have to say
    /// everything that could change the answer.
    pub fn key_of(&self, parts: &[&[u8]]) -> Option<Key> {
        (self.coalesce || self.times.is_some()).then(|| Key::new(self.space, parts))
    }

    /// Whether the answer about a request with this method is for others who ask the same, too; where it is not, the
    /// question has no key.
    pub fn shares(&self, method: &str) -> bool {
        !self.only_safe || Method::from_bytes(method.as_bytes()).is_ok_and(|method| method.is_safe())
    }

    /// The time all of a call may take.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Whether answers are remembered at all.
    pub fn remembers(&self) -> bool {
        self.times.is_some()
    }

    /// What is remembered under a key. Never waits.
    pub fn remembered(&self, key: Option<&Key>, now: u64) -> Option<Arc<T>> {
        self.times?;
        let kept = self.cache.get::<Kept<T>>(key?, now)?;
        (kept.until > self.calls.now()).then(|| Arc::clone(&kept.value))
    }

    /// Asks, and waits no longer than the deadline. `now` is in seconds since 1970.
    pub async fn ask(
        &self,
        fetch: &Rc<dyn Fetch>,
        now: u64,
        key: Option<Key>,
        question: &Question,
    ) -> Result<Arc<T>, Fault> {
        let deadline = Instant::now() + self.deadline;
        let Some(key) = key else {
            let reading = self.answer(fetch, now, question, deadline).await?;
            return Ok(Arc::new(reading.value));
        };
        if !self.coalesce {
            return self.learn(fetch, now, key, question, deadline).await;
        }
        let learn = async || {
            // Another may have landed since this one looked.
            match self.remembered(Some(&key), now) {
                Some(known) => Ok(known),
                None => self.learn(fetch, now, key, question, deadline).await,
            }
        };
        self.calls.share(key, deadline, learn).await
    }

    /// Calls, reads and remembers.
    async fn learn(
        &self,
        fetch: &Rc<dyn Fetch>,
        now: u64,
        key: Key,
        question: &Question,
        deadline: Instant,
    ) -> Result<Arc<T>, Fault> {
        let reading = self.answer(fetch, now, question, deadline).await?;
        let value = Arc::new(reading.value);
        self.remember(key, question, now, reading.keep, reading.bytes, &value);
        Ok(value)
    }

    async fn answer(
        &self,
        fetch: &Rc<dyn Fetch>,
        now: u64,
        question: &Question,
        deadline: Instant,
    ) -> Result<Reading<T>, Fault> {
        let begun = Instant::now();
        let outcome = self.call(fetch, question, deadline).await;
        self.counts.ended(&outcome, begun.elapsed());
        Ok((self.read)(outcome?, now))
    }

    async fn call(
        &self,
        fetch: &Rc<dyn Fetch>,
        question: &Question,
        deadline: Instant,
    ) -> Result<Incoming, Fault> {
        let _turn = self.turn(question, deadline).await?;
        self.attempts(fetch, question, deadline).await
    }

    /// Waits for its turn to call the service.
    async fn turn(&self, question: &Question, deadline: Instant) -> Result<SemaphorePermit<'_>, Fault> {
        if let Ok(turn) = self.gate.try_acquire() {
            return Ok(turn);
        }
        match timeout_at(deadline, self.gate.acquire()).await {
            // Turns come free at the very moment when those who had them give up.
            Ok(Ok(turn)) if Instant::now() < deadline => Ok(turn),
            _ => {
                let url = shown_url(&question.url);
                Err(Fault::Busy(format!("too many calls to {url} were under way")))
            }
        }
    }

    async fn attempts(
        &self,
        fetch: &Rc<dyn Fetch>,
        question: &Question,
        deadline: Instant,
    ) -> Result<Incoming, Fault> {
        let start = Instant::now();
        // As all clients do with a safe request whose connection was closed under their hands.
        let mut repeatable = question.method.is_safe();
        let mut made = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            self.counts.attempt();
            let sent = fetch.send(self.outgoing(question, left));
            let result = sent.await.map_err(Fault::from);
            made += 1;
            if !question.body.rewind() {
                return result;
            }
            if made == 1 && repeatable && matches!(result, Err(Fault::Broken(_))) {
                repeatable = false;
                made = 0;
                continue;
            }
            let Some(retry) = &self.retry else { return result };
            let Some(wait) = retry.wait(made, &result) else { return result };
            let next = Instant::now() + wait;
            if next >= deadline || next > start + retry.give_up_after {
                return result;
            }
            sleep(wait).await;
        }
    }

    fn outgoing(&self, question: &Question, left: Duration) -> Outgoing {
        let timeout = match question.body {
            OutgoingBody::Whole(_) => left.min(self.attempt),
            // The client's pace is not the service's.
            OutgoingBody::Passing(_) => left,
        };
        Outgoing {
            method: question.method.clone(),
            url: question.url.clone(),
            headers: question.headers.iter().chain(&question.trace).cloned().collect(),
            body: question.body.clone(),
            timeout,
            max_response_bytes: self.max_response_bytes,
            redirects: self.redirects,
        }
    }

    fn remember(&self, key: Key, question: &Question, now: u64, keep: Keep, bytes: usize, value: &Arc<T>) {
        let Some(times) = self.times else { return };
        let (ttl, until) = match keep {
            Keep::No => return,
            Keep::Yes(until) => (times.yes, until),
            Keep::Refusal => (times.no, None),
        };
        if ttl.is_zero() {
            return;
        }
        let expires = [until, question.stated_end()].into_iter().flatten().min().unwrap_or(u64::MAX);
        // Whole seconds, both begun ones included: the exact end is in the entry.
        let expires = expires.min(now.saturating_add(ttl.as_secs()).saturating_add(2));
        if expires <= now {
            return;
        }
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let kept = Kept { value: Arc::clone(value), until: self.calls.now().saturating_add(ttl) };
        self.cache.put(key, Arc::new(kept), bytes.saturating_add(KEPT), expires);
    }
}

/// What an entry costs beside what the reader says: two counted pointers and a time.
const KEPT: usize = 80;

impl<T> fmt::Debug for Backend<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Host and port of an http(s) URL.
fn authority(url: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|u| matches!(u.scheme(), "http" | "https"))?;
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

#[cfg(test)]
mod tests;
