//! Where rules come from: over http, from folders and patterns, early and late.

use crate::given::{CONFIG, allows, okgate, with_config};
use okgate_testkit::gate::{Gate, Start};
use okgate_testkit::stub::Stub;
use okgate_testkit::wait::eventually;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;

const URL: &str = "http://app.test/x";

fn version(id: &str) -> String {
    allows(id, "http://app.test/<.*>")
}

/// okgate with these repositories, which are polled four times a second.
fn reading(repositories: &[&str]) -> Start {
    with_config(&configured(repositories))
}

fn configured(repositories: &[&str]) -> String {
    let settings = json!({"repositories": repositories, "reload": {"poll": "250ms", "debounce": "50ms"}});
    CONFIG.replace("{repositories: ['file://rules.yaml']}", &settings.to_string())
}

fn rule(gate: &Gate) -> Option<String> {
    gate.decide("GET", URL).header("x-rule")
}

#[track_caller]
fn becomes(gate: &Gate, id: &str) {
    eventually(id, || (rule(gate).as_deref() == Some(id)).then_some(()));
}

/// What `/status` says, below a JSON pointer.
fn status(gate: &Gate, pointer: &str) -> Value {
    gate.get("/status").json().pointer(pointer).cloned().unwrap_or_default()
}

/// Writes a file whose folder may not be there yet.
fn write_late(gate: &Gate, name: &str, content: &str) {
    fs::create_dir_all(gate.dir().join(name).parent().unwrap()).unwrap();
    gate.write(name, content);
}

/// Answers every question in the same way.
fn always(stub: &Stub, answer: &Value) {
    let routes = json!([{"path": "/*", "respond": answer}]);
    stub.set_routes(serde_json::from_value(routes).unwrap()).unwrap();
}

/// Answers as a server that knows conditions: 304 to who has this version.
fn serves(stub: &Stub, etag: &str, rules: &str) {
    let quoted = format!("\"{etag}\"");
    let routes = json!([
        {"path": "/*", "match_headers": {"If-None-Match": format!("^{quoted}$")}, "respond": {"status": 304}},
        {"path": "/*", "respond": {"body": rules, "headers": {"ETag": quoted}}},
    ]);
    stub.set_routes(serde_json::from_value(routes).unwrap()).unwrap();
}

#[test]
fn rules_over_http_are_there_from_the_first_request_on_and_follow_their_source() {
    let stub = Stub::start().unwrap();
    serves(&stub, "1", &version("one"));
    let gate = reading(&[&stub.url("/rules.yaml")]).run();
    assert_eq!(rule(&gate).as_deref(), Some("one"));
    let revision = status(&gate, "/sources/0/documents/0/revision");
    serves(&stub, "2", &version("two"));
    becomes(&gate, "two");
    assert_ne!(status(&gate, "/sources/0/documents/0/revision"), revision);
    // Most questions have a condition, and an unchanged document is no reason to reload.
    stub.take_calls();
    let reloads = gate.stderr().matches("access rules reloaded").count();
    let mut calls = Vec::new();
    eventually("three more questions", || {
        calls.extend(stub.take_calls());
        (calls.len() >= 3).then_some(())
    });
    assert!(calls.iter().any(|call| call.header("if-none-match") == Some("\"2\"")));
    assert_eq!(gate.stderr().matches("access rules reloaded").count(), reloads);
}

#[test]
fn a_source_that_fails_or_babbles_keeps_its_last_good_rules() {
    let stub = Stub::start().unwrap();
    serves(&stub, "1", &version("good"));
    let gate = reading(&[&stub.url("/rules.yaml")]).run();
    for (what, answer, of_transport) in [
        ("an error page", json!({"status": 500, "body": "[]"}), true),
        ("not found", json!({"status": 404}), true),
        ("a login page", json!({"status": 302, "headers": {"Location": "/login"}}), true),
        ("no answer", json!({"close": true}), true),
        ("an empty answer", json!({"body": ""}), false),
        ("no rules", json!({"body": "<html>maintenance</html>"}), false),
    ] {
        always(&stub, &answer);
        let failure = eventually(what, || {
            let failure = status(&gate, "/sources/0/failure");
            failure.as_str().map(str::to_owned)
        });
        assert_eq!(rule(&gate).as_deref(), Some("good"), "{what}");
        assert_eq!(status(&gate, "/sources/0/documents/0/last_good"), json!(!of_transport), "{what}");
        let ready = gate.get("/health/ready");
        assert_eq!(ready.status, 200, "{what}");
        let named = ready.json().pointer("/failing_sources").cloned().unwrap_or_default();
        assert_eq!(named, json!({stub.url("/rules.yaml"): failure}), "{what}");
        serves(&stub, "1", &version("good"));
        eventually("all is well again", || {
            (gate.get("/health/ready").json() == json!({"status": "ok"})).then_some(())
        });
    }
}

