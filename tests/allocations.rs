//! How often a decision asks for memory.
//!
//! Counted from the question as actix hands it over to the answer before it is put on the wire. A number
//! that grows here grows for every request of every user: lower it where you can, raise it only for a reason.

use actix_web::HttpRequest;
use allocation_counter::measure;
use scene::{Scene, question, rule};
use serde_json::{Value, json};

#[path = "../benches/scene/mod.rs"]
mod scene;

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

struct Row {
    name: &'static str,
    /// So many allocations are enough, and what for.
    most: u64,
    path: &'static str,
    status: u16,
    with_token: bool,
    /// What the rule says beside the usual.
    over: fn(keys: &str) -> Value,
}

const ROW: Row = Row { name: "", most: 0, path: "/x/1", status: 200, with_token: false, over: |_| json!({}) };

fn mutators(handler: &str, config: &Value) -> Value {
    json!([{"handler": handler, "config": config}])
}

/// The rules of `bench.py`, and a few more.
const ROWS: &[Row] = &[
    // The URL.
    Row { name: "min", most: 1, ..ROW },
    // The URL and the list of headers.
    Row {
        name: "fixed headers",
        most: 2,
        over: |_| json!({"mutators": mutators("header", &json!({"headers": {"X-Zone": "a", "X-Tier": "b"}}))}),
        ..ROW
    },
    // The URL, the list of headers, room to render in and each value.
    Row {
        name: "a token seen before and three templates",
        most: 6,
        with_token: true,
        over: |keys| {
            let headers = json!({
                "X-User": "{{ print .Subject }}",
                "X-Email": "{{ .Extra.email }}",
                "X-Part": "{{ printIndex .MatchContext.RegexpCaptureGroups 0 }}",
            });
            let jwt = json!({"jwks_urls": [keys], "trusted_issuers": ["https://iss"]});
            json!({
                "authenticators": [{"handler": "jwt", "config": jwt}],
                "mutators": mutators("header", &json!({"headers": headers})),
            })
        },
        ..ROW
    },
    // The URL, the list of headers, the rendered value, the line of cookies and the header made of it.
    Row {
        name: "cookie",
        most: 5,
        over: |_| json!({"mutators": mutators("cookie", &json!({"cookies": {"user": "{{ print .Subject }}"}}))}),
        ..ROW
    },
    // The URL, the claims and the list of headers.
    Row {
        name: "an id token made before",
        most: 3,
        over: |_| {
            let claims = r#"{"role":"{{ print .Subject }}","p":"{{ printIndex .MatchContext.RegexpCaptureGroups 0 }}"}"#;
            json!({"mutators": mutators("id_token", &json!({"claims": claims}))})
        },
        ..ROW
    },
    // The URL and the answer's JSON.
    Row { name: "no rule", most: 4, path: "/y", status: 404, ..ROW },
    Row {
        name: "nobody gets in",
        most: 5,
        status: 401,
        over: |_| json!({"authenticators": [{"handler": "unauthorized"}]}),
        ..ROW
    },
];

#[test]
fn a_decision_allocates_no_more_than_it_has_to() {
    for row in ROWS {
        let mut token = String::new();
        let scene = Scene::new("regexp", |files| {
            token = files.token();
            let mut rule = rule(0, "https://app.example.com/x/<.*>");
            for (key, value) in (row.over)(&files.public_keys()).as_object().into_iter().flatten() {
                rule[key] = value.clone();
            }
            vec![rule]
        });
        let bearer = format!("Bearer {token}");
        let credentials = [("authorization", bearer.as_str())];
        let headers = if row.with_token { credentials.as_slice() } else { &[] };
        let count = allocations(&scene, &question("app.example.com", row.path, headers), row.status);
        assert!(count <= row.most, "`{}` allocates {count} times, {} were enough before", row.name, row.most);
        println!("{}: {count}", row.name);
    }
}

#[test]
fn a_decision_among_many_rules_allocates_no_more_than_with_one() {
    for strategy in ["regexp", "glob"] {
        let any = if strategy == "glob" { "<**>" } else { "<.*>" };
        let url = |i: usize| format!("https://app{}.example.com/api/svc{i}/items/{any}", i % 20);
        let scene = Scene::new(strategy, |_| (0..2000).map(|i| rule(i, &url(i))).collect());
        let asked = question("app19.example.com", "/api/svc1999/items/42", &[]);
        assert_eq!(allocations(&scene, &asked, 200), 1, "{strategy}");
    }
}
