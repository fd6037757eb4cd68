use futures_util::future::join_all;

use super::*;
use crate::keys::KeySet;
use crate::keys::fixtures::{Clock as TestClock, document, inline, run, settle};
use crate::keys::ring::STALE_LIMIT;
use crate::keys::{Currency, KeyRing, Picked, public_set};
use crate::upstream::FetchError;
use crate::upstream::fake::FakeFetch;

const URL: &str = "https://idp.test/keys";

fn second() -> Duration {
    Duration::from_secs(1)
}

/// Looks for a key the way an authenticator does: in what is there, else after reading.
async fn find(ring: &KeyRing, fetch: &Rc<FakeFetch>, kid: &str) -> Option<Picked<()>> {
    let fetch: Rc<dyn Fetch> = fetch.clone();
    let look = |set: &KeySet| set.find(kid, false).map(|_| ());
    match ring.pick(&fetch, look) {
        Some(picked) => Some(picked),
        None => ring.fetch(&fetch, kid, look).await,
    }
}

fn ring(store: &JwksStore, urls: &[&str]) -> KeyRing {
    let times = Times { ttl: Duration::from_secs(30), max_wait: Duration::from_secs(60) };
    store.ring(urls, times).unwrap()
}

/// With a set that is good for long.
fn lasting(store: &JwksStore) -> KeyRing {
    let hour = Duration::from_secs(3600);
    store.ring(&[URL], Times { ttl: hour, max_wait: Duration::from_secs(60) }).unwrap()
}

/// For servers that never answer.
fn impatient(store: &JwksStore) -> KeyRing {
    let times = Times { ttl: Duration::from_secs(30), max_wait: Duration::from_millis(20) };
    store.ring(&[URL], times).unwrap()
}

#[test]
fn a_hundred_first_requests_read_the_set_once() {
    run(async {
        let (_, store) = TestClock::store();
        let fetch = FakeFetch::new();
        let server = fetch.answer_later(URL, 200, document("rsa-pub"));
        let patient = Times { max_wait: Duration::from_secs(60), ..Times::default() };
        let rings: Vec<KeyRing> = (0..100).map(|_| store.ring(&[URL], patient).unwrap()).collect();
        let requests = join_all(rings.iter().map(|ring| find(ring, &fetch, "rsa-1")));
        let answer = async {
            settle().await;
            server.notify_one();
        };
        let (found, ()) = futures_util::future::join(requests, answer).await;
        assert!(found.iter().all(Option::is_some));
        assert_eq!(fetch.count(URL), 1);
    });
}

#[test]
fn a_fresh_set_is_used_without_reading() {
    run(async {
        let (clock, store) = TestClock::store();
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, document("rsa-pub"));
        let ring = ring(&store, &[URL]);
        assert_eq!(fetch.count(URL), 0, "nothing is read before it is needed");
        for _ in 0..3 {
            assert!(find(&ring, &fetch, "rsa-1").await.is_some());
            clock.advance(Duration::from_secs(7));
        }
        assert_eq!(fetch.count(URL), 1);
    });
}

#[test]
fn a_set_is_read_again_in_the_background_before_it_is_too_old() {
    run(async {
        let (clock, store) = TestClock::store();
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, document("rsa-pub"));
        fetch.never(URL);
        let ring = ring(&store, &[URL]);
        find(&ring, &fetch, "rsa-1").await.unwrap();
        clock.advance(Duration::from_secs(23));
        for _ in 0..5 {
            assert!(find(&ring, &fetch, "rsa-1").await.is_some());
            settle().await;
        }
        assert_eq!(fetch.count(URL), 2);
    });
}

#[test]
fn a_set_that_is_too_old_is_read_before_it_is_used() {
    run(async {
        let (clock, store) = TestClock::store();
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, document("rsa-1-pub"));
        fetch.answer(URL, 200, document("rsa-2-pub"));
        let ring = ring(&store, &[URL]);
        assert!(find(&ring, &fetch, "rsa-1").await.is_some());
        clock.advance(Duration::from_secs(30));
        assert!(find(&ring, &fetch, "rsa-1").await.is_none(), "the key is gone");
        assert!(find(&ring, &fetch, "rsa-2").await.is_some());
        assert_eq!(fetch.count(URL), 2);
    });
}

#[test]
fn an_unknown_kid_makes_a_fresh_set_be_read_once_in_thirty_seconds() {
    run(async {
        let (clock, store) = TestClock::store();
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, document("rsa-1-pub"));
        let ring = lasting(&store);
        find(&ring, &fetch, "rsa-1").await.unwrap();
        for (passed, calls) in [(0, 2), (0, 2), (29_999, 2), (1, 3), (0, 3), (29_999, 3), (1, 4)] {
            clock.advance(Duration::from_millis(passed));
            assert!(find(&ring, &fetch, "nobody").await.is_none());
            assert_eq!(fetch.count(URL), calls, "after {passed}");
        }
    });
}

