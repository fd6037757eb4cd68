use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures_util::future::{LocalBoxFuture, join_all};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::upstream::FetchError;
use crate::upstream::calls::MOST_TO_ONE_SERVICE;
use crate::upstream::fake::FakeFetch;

const URL: &str = "http://idp.test/check";
const NOW: u64 = 1_700_000_000;

/// On one thread whose time passes only when everybody waits.
fn run<F: Future>(future: F) -> F::Output {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

#[derive(Clone)]
struct Ground {
    cache: Arc<Cache>,
    calls: Arc<Calls>,
}

impl Ground {
    fn new() -> Self {
        Self { cache: Arc::default(), calls: Arc::default() }
    }

    fn backend(&self, settings: Value) -> Backend<String> {
        self.planned(&plan(), settings).unwrap()
    }

    /// Reads answers as text; their status says whether they may be kept, and `until…` until when.
    fn planned(&self, plan: &Plan<'_>, settings: Value) -> Result<Backend<String>, Vec<Finding>> {
        let settings: BackendSettings = serde_json::from_value(settings).unwrap();
        Backend::new(plan, &settings, &self.cache, &self.calls, |answer: Incoming, _| {
            let value = String::from_utf8(answer.body.to_vec()).unwrap();
            let until = value.strip_prefix("until ").map(|text| text.parse().unwrap());
            let keep = match answer.status {
                200 => Keep::Yes(until),
                401 => Keep::Refusal,
                _ => Keep::No,
            };
            Reading { bytes: value.len(), value, keep }
        })
    }
}

fn plan() -> Plan<'static> {
    Plan {
        handler: "test",
        url: URL,
        url_at: "/url",
        redirects: 0,
        retry: None,
        attempts: 5,
        coalesce: Coalesce::All,
        space: Space::new("test", &[]),
        ttl: Duration::from_secs(60),
    }
}

fn question() -> Question {
    Question::new(Method::GET, URL.to_owned())
}

async fn ask(backend: &Backend<String>, fetch: &Rc<FakeFetch>) -> Result<String, &'static str> {
    ask_at(backend, fetch, NOW, question()).await
}

/// As a handler asks: what is remembered first.
async fn ask_at(
    backend: &Backend<String>,
    fetch: &Rc<FakeFetch>,
    now: u64,
    question: Question,
) -> Result<String, &'static str> {
    let fetch: Rc<dyn Fetch> = fetch.clone();
    let key = backend.key(&question);
    if let Some(known) = backend.remembered(key.as_ref(), now) {
        return Ok(String::clone(&known));
    }
    let answer = backend.ask(&fetch, now, key, &question).await;
    answer.map(|value| String::clone(&value)).map_err(|fault| fault.id())
}

fn refused() -> FetchError {
    FetchError::Connect { url: URL.to_owned(), reason: "nobody".to_owned() }
}

fn broken() -> FetchError {
    FetchError::Protocol { url: URL.to_owned(), reason: "closed".to_owned() }
}

/// Answers when it is told to, over threads, and counts.
#[derive(Clone)]
struct Held {
    calls: Arc<AtomicUsize>,
    go: watch::Receiver<bool>,
}

impl Held {
    fn new() -> (Self, watch::Sender<bool>) {
        let (tell, go) = watch::channel(false);
        (Self { calls: Arc::default(), go }, tell)
    }
}

impl Fetch for Held {
    fn send(&self, _: Outgoing) -> LocalBoxFuture<'static, Result<Incoming, FetchError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut go = self.go.clone();
        Box::pin(async move {
            let _ = go.wait_for(|go| *go).await;
            Ok(Incoming { status: 200, headers: Vec::new(), body: Bytes::from_static(b"alice") })
        })
    }
}

