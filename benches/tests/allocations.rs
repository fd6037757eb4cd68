//! How often a decision asks for memory.
//!
//! Counted from the question as actix hands it over to the answer before it is put on the wire. A number
//! that grows here grows for every request of every user: lower it where you can, raise it only for a reason.

use actix_web::HttpRequest;
use allocation_counter::measure;
use bytes::Bytes;
use okgate::matcher::Strategy;
use okgate::metrics::Metrics;
use okgate::metrics::labels::{Paths, Service};
use okgate_benches::cases::{CASES, Case, mutators};
use okgate_benches::shapes::SHAPES;
use okgate_benches::{Scene, Setting, check, event};
use serde_json::json;

/// Allocations of one decision, the fewest of some: caches and tables are filled by the first.
fn allocations(scene: &Scene, asked: &HttpRequest, status: u16) -> u64 {
    let count = || {
        let info = measure(|| {
            let reply = scene.decide(asked);
            assert_eq!(reply.status, status, "{:?}", reply.body);
        });
        info.count_total
    };
    (0..5).map(|_| count()).min().unwrap_or_default()
}

#[test]
fn a_decision_allocates_no_more_than_it_has_to() {
    let fixed = |_: &str| mutators("header", &json!({"headers": {"X-Zone": "inner", "X-Tier": "gold"}}));
    let nobody = |_: &str| json!({"authenticators": [{"handler": "unauthorized"}]});
    let fixed = Case { name: "fixed headers", over: fixed, with_token: false };
    let nobody = Case { name: "nobody gets in", over: nobody, with_token: false };
    let [min, header, cookie, jwt_header, id_token] = &CASES;
    for (case, path, status, most, what_for) in [
        (min, "/x/1", 200, 1, "the URL"),
        (&fixed, "/x/1", 200, 2, "the URL, the list of headers"),
        (header, "/x/1", 200, 4, "the URL, the list, room to render in, the value"),
        (cookie, "/x/1", 200, 5, "the URL, the list, room to render in, the line of cookies, the value"),
        (
            jwt_header,
            "/x/1",
            200,
            6,
            "the URL, the list, room to render in, three values; the token is known",
        ),
        (id_token, "/x/1", 200, 3, "the URL, the list, the claims; the token is known"),
        (min, "/y", 404, 4, "the URL, the list, the body and its owner"),
        (&nobody, "/x/1", 401, 5, "likewise, and the step's name"),
    ] {
        let scene = case.scene(Setting::default(), 1, |_| "https://app.example.com/x/<.*>".to_owned());
        let asked = case.question(scene.files(), &format!("https://app.example.com{path}"));
        let count = allocations(&scene, &asked, status);
        assert!(count <= most, "`{}` with {status}: {count} allocations for {what_for}", case.name);
    }
}

#[test]
fn a_question_over_grpc_allocates_little_more() {
    let [min, ..] = &CASES;
    let scene = min.scene(Setting::default(), 1, |_| "https://app.example.com/x/<.*>".to_owned());
    let message = check("https://app.example.com/x/1");
    let count = || measure(|| assert_eq!(scene.check(&message).status, 200)).count_total;
    let count = (0..5).map(|_| count()).min().unwrap_or_default();
    assert!(count <= 16, "{count} allocations");
}

#[test]
fn a_request_is_counted_without_allocating() {
    let metrics = Metrics::new(Paths::Segment, ["/decisions"]);
    let tally = metrics.tally();
    let count = |method: &str, path: &str| tally.begin(Service::Api, method, path).answered(200);
    for n in 0..200 {
        count("GET", &format!("/{n}"));
    }
    count("GET", "/decisions");
    count("VERB", "/other");
    for (method, path) in [("GET", "/decisions/a"), ("VERB", "/unheard-of"), ("GET", "/7/x")] {
        assert_eq!(measure(|| count(method, path)).count_total, 0, "{method} {path}");
    }
}

#[test]
fn an_event_of_api_gateway_is_read_where_it_lies() {
    let [min, ..] = &CASES;
    let scene = min.scene(Setting::default(), 1, |_| "https://app.example.com/x/<.*>".to_owned());
    let url = "https://app.example.com/x/1";
    for (format, event, most) in [("1.0", event::rest(url), 13), ("2.0", event::http(url), 12)] {
        let event = Bytes::from(event);
        let count = || measure(|| assert_eq!(scene.authorize(&event).status, 200)).count_total;
        let count = (0..5).map(|_| count()).min().unwrap_or_default();
        assert!(count <= most, "format {format}: {count} allocations");
    }
}

#[test]
fn a_decision_among_many_rules_allocates_no_more_than_with_one() {
    let [min, ..] = &CASES;
    for shape in &SHAPES {
        let setting = Setting { strategy: shape.strategy, ..Setting::default() };
        let scene = min.scene(setting, 2000, shape.pattern);
        for number in 1996..2000 {
            let url = (shape.url)(number);
            let count = allocations(&scene, &min.question(scene.files(), &url), 200);
            assert!(count <= 1, "{} {}: {count} allocations for {url}", shape.name, shape.strategy.name());
        }
    }
    assert_eq!(SHAPES.iter().filter(|shape| shape.strategy == Strategy::Glob).count(), 2);
}
