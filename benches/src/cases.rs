//! What rules let a request do, from the least to a token for the upstream.

use actix_web::HttpRequest;
use serde_json::{Value, json};

use crate::{Files, Scene, Setting, question, rule};

/// What a rule lets a request do.
pub struct Case {
    /// For benchmarks; those of Oathkeeper's comparison where they are the same.
    pub name: &'static str,
    /// Members of each rule; the text is where the keys are.
    pub over: fn(&str) -> Value,
    /// Whether requests carry a token.
    pub with_token: bool,
}

/// Every case.
pub const CASES: [Case; 5] = [
    Case { name: "min", over: |_| json!({}), with_token: false },
    Case {
        name: "header",
        over: |_| {
            mutators("header", &json!({"headers": {"X-User": "{{ print .Subject }}", "X-Zone": "inner"}}))
        },
        with_token: false,
    },
    Case {
        name: "cookie",
        over: |_| mutators("cookie", &json!({"cookies": {"user": "{{ print .Subject }}"}})),
        with_token: false,
    },
    Case { name: "jwt-header", over: jwt_header, with_token: true },
    Case { name: "id_token", over: id_token, with_token: false },
];

/// A rule with one mutator.
pub fn mutators(handler: &str, config: &Value) -> Value {
    json!({"mutators": [{"handler": handler, "config": config}]})
}

fn jwt_header(keys: &str) -> Value {
    let headers = json!({
        "X-User": "{{ print .Subject }}",
        "X-Email": "{{ .Extra.email }}",
        "X-Part": "{{ printIndex .MatchContext.RegexpCaptureGroups 0 }}",
    });
    let mut over = mutators("header", &json!({"headers": headers}));
    let config = json!({"jwks_urls": [keys], "trusted_issuers": ["https://iss"]});
    if let Some(over) = over.as_object_mut() {
        over.insert("authenticators".to_owned(), json!([{"handler": "jwt", "config": config}]));
    }
    over
}

fn id_token(_: &str) -> Value {
    let claims =
        r#"{"role":"{{ print .Subject }}","p":"{{ printIndex .MatchContext.RegexpCaptureGroups 0 }}"}"#;
    mutators("id_token", &json!({"claims": claims}))
}

impl Case {
    /// A scene of so many rules, each for the pattern of its number.
    pub fn scene(&self, setting: Setting, count: usize, pattern: fn(usize) -> String) -> Scene {
        Scene::new(setting, |files| {
            let over = (self.over)(&files.keys());
            (0..count).map(|i| rule(i, &pattern(i), &over)).collect()
        })
    }

    /// What is asked about a URL, with a token where requests carry one.
    pub fn question(&self, files: &Files, url: &str) -> HttpRequest {
        if self.with_token {
            question(url, &[("authorization", &format!("Bearer {}", files.token()))])
        } else {
            question(url, &[])
        }
    }
}

/// A rule that asks for a token signed with an algorithm, and a question with one. What is not remembered is
/// verified each time.
pub fn token_of(algorithm: &'static str, remember: bool) -> (Scene, HttpRequest) {
    let cache_bytes = if remember { 1 << 20 } else { 0 };
    let scene = Scene::new(Setting { algorithm, cache_bytes, ..Setting::default() }, |files| {
        let config = json!({"jwks_urls": [files.keys()], "allowed_algorithms": [algorithm]});
        let over = json!({"authenticators": [{"handler": "jwt", "config": config}]});
        vec![rule(0, "https://app.example.com/<.*>", &over)]
    });
    let bearer = format!("Bearer {}", scene.files().token());
    let question = question("https://app.example.com/x", &[("authorization", &bearer)]);
    (scene, question)
}