#[test]
fn two_hundred_equal_questions_in_four_workers_are_one_call() {
    let ground = Ground::new();
    let backend = Arc::new(ground.backend(json!({"timeout": "30s"})));
    let (held, tell) = Held::new();
    let waiting = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (backend, held, waiting) = (Arc::clone(&backend), held.clone(), Arc::clone(&waiting));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let fetch: Rc<dyn Fetch> = Rc::new(held);
                let asks = (0..50).map(|_| async {
                    let question = question();
                    let mut ask = pin!(backend.ask(&fetch, NOW, backend.key(&question), &question));
                    let seen = Cell::new(false);
                    let first = |poll: Poll<_>| {
                        if poll.is_pending() && !seen.replace(true) {
                            waiting.fetch_add(1, Ordering::SeqCst);
                        }
                        poll
                    };
                    poll_fn(|cx| first(ask.as_mut().poll(cx))).await
                });
                runtime.block_on(join_all(asks))
            })
        })
        .collect();
    while waiting.load(Ordering::SeqCst) < 200 {
        std::thread::yield_now();
    }
    tell.send(true).unwrap();
    let answers: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
    assert_eq!(answers.len(), 200);
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|text| **text == "alice")));
    assert_eq!(held.calls.load(Ordering::SeqCst), 1);
    assert_eq!(ground.calls.in_flight(), 0);
}

#[test]
fn who_waits_takes_over_from_a_request_that_was_given_up() {
    run(async {
        let ground = Ground::new();
        let backend = ground.backend(json!({}));
        let fetch = FakeFetch::new();
        fetch.never(URL);
        fetch.answer(URL, 200, "alice");
        let first = ask(&backend, &fetch);
        let second = ask(&backend, &fetch);
        let both = async {
            let mut second = pin!(second);
            {
                let mut first = pin!(first);
                poll_fn(|cx| {
                    assert!(first.as_mut().poll(cx).is_pending());
                    assert!(second.as_mut().poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                assert_eq!(fetch.count(URL), 1, "the second one waits for the first one's call");
            }
            second.await
        };
        assert_eq!(both.await.as_deref(), Ok("alice"));
        assert_eq!(fetch.count(URL), 2);
        assert_eq!(ground.calls.in_flight(), 0);
    });
}

#[test]
fn who_waits_takes_over_from_a_worker_that_died() {
    let ground = Ground::new();
    let backend = Arc::new(ground.backend(json!({"timeout": "30s"})));
    let (held, _tell) = Held::new();
    let worker = {
        let (backend, held) = (Arc::clone(&backend), held.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let fetch: Rc<dyn Fetch> = Rc::new(held);
            let question = question();
            runtime.block_on(async {
                let mut ask = Box::pin(backend.ask(&fetch, NOW, backend.key(&question), &question));
                poll_fn(|cx| Poll::Ready(ask.as_mut().poll(cx).is_pending())).await;
                // Somebody else waits for this call now; the worker dies with it.
                while Arc::strong_count(&backend) < 3 {
                    std::thread::yield_now();
                }
                panic!("worker died");
            });
        })
    };
    while held.calls.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    let mut third = None;
    // Time must not run ahead of the other thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, "alice");
        let mut ask = pin!(ask(&backend, &fetch));
        poll_fn(|cx| {
            let poll = ask.as_mut().poll(cx);
            third.get_or_insert_with(|| Arc::clone(&backend));
            poll
        })
        .await
    });
    assert_eq!(answer.as_deref(), Ok("alice"));
    assert!(worker.join().is_err());
}

