//! Which rule a running server takes where several match, or none, and what becomes of preflights.

use crate::given::{CONFIG, allows, okgate, rule, with_config};
use okgate_testkit::http::Request;
use okgate_testkit::wait::eventually;

/// The configuration with more below `access_rules`.
fn config(more: &str) -> String {
    CONFIG.replace("'file://rules.yaml']}", &format!("'file://rules.yaml'], {more}}}"))
}

fn rules() -> String {
    let admin =
        rule("admin", "http://${APP_HOST:-app.test}/admin/<.*>", "unauthorized", "deny", "{handler: noop}");
    let rest = rule("rest", "http://rest.test/", "anonymous", "allow", "{handler: noop}");
    [allows("all", "http://app.test/<.*>"), admin, rest].concat()
}

#[test]
fn a_changed_policy_counts_from_the_next_request_on() {
    let variables = "env_substitution: [APP_*]";
    let start = with_config(&config(variables)).file("rules.yaml", rules()).env("APP_OTHER", "x");
    let gate = start.run().ready();
    let statuses = || {
        ["http://app.test/x", "http://app.test/admin/x", "http://app.test/admin/", "http://none.test/"]
            .map(|url| gate.decide("GET", url).status)
    };
    assert_eq!(statuses(), [200, 500, 200, 404]);
    gate.replace("config.yaml", &config(&format!("{variables}, on_multiple_matches: most_specific")));
    eventually("most_specific", || {
        (gate.decide("GET", "http://app.test/admin/x").status == 401).then_some(())
    });
    assert_eq!(statuses(), [200, 401, 401, 404]);
    gate.replace("config.yaml", &config(&format!("{variables}, default_rule: rest")));
    eventually("default_rule", || (gate.decide("GET", "http://none.test/").status == 200).then_some(()));
    assert_eq!(statuses(), [200, 500, 200, 200]);
    let shown = gate.get("/rules/admin").text();
    assert!(shown.contains("${APP_HOST:-app.test}"), "{shown}");
}

#[test]
fn a_preflight_is_answered_by_the_rule_for_what_it_announces() {
    let closed = rule(
        "api",
        "http://app.test/api/<.*>",
        "unauthorized}, {handler: anonymous",
        "allow",
        "{handler: noop}",
    );
    let rules = format!("{closed}  cors: {{allowed_origins: ['https://www.test'], max_age: 60}}\n");
    let gate = with_config(&config("preflight: answer")).file("rules.yaml", rules.clone()).run();
    let ask = |gate: &okgate_testkit::gate::Gate, method: &str, origin: &str| {
        let request = Request::decision(method, "http://app.test/api/x")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "authorization");
        let reply = gate.send(&request);
        (reply.status, reply.header("access-control-allow-origin"), reply.header("access-control-max-age"))
    };
    let origin = Some("https://www.test".to_owned());
    assert_eq!(ask(&gate, "OPTIONS", "https://www.test"), (204, origin.clone(), Some("60".to_owned())));
    assert_eq!(ask(&gate, "OPTIONS", "https://evil.test"), (403, None, None));
    // The request itself needs its credentials all the same, and the page learns that.
    assert_eq!(ask(&gate, "POST", "https://www.test"), (401, origin, None));
    let gate = okgate(&rules).run();
    assert_eq!(ask(&gate, "OPTIONS", "https://www.test"), (404, None, None));
}
