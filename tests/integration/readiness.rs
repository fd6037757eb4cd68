//! Alive from the first connection on; ready when there is something to decide by.

use crate::given::{CONFIG, allows, okgate, with_config};
use okgate_testkit::wait::eventually;
use serde_json::json;

#[test]
fn it_is_alive_but_not_ready_until_rules_are_loaded() {
    let gate = with_config(CONFIG).run();
    assert_eq!(gate.get("/health/alive").json(), json!({"status": "ok"}));
    let not_ready = gate.get("/health/ready");
    assert_eq!(not_ready.status, 503);
    assert!(not_ready.json().pointer("/errors/rules_loaded").is_some(), "{}", not_ready.summary());
    assert_eq!(gate.decide("GET", "http://app.test/x").status, 404);

    gate.write("rules.yaml", &allows("all", "http://app.test/<.*>"));
    let ready = eventually("ready", || Some(gate.get("/health/ready")).filter(|r| r.status == 200));
    assert_eq!(ready.json(), json!({"status": "ok"}));
    assert_eq!(gate.decide("GET", "http://app.test/x").status, 200);
}

#[test]
fn an_empty_list_and_rules_that_all_have_faults_are_not_ready() {
    let faulty = allows("bad", "http://app.test/<(>");
    for rules in ["[]", &faulty] {
        let gate = okgate(rules).run();
        assert_eq!(
            (gate.get("/health/alive").status, gate.get("/health/ready").status),
            (200, 503),
            "{rules}"
        );
    }
}

#[test]
fn a_rule_with_a_fault_does_not_hold_back_the_others() {
    let rules = allows("bad", "http://app.test/bad/<(>") + &allows("good", "http://app.test/good");
    let gate = okgate(&rules).run();
    assert_eq!(gate.get("/health/ready").status, 200);
    assert_eq!(gate.decide("GET", "http://app.test/good").header("x-rule").as_deref(), Some("good"));
    let ids: Vec<_> =
        gate.get("/rules").json().as_array().into_iter().flatten().map(|r| r["id"].clone()).collect();
    assert_eq!(ids, ["good"]);
}

#[test]
fn the_first_connection_already_finds_all_rules() {
    let rules: String =
        (0..2000).map(|n| allows(&format!("r{n}"), &format!("http://app.test/{n}"))).collect();
    let gate = okgate(&rules).run();
    assert_eq!(gate.decide("GET", "http://app.test/1999").header("x-rule").as_deref(), Some("r1999"));
}