#[test]
fn every_question_ends_within_its_deadline() {
    run(async {
        let ground = Ground::new();
        let fetch = FakeFetch::new();
        fetch.never(URL);
        for (settings, seconds) in [
            (json!({}), 2),
            (json!({"timeout": "7s"}), 7),
            (json!({"timeout": "3s", "coalesce": false}), 3),
            (json!({"timeout": "3s", "retry": {"give_up_after": "60s"}}), 3),
            (json!({"timeout": "3s", "attempt_timeout": "1h"}), 3),
            (json!({"timeout": "3s", "attempt_timeout": "1s"}), 1),
        ] {
            let backend = ground.backend(settings.clone());
            let start = Instant::now();
            let all = join_all((0..3).map(|_| ask(&backend, &fetch))).await;
            assert_eq!(all, vec![Err("backend-timed-out"); 3], "{settings}");
            assert_eq!(start.elapsed().as_secs(), seconds, "{settings}");
        }
    });
}

#[test]
fn equal_questions_are_one_call_unless_coalesce_is_off() {
    run(async {
        let ground = Ground::new();
        for (plan, settings, calls) in [
            (plan(), json!({}), 1),
            (plan(), json!({"coalesce": false}), 3),
            (Plan { coalesce: Coalesce::OfSafeRequests, ..plan() }, json!({}), 1),
        ] {
            let backend = ground.planned(&plan, settings.clone()).unwrap();
            let fetch = FakeFetch::new();
            let go = fetch.answer_later(URL, 200, "alice");
            let asks = join_all((0..3).map(|_| ask(&backend, &fetch)));
            let tell = async {
                tokio::task::yield_now().await;
                (0..calls).for_each(|_| go.notify_one());
                for _ in 0..calls {
                    tokio::task::yield_now().await;
                    go.notify_one();
                }
            };
            let (answers, ()) = tokio::join!(asks, tell);
            assert_eq!(answers, vec![Ok("alice".to_owned()); 3], "{settings}");
            assert_eq!(fetch.count(URL), calls, "{settings}");
            let again = ask(&backend, &fetch);
            go.notify_one();
            assert_eq!(again.await.as_deref(), Ok("alice"));
            assert_eq!(fetch.count(URL), calls + 1, "nothing is remembered: {settings}");
        }
    });
}

#[test]
fn answers_are_remembered_as_long_as_the_settings_say() {
    let off = json!({});
    let on = json!({"cache": {"enabled": true, "ttl": "500ms", "negative_ttl": "100ms"}});
    let only_yes = json!({"cache": {"enabled": true}});
    let zero = json!({"cache": {"enabled": true, "ttl": "0s"}});
    for (what, settings, status, after, calls) in [
        ("off", &off, 200, 0, 2),
        ("a yes", &on, 200, 499, 1),
        ("a yes past its time", &on, 200, 500, 2),
        ("a no", &on, 401, 99, 1),
        ("a no past its time", &on, 401, 100, 2),
        ("an ill service", &on, 500, 0, 2),
        ("a yes without a ttl: a minute", &only_yes, 200, 59_999, 1),
        ("and no longer", &only_yes, 200, 60_000, 2),
        ("a no without a ttl", &only_yes, 401, 0, 2),
        ("no time at all", &zero, 200, 0, 2),
    ] {
        run(async {
            let ground = Ground::new();
            let backend = ground.backend(settings.clone());
            let fetch = FakeFetch::new();
            fetch.answer(URL, status, "alice");
            assert_eq!(ask(&backend, &fetch).await.as_deref(), Ok("alice"));
            tokio::time::advance(Duration::from_millis(after)).await;
            let now = NOW + after / 1000;
            assert_eq!(ask_at(&backend, &fetch, now, question()).await.as_deref(), Ok("alice"));
            assert_eq!(fetch.count(URL), calls, "{what}");
        });
    }
}