#[test]
fn whatever_ids_are_made_up_a_set_is_read_once_in_five_seconds_for_them() {
    run(async {
        let (clock, store) = TestClock::store();
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, document("rsa-1-pub"));
        let ring = lasting(&store);
        find(&ring, &fetch, "rsa-1").await.unwrap();
        let mut made_up = 0;
        for tenth in 0..600 {
            for _ in 0..20 {
                made_up += 1;
                assert!(find(&ring, &fetch, &format!("made up {made_up}")).await.is_none());
            }
            let calls = 1 + 1 + tenth / 50;
            assert_eq!(fetch.count(URL), calls, "after {tenth} tenths of a second");
            clock.advance(Duration::from_millis(100));
        }
    });
}

#[test]
fn made_up_ids_keep_a_new_key_from_being_found_for_five_seconds_at_most() {
    run(async {
        let (clock, store) = TestClock::store();
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, document("rsa-1-pub"));
        fetch.answer(URL, 200, document("rsa-1-pub"));
        fetch.answer(URL, 200, document("rsa-pub"));
        let ring = lasting(&store);
        find(&ring, &fetch, "rsa-1").await.unwrap();
        assert!(find(&ring, &fetch, "made up").await.is_none());
        assert!(find(&ring, &fetch, "rsa-2").await.is_none(), "the key server was just asked");
        clock.advance(Duration::from_secs(5));
        assert!(find(&ring, &fetch, "made up as well").await.is_none());
        assert_eq!(fetch.count(URL), 3, "the set is read for somebody else's sake");
        assert!(find(&ring, &fetch, "rsa-2").await.is_some());
    });
}

#[test]
fn a_key_that_could_not_be_looked_for_is_looked_for_again() {
    run(async {
        let (clock, store) = TestClock::store();
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, document("rsa-1-pub"));
        fetch.answer(URL, 503, "");
        fetch.answer(URL, 200, document("rsa-pub"));
        let ring = lasting(&store);
        find(&ring, &fetch, "rsa-1").await.unwrap();
        assert!(!ring.is_in_doubt());
        assert!(find(&ring, &fetch, "rsa-2").await.is_none());
        assert!(ring.is_in_doubt(), "it may be there");
        clock.advance(Duration::from_secs(5));
        assert!(find(&ring, &fetch, "rsa-2").await.is_some());
        assert!(!ring.is_in_doubt());
    });
}

#[test]
fn a_new_key_is_found_at_once() {
    run(async {
        let (_, store) = TestClock::store();
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, document("rsa-1-pub"));
        fetch.answer(URL, 200, document("rsa-pub"));
        let ring = ring(&store, &[URL]);
        find(&ring, &fetch, "rsa-1").await.unwrap();
        assert!(find(&ring, &fetch, "rsa-2").await.is_some());
    });
}

#[test]
fn a_set_stays_when_its_server_fails() {
    run(async {
        for (about, fail) in [
            ("an error status", (|f| f.answer(URL, 503, "")) as fn(&FakeFetch)),
            ("no set", |f| f.answer(URL, 200, "<html>")),
            ("an empty object", |f| f.answer(URL, 200, "{}")),
            ("no answer", |f| f.never(URL)),
            ("no connection", |f| {
                let error = FetchError::Connect { url: URL.to_owned(), reason: "refused".to_owned() };
                f.fail(URL, error);
            }),
        ] {
            let (clock, store) = TestClock::store();
            let fetch = FakeFetch::new();
            fetch.answer(URL, 200, document("rsa-1-pub"));
            let ring = impatient(&store);
            find(&ring, &fetch, "rsa-1").await.unwrap();
            fetch.forget(URL);
            fail(&fetch);
            clock.advance(Duration::from_secs(3600));
            assert!(find(&ring, &fetch, "rsa-1").await.is_some(), "{about}: stale");
            clock.advance(STALE_LIMIT);
            assert!(find(&ring, &fetch, "rsa-1").await.is_none(), "{about}: too old");
        }
    });
}

#[test]
fn a_server_that_hangs_is_waited_for_once() {
    run(async {
        let (clock, store) = TestClock::store();
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, document("rsa-1-pub"));
        fetch.never(URL);
        let times = Times { ttl: Duration::from_secs(30), max_wait: second() };
        let ring = store.ring(&[URL], times).unwrap();
        find(&ring, &fetch, "rsa-1").await.unwrap();
        clock.advance(Duration::from_secs(31));
        let dynamic: Rc<dyn Fetch> = fetch.clone();
        ring.refresh(0, &dynamic);
        settle().await;
        clock.advance(second());
        // The wait of a second that this would cost is over: with a clock that stands, it would never end.
        let wait = tokio::time::timeout(second() / 2, find(&ring, &fetch, "rsa-1")).await;
        assert!(wait.is_ok_and(|found| found.is_some()));
        assert_eq!(fetch.count(URL), 2);
    });
}