#[test]
fn a_source_that_is_down_at_start_means_alive_but_not_ready_until_it_is_up() {
    let stub = Stub::start().unwrap();
    always(&stub, &json!({"status": 503}));
    let gate =
        reading(&["file://rules.yaml", &stub.url("/rules.yaml")]).file("rules.yaml", version("local")).run();
    assert_eq!(gate.get("/health/alive").status, 200);
    let ready = gate.get("/health/ready");
    assert_eq!(ready.status, 503);
    let errors = ready.json().pointer("/errors").cloned().unwrap_or_default();
    assert_eq!(
        errors,
        json!({
            "rules_loaded": "not every rule source has been read",
            stub.url("/rules.yaml"): "it answered with status 503",
        })
    );
    serves(&stub, "1", &allows("remote", "http://other.test/"));
    eventually("ready", || (gate.get("/health/ready").status == 200).then_some(()));
    assert_eq!(gate.decide("GET", "http://other.test/").header("x-rule").as_deref(), Some("remote"));
    assert_eq!(rule(&gate).as_deref(), Some("local"));
}

#[test]
fn a_changed_configuration_waits_for_its_new_sources() {
    let stub = Stub::start().unwrap();
    always(&stub, &json!({"status": 503}));
    let gate = reading(&["file://rules.yaml"]).file("rules.yaml", version("old")).run();
    gate.write("config.yaml", &configured(&[&stub.url("/rules.yaml")]));
    eventually("it is said", || (status(&gate, "/configuration/state") == "refused").then_some(()));
    assert_eq!(rule(&gate).as_deref(), Some("old"));
    gate.write("rules.yaml", &version("newer"));
    becomes(&gate, "newer");
    assert_eq!(gate.get("/health/ready").status, 200);
    serves(&stub, "1", &version("remote"));
    becomes(&gate, "remote");
    assert_eq!(status(&gate, "/configuration/state"), "in force");
}

#[test]
fn a_changed_document_under_the_same_etag_is_taken_over_all_the_same() {
    let stub = Stub::start().unwrap();
    let says = |id: &str| always(&stub, &json!({"body": version(id), "headers": {"ETag": "\"same\""}}));
    says("one");
    let gate = reading(&[&stub.url("/rules.yaml")]).run();
    says("two");
    becomes(&gate, "two");
    // It says that nothing changed to whoever asks with a condition, and lies.
    let routes = json!([
        {"path": "/*", "match_headers": {"If-None-Match": "same"}, "respond": {"status": 304}},
        {"path": "/*", "respond": {"body": version("three"), "headers": {"ETag": "\"same\""}}},
    ]);
    stub.set_routes(serde_json::from_value(routes).unwrap()).unwrap();
    becomes(&gate, "three");
}