#[test]
fn the_end_of_a_token_is_found_wherever_it_is_sent() {
    // {"alg":"none"}.{"exp":1700000005}
    const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDV9.c2ln";
    // {"alg":"none"}.{"exp":1700000003}
    const EARLIER: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDN9.c2ln";
    let header = |name: &'static str, value: String| {
        let mut question = question();
        question.headers.push((HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap()));
        question
    };
    let body = |text: String| Question { body: text.into_bytes().into(), ..question() };
    for (what, question, end) in [
        ("a bearer token", header("authorization", format!("Bearer {TOKEN}")), Some(1_700_000_005)),
        ("a header of its own", header("x-token", TOKEN.to_owned()), Some(1_700_000_005)),
        ("cookies", header("cookie", format!("a=b; sid=\"{TOKEN}\"; t={EARLIER};x")), Some(1_700_000_003)),
        ("a form", body(format!("scope=&token={TOKEN}")), Some(1_700_000_005)),
        ("JSON", body(format!("{{\"token\":\"{TOKEN}\"}}")), Some(1_700_000_005)),
        ("no token", header("x-version", "1.2.3".to_owned()), None),
        ("nothing", question(), None),
        ("one that is not sent", Question { not_after: Some(7), ..body(TOKEN.to_owned()) }, Some(7)),
    ] {
        assert_eq!(question.stated_end(), end, "{what}");
    }
}

#[test]
fn nothing_is_remembered_beyond_the_end_of_a_token() {
    for (what, body, not_after, later, calls) in [
        ("the answer says when", "until 1700000010", None, 9, 1),
        ("and then it ends", "until 1700000010", None, 10, 2),
        ("the token says when", "alice", Some(NOW + 5), 4, 1),
        ("and then it ends", "alice", Some(NOW + 5), 5, 2),
        ("the earlier one counts", "until 1700000003", Some(NOW + 5), 3, 2),
        ("over before it began", "until 1600000000", None, 0, 2),
    ] {
        run(async {
            let ground = Ground::new();
            let backend = ground.backend(json!({"cache": {"enabled": true, "ttl": "1h"}}));
            let fetch = FakeFetch::new();
            fetch.answer(URL, 200, body);
            let question = Question { not_after, ..question() };
            assert!(ask_at(&backend, &fetch, NOW, question.clone()).await.is_ok());
            assert!(ask_at(&backend, &fetch, NOW + later, question).await.is_ok());
            assert_eq!(fetch.count(URL), calls, "{what}");
        });
    }
}

#[test]
fn questions_are_the_same_when_everything_that_is_sent_is() {
    let header = |name: &'static str, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let base = Question {
        headers: vec![header("a", "bc"), header("cookie", "sid=1")],
        body: "x".into(),
        ..question()
    };
    let backend = Ground::new().backend(json!({}));
    let key = |question: &Question| backend.key(question).unwrap();
    for (what, other) in [
        ("method", Question { method: Method::POST, ..base.clone() }),
        ("url", Question { url: format!("{URL}?a"), ..base.clone() }),
        ("body", Question { body: "y".into(), ..base.clone() }),
        ("value", Question { headers: vec![header("a", "bd"), header("cookie", "sid=1")], ..base.clone() }),
        (
            "where a name ends",
            Question { headers: vec![header("ab", "c"), header("cookie", "sid=1")], ..base.clone() },
        ),
        ("one less", Question { headers: vec![header("a", "bc")], ..base.clone() }),
        (
            "split in two",
            Question {
                headers: vec![header("a", "b"), header("a", "c"), header("cookie", "sid=1")],
                ..base.clone()
            },
        ),
    ] {
        assert_ne!(key(&base), key(&other), "{what}");
    }
    let traced = Question { trace: vec![header("traceparent", "00-1-2-01")], ..base.clone() };
    assert_eq!(key(&base), key(&traced));
    assert_eq!(key(&base), key(&base.clone()));
    let names_in_another_order =
        Question { headers: vec![header("cookie", "sid=1"), header("a", "bc")], ..base.clone() };
    assert_eq!(key(&base), key(&names_in_another_order));
    let twice =
        |first, second| Question { headers: vec![header("a", first), header("a", second)], ..base.clone() };
    assert_ne!(key(&twice("b", "c")), key(&twice("c", "b")));
    let other = Plan { space: Space::new("test", &[b"{\"subject_from\":\"id\"}"]), ..plan() };
    let other = Ground::new().planned(&other, json!({})).unwrap();
    assert_ne!(Some(key(&base)), other.key(&base), "another configuration");
    let neither = Ground::new().backend(json!({"coalesce": false}));
    assert_eq!(neither.key(&base), None);
}