#[test]
fn a_url_that_keeps_failing_is_left_alone_for_longer_and_longer() {
    run(async {
        let (clock, store) = TestClock::store();
        let fetch = FakeFetch::new();
        fetch.answer(URL, 404, "");
        let ring = ring(&store, &[URL]);
        for calls in 1..=3 {
            assert!(find(&ring, &fetch, "rsa-1").await.is_none());
            assert_eq!(fetch.count(URL), calls);
        }
        for pause in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let calls = fetch.count(URL);
            clock.advance(Duration::from_millis(pause - 1));
            assert!(find(&ring, &fetch, "rsa-1").await.is_none());
            assert_eq!(fetch.count(URL), calls, "within {pause}");
            clock.advance(Duration::from_millis(1));
            assert!(find(&ring, &fetch, "rsa-1").await.is_none());
            assert_eq!(fetch.count(URL), calls + 1, "after {pause}");
        }
        fetch.forget(URL);
        fetch.answer(URL, 200, document("rsa-1-pub"));
        clock.advance(Duration::from_secs(30));
        assert!(find(&ring, &fetch, "rsa-1").await.is_some());
    });
}

#[test]
fn one_dead_url_does_not_hold_up_the_others() {
    run(async {
        let (_, store) = TestClock::store();
        let fetch = FakeFetch::new();
        let dead = "https://dead.test/keys";
        fetch.never(dead);
        fetch.answer(URL, 200, document("rsa-1-pub"));
        let times = Times { max_wait: Duration::from_secs(60), ..Times::default() };
        let ring = store.ring(&[dead, URL], times).unwrap();
        let found = find(&ring, &fetch, "rsa-1").await.unwrap();
        assert_eq!(found.source, 1);
        assert!(find(&ring, &fetch, "rsa-1").await.is_some());
        assert_eq!((fetch.count(dead), fetch.count(URL)), (1, 1));
    });
}

#[test]
fn sets_are_searched_in_order() {
    run(async {
        let (_, store) = TestClock::store();
        let fetch = FakeFetch::new();
        let urls = [inline("rsa-use-enc"), inline("rsa-1-pub"), inline("rsa-pub")];
        let ring = ring(&store, &urls.each_ref().map(String::as_str));
        assert_eq!(find(&ring, &fetch, "rsa-1").await.unwrap().source, 1);
        assert_eq!(find(&ring, &fetch, "rsa-2").await.unwrap().source, 2);
        assert!(fetch.calls().is_empty());
    });
}

#[test]
fn a_version_holds_until_the_set_changes_or_is_too_old() {
    run(async {
        let (clock, store) = TestClock::store();
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, document("rsa-1-pub"));
        fetch.answer(URL, 200, document("rsa-1-pub"));
        fetch.answer(URL, 200, document("rsa-pub"));
        let ring = ring(&store, &[URL]);
        let dynamic: Rc<dyn Fetch> = fetch.clone();
        let found = find(&ring, &fetch, "rsa-1").await.unwrap();
        let currency = || ring.currency(found.source, found.version);
        assert_eq!(currency(), Currency::Current);
        clock.advance(Duration::from_secs(23));
        assert_eq!(currency(), Currency::RefreshDue);
        clock.advance(Duration::from_secs(7));
        assert_eq!(currency(), Currency::Unknown);
        ring.refresh(0, &dynamic);
        settle().await;
        assert_eq!(currency(), Currency::Current, "the same document is the same set");
        ring.refresh(0, &dynamic);
        settle().await;
        assert_eq!(currency(), Currency::Unknown, "another document is another set");
        assert_eq!(ring.currency(7, found.version), Currency::Unknown);
    });
}

#[test]
fn a_reader_that_goes_away_frees_the_url() {
    let (_, store) = TestClock::store();
    let ring = impatient(&store);
    let gone = run(async {
        let fetch = FakeFetch::new();
        fetch.never(URL);
        find(&ring, &fetch, "rsa-1").await.is_none()
    });
    assert!(gone);
    run(async {
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, document("rsa-1-pub"));
        assert!(find(&ring, &fetch, "rsa-1").await.is_some());
    });
}