#[test]
fn what_is_secret_in_the_url_of_a_source_is_shown_nowhere() {
    let stub = Stub::start().unwrap();
    always(&stub, &json!({"status": 403}));
    let url = stub.url("/rules.yaml?sig=hunter2").replace("http://", "http://user:pass1234@");
    let gate = reading(&[&url]).run();
    let shown = gate.get("/health/ready").text() + &gate.get("/status").text() + &gate.stderr();
    assert!(shown.contains("/rules.yaml"), "{shown}");
    for secret in ["hunter2", "user", "pass1234"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    let asked = stub.take_calls();
    assert_eq!(asked[0].header("authorization"), Some("Basic dXNlcjpwYXNzMTIzNA=="));
    assert_eq!(asked[0].query, "sig=hunter2");
}

#[test]
fn sighup_asks_remote_sources_at_once() {
    let stub = Stub::start().unwrap();
    serves(&stub, "1", &version("one"));
    let settings = json!({"repositories": [stub.url("/rules.yaml")], "reload": {"poll": "0s"}});
    let config = CONFIG.replace("{repositories: ['file://rules.yaml']}", &settings.to_string());
    let mut gate = with_config(&config).run();
    assert_eq!(rule(&gate).as_deref(), Some("one"));
    serves(&stub, "2", &version("two"));
    gate.process().signal("HUP").unwrap();
    becomes(&gate, "two");
}

#[test]
fn a_folder_that_is_mounted_late_or_vanishes_ends_in_the_right_rules() {
    for entry in ["file://mount/rules.yaml", "file://mount/", "file://mount/*.yaml"] {
        let gate = reading(&[entry]).run();
        assert_eq!(gate.get("/health/ready").status, 503, "{entry}");
        write_late(&gate, "mount/rules.yaml", &version("one"));
        becomes(&gate, "one");
        fs::rename(gate.dir().join("mount"), gate.dir().join("away")).unwrap();
        eventually("it is missed", || status(&gate, "/sources/0/failure").as_str().map(drop));
        assert_eq!(rule(&gate).as_deref(), Some("one"), "{entry}");
        write_late(&gate, "mount/rules.yaml", &version("two"));
        becomes(&gate, "two");
        gate.write("mount/rules.yaml", &version("three"));
        becomes(&gate, "three");
    }
}

#[test]
fn a_file_that_is_named_itself_and_by_patterns_is_loaded_once() {
    let gate =
        reading(&["file://mount/**/*.yaml", "file://mount/a.yaml", "file://./mount/a.yaml", "file://mount/"])
            .file("mount/..v1/a.yaml", version("one"))
            .file("mount/..v1/b.yaml", allows("b", "http://b.test/"))
            .run();
    symlink("..v1", gate.dir().join("mount/..data")).unwrap();
    symlink("..data/a.yaml", gate.dir().join("mount/a.yaml")).unwrap();
    symlink("..data/b.yaml", gate.dir().join("mount/b.yaml")).unwrap();
    eventually("two rules", || {
        let ids: Vec<_> =
            gate.get("/rules").json().as_array()?.iter().map(|rule| rule["id"].clone()).collect();
        (ids.len() == 2).then_some(())
    });
    assert_eq!(rule(&gate).as_deref(), Some("one"));
}

#[test]
fn what_editors_leave_behind_is_no_document() {
    let gate = reading(&["file://rules/"]).file("rules/web.yaml", version("one")).run();
    for name in
        [".web.yaml.swp", "web.yaml~", ".#web.yaml", "#web.yaml#", "4913", "web.yaml.tmp", "web.yaml.bak"]
    {
        gate.write(&format!("rules/{name}"), &version("other"));
    }
    // As vim does: the old file is moved away, a new one written, the old one removed.
    fs::rename(gate.dir().join("rules/web.yaml"), gate.dir().join("rules/web.yaml~")).unwrap();
    gate.write("rules/web.yaml", &version("two"));
    fs::remove_file(gate.dir().join("rules/web.yaml~")).unwrap();
    becomes(&gate, "two");
    assert_eq!(gate.get("/rules").json().as_array().map(Vec::len), Some(1));
}

#[test]
fn an_empty_document_is_no_rules_only_where_that_is_allowed() {
    let allowed = CONFIG.replace("{repositories:", "{allow_empty: true, repositories:");
    let gate = with_config(&allowed).file("rules.yaml", version("one")).run();
    gate.write("rules.yaml", "");
    eventually("no rules", || (gate.decide("GET", URL).status == 404).then_some(()));
    let gate = okgate(&version("one")).run();
    gate.write("rules.yaml", "# all gone\n");
    eventually("it is missed", || status(&gate, "/sources/0/failure").as_str().map(drop));
    assert_eq!(rule(&gate).as_deref(), Some("one"));
}

#[test]
fn the_log_level_changes_while_it_runs() {
    let gate =
        with_config(&format!("{CONFIG}\nlog: {{level: error}}\n")).file("rules.yaml", version("one")).run();
    assert_eq!(rule(&gate).as_deref(), Some("one"));
    assert_eq!(gate.stderr(), "");
    gate.write("config.yaml", &format!("{CONFIG}\nlog: {{level: info}}\n"));
    eventually("decisions are logged", || {
        rule(&gate);
        gate.stderr().contains("INFO").then_some(())
    });
}

#[test]
fn the_status_says_what_was_found() {
    let faulty = version("one") + &allows("faulty", "http://app.test/<(>");
    let gate = okgate(&faulty).run();
    let said = gate.get("/status").json();
    assert_eq!(said.pointer("/rules"), Some(&json!({"loaded": 2, "valid": 1})));
    assert_eq!(said.pointer("/errors"), Some(&json!(1)));
    assert_eq!(said.pointer("/findings/0/file"), Some(&json!("rules.yaml")));
    assert_eq!(said.pointer("/findings/0/rule"), Some(&json!("faulty")));
    assert_eq!(said.pointer("/sources/0/state"), Some(&json!("ok")));
    assert_eq!(said.pointer("/sources/0/documents/0/rules"), Some(&json!(2)));
}