#[test]
fn calls_are_made_again_where_that_may_help() {
    let retry = |give_up_after: &str, max_delay: &str| {
        json!({"timeout": "10s", "attempt_timeout": "1s",
            "retry": {"give_up_after": give_up_after, "max_delay": max_delay}})
    };
    let patient = retry("8s", "100ms");
    let never = json!({"timeout": "10s"});
    let status = |fetch: &FakeFetch, status: u16| fetch.answer(URL, status, "x");
    for (what, settings, first, calls, outcome) in [
        ("no retry", &never, 503, 1, Ok("x")),
        ("an ill service", &patient, 503, 2, Ok("alice")),
        ("a broken one", &patient, 500, 2, Ok("alice")),
        ("what is not implemented stays so", &patient, 501, 1, Ok("x")),
        ("a no is an answer", &patient, 401, 1, Ok("x")),
        ("a yes is one", &patient, 200, 1, Ok("x")),
        ("too many, without a time", &patient, 429, 1, Ok("x")),
        ("no time for it", &retry("5ms", "100ms"), 503, 1, Ok("x")),
    ] {
        run(async {
            let backend = Ground::new().backend(settings.clone());
            let fetch = FakeFetch::new();
            status(&fetch, first);
            fetch.answer(URL, 200, "alice");
            assert_eq!(ask(&backend, &fetch).await.as_deref(), outcome.as_ref().map(|s| *s), "{what}");
            assert_eq!(fetch.count(URL), calls, "{what}");
        });
    }
    for (what, settings, fail, calls, outcome) in [
        ("nobody listens", &patient, Some(refused()), 2, Ok("alice")),
        ("it broke off", &patient, Some(broken()), 2, Ok("alice")),
        ("it stalls", &patient, None, 2, Ok("alice")),
        ("no retry", &never, Some(refused()), 1, Err("backend-refused")),
    ] {
        run(async {
            let backend = Ground::new().backend(settings.clone());
            let fetch = FakeFetch::new();
            match fail {
                Some(error) => fetch.fail(URL, error),
                None => fetch.never(URL),
            }
            fetch.answer(URL, 200, "alice");
            let answer = ask(&backend, &fetch).await;
            assert_eq!(answer.as_deref(), outcome.as_ref().map(|s| *s), "{what}");
            assert_eq!(fetch.count(URL), calls, "{what}");
        });
    }
}

#[test]
fn retries_end() {
    run(async {
        for (what, settings, calls, most) in [
            ("at five attempts", json!({"timeout": "60s", "retry": {"give_up_after": "60s"}}), 5..=5, 400),
            ("at the deadline", json!({"timeout": "150ms", "retry": {"give_up_after": "60s"}}), 2..=4, 150),
            ("at their own end", json!({"timeout": "60s", "retry": {"give_up_after": "90ms"}}), 2..=3, 90),
        ] {
            let backend = Ground::new().backend(settings);
            let fetch = FakeFetch::new();
            fetch.fail(URL, refused());
            let start = Instant::now();
            assert_eq!(ask(&backend, &fetch).await, Err("backend-refused"));
            // The waits vary: between 25 and 50 ms first, then between 50 and 100 each.
            assert!(calls.contains(&fetch.count(URL)), "{what}: {}", fetch.count(URL));
            assert!(start.elapsed() <= Duration::from_millis(most), "{what}: {:?}", start.elapsed());
        }
    });
}