#[test]
fn files_are_read_when_they_are_named_and_again_when_they_change() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        std::fs::write(&path, document("rsa-1-pub")).unwrap();
        let url = format!("file://{}", path.display());
        let (clock, store) = TestClock::store();
        let fetch = FakeFetch::new();
        let ring = ring(&store, &[&url]);
        let look = |set: &KeySet| set.find("rsa-1", false).map(|_| ());
        let dynamic: Rc<dyn Fetch> = fetch.clone();
        assert!(ring.pick(&dynamic, look).is_some(), "without waiting");
        std::fs::write(&path, document("rsa-pub")).unwrap();
        clock.advance(Duration::from_secs(30));
        assert!(find(&ring, &fetch, "rsa-2").await.is_some());
        std::fs::write(&path, "{").unwrap();
        clock.advance(Duration::from_secs(30));
        assert!(find(&ring, &fetch, "rsa-2").await.is_some(), "a broken file changes nothing");
        let status = store.status();
        assert_eq!(status[0].failure.as_deref(), Some("it is not JSON"));
        assert_eq!((status[0].keys, &status[0].shown), (Some(2), &path.display().to_string()));
    });
}

#[test]
fn a_reload_sees_a_changed_file_at_once() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        std::fs::write(&path, document("rsa-1-pub")).unwrap();
        let url = format!("file://{}", path.display());
        let (clock, store) = TestClock::store();
        let fetch = FakeFetch::new();
        let before = ring(&store, &[&url]);
        std::fs::write(&path, document("rsa-pub")).unwrap();
        clock.advance(second());
        let _after = ring(&store, &[&url]);
        let dynamic: Rc<dyn Fetch> = fetch.clone();
        let look = |set: &KeySet| set.find("rsa-2", false).map(|_| ());
        assert!(before.pick(&dynamic, look).is_some(), "without waiting");
    });
}

#[test]
fn a_file_that_appears_is_found() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let (_, store) = TestClock::store();
        let fetch = FakeFetch::new();
        let ring = ring(&store, &[&format!("file://{}", path.display())]);
        assert!(find(&ring, &fetch, "rsa-1").await.is_none());
        std::fs::write(&path, document("rsa-1-pub")).unwrap();
        assert!(find(&ring, &fetch, "rsa-1").await.is_some());
    });
}

#[test]
fn sets_outlive_a_reload_and_go_with_their_last_user() {
    run(async {
        let (_, store) = TestClock::store();
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, document("rsa-1-pub"));
        let before = ring(&store, &[URL]);
        find(&before, &fetch, "rsa-1").await.unwrap();
        let after = ring(&store, &[URL]);
        drop(before);
        assert!(find(&after, &fetch, "rsa-1").await.is_some());
        assert_eq!((fetch.count(URL), store.status().len()), (1, 1));
        drop(after);
        assert!(store.status().is_empty());
    });
}

#[test]
fn warming_reads_what_is_on_the_network() {
    run(async {
        let (_, store) = TestClock::store();
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, document("rsa-1-pub"));
        let _ring = ring(&store, &[URL, "https://dead.test"]);
        let dynamic: Rc<dyn Fetch> = fetch.clone();
        store.warm(&dynamic).await;
        let keys: Vec<_> = store.status().into_iter().map(|s| (s.shown, s.keys)).collect();
        assert_eq!(keys, [("https://dead.test".to_owned(), None), (URL.to_owned(), Some(1))]);
    });
}

#[test]
fn urls_that_cannot_be_used_are_named_by_their_place() {
    let (_, store) = TestClock::store();
    let error = store.ring(&[URL, "s3://bucket/keys"], Times::default()).map(|_| ()).unwrap_err();
    assert_eq!(error, (1, UrlError::NotYet("s3://".to_owned())));
}

#[test]
fn public_keys_are_those_of_every_set() {
    run(async {
        let (clock, store) = TestClock::store();
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, document("sign-es256"));
        let dynamic: Rc<dyn Fetch> = fetch.clone();
        let shown = async |urls: &[&str]| {
            let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
            let set = public_set(&store, &urls, &dynamic).await?;
            let keys = set["keys"].as_array().unwrap().iter();
            Ok(keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
        };
        let (rsa, hs) = (inline("sign-rs256"), inline("sign-hs256"));
        let nothing = Vec::<String>::new();
        assert_eq!(shown(&[]).await, Ok(nothing.clone()));
        assert_eq!(shown(&[&hs]).await, Ok(nothing));
        assert_eq!(shown(&["file:///nowhere"]).await, Err(crate::keys::NoKeySet));
        assert_eq!(shown(&["s3://not/yet"]).await, Err(crate::keys::NoKeySet));
        let all = [rsa.as_str(), URL, &hs, "file:///nowhere", URL, &rsa];
        for _ in 0..3 {
            assert_eq!(shown(&all).await, Ok(vec!["rsa-1".to_owned(), "ec-1".to_owned()]));
        }
        assert_eq!(fetch.count(URL), 1);
        clock.advance(Duration::from_secs(30));
        shown(&all).await.unwrap();
        assert_eq!(fetch.count(URL), 2);
    });
}