#[test]
fn retry_after_is_kept_to_within_the_deadline() {
    run(async {
        let backend = Ground::new().backend(json!({"timeout": "5s", "retry": {"give_up_after": "5s"}}));
        for (wish, status, calls, waited) in
            [("3", 503, 2, 3), ("3", 429, 2, 3), ("30", 503, 1, 0), ("99999999999999", 429, 1, 0)]
        {
            let fetch = FakeFetch::new();
            fetch.answer_with(URL, status, &[("retry-after", wish)], "x");
            fetch.answer(URL, 200, "alice");
            let start = Instant::now();
            assert!(ask(&backend, &fetch).await.is_ok());
            assert_eq!((fetch.count(URL), start.elapsed().as_secs()), (calls, waited), "{status} {wish}");
        }
    });
}

#[test]
fn a_call_whose_connection_was_closed_is_made_once_more_if_that_is_safe() {
    run(async {
        for (method, calls) in [(Method::GET, 2), (Method::HEAD, 2), (Method::POST, 1), (Method::DELETE, 1)] {
            let backend = Ground::new().backend(json!({}));
            let fetch = FakeFetch::new();
            fetch.fail(URL, broken());
            let question = Question { method: method.clone(), ..question() };
            assert_eq!(ask_at(&backend, &fetch, NOW, question).await, Err("backend-broke-off"));
            assert_eq!(fetch.count(URL), calls, "{method}");
        }
    });
}

#[test]
fn a_stalled_service_holds_up_only_its_own_callers() {
    run(async {
        let ground = Ground::new();
        let slow = ground.backend(json!({"coalesce": false}));
        let other = Plan { url: "http://other.test/", ..plan() };
        let other = ground.planned(&other, json!({})).unwrap();
        let fetch = FakeFetch::new();
        fetch.never(URL);
        let crowd = join_all((0..=MOST_TO_ONE_SERVICE).map(|_| ask(&slow, &fetch)));
        let passer_by = async {
            tokio::task::yield_now().await;
            fetch.answer("http://other.test/", 200, "alice");
            let question = Question::new(Method::GET, "http://other.test/".to_owned());
            let start = Instant::now();
            let answer = ask_at(&other, &fetch, NOW, question).await;
            (answer, start.elapsed())
        };
        let (crowd, (answer, took)) = tokio::join!(crowd, passer_by);
        assert_eq!((answer.as_deref(), took), (Ok("alice"), Duration::ZERO));
        assert_eq!(fetch.count(URL), MOST_TO_ONE_SERVICE);
        assert_eq!(crowd.last(), Some(&Err("backend-busy")));
        assert_eq!(crowd.first(), Some(&Err("backend-timed-out")));
    });
}

#[test]
fn settings_that_make_no_sense_are_found_when_rules_load() {
    let ground = Ground::new();
    for (what, plan, settings, pointer) in [
        ("no call ends in no time", plan(), json!({"timeout": "0s"}), "/timeout"),
        ("nor does an attempt", plan(), json!({"attempt_timeout": "0ms"}), "/attempt_timeout"),
        ("no duration", plan(), json!({"retry": {"max_delay": "soon"}}), "/retry/max_delay"),
        ("no duration", plan(), json!({"cache": {"ttl": "1m30s"}}), "/cache/ttl"),
        ("no http", Plan { url: "ftp://idp.test/", ..plan() }, json!({}), "/url"),
        ("no host", Plan { url: "http://", ..plan() }, json!({}), "/url"),
    ] {
        let findings = ground.planned(&plan, settings).err().unwrap_or_default();
        let pointers: Vec<_> = findings.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(pointers, [pointer], "{what}");
    }
    for wrong in [json!({"max_response_bytes": "much"}), json!({"max_response_bytes": -1})] {
        assert!(serde_json::from_value::<BackendSettings>(wrong).is_err());
    }
    let size: BackendSettings = serde_json::from_value(json!({"max_response_bytes": "64KiB"})).unwrap();
    assert_eq!(size.max_response_bytes, Some(65_536));
}
