//! Rules and configuration change under a running server.

use crate::given::{CONFIG, allows, okgate, with_config};
use okgate_testkit::gate::Gate;
use okgate_testkit::http::{Connection, Request};
use okgate_testkit::wait::eventually;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

const URL: &str = "http://app.test/x";

fn version(id: &str) -> String {
    allows(id, "http://app.test/<.*>")
}

/// Which rule decides now.
fn rule(gate: &Gate) -> Option<String> {
    gate.decide("GET", URL).header("x-rule")
}

#[track_caller]
fn becomes(gate: &Gate, id: &str) {
    eventually(id, || (rule(gate).as_deref() == Some(id)).then_some(()));
}

/// Waits until the log says something about the rules that it did not say before `seen` bytes.
#[track_caller]
fn complains(gate: &Gate, seen: usize) -> String {
    eventually("a complaint in the log", || {
        gate.stderr()
            .get(seen..)
            .filter(|new| new.contains("ERROR") || new.contains("WARN"))
            .map(str::to_owned)
    })
}

#[test]
fn a_rule_file_that_is_overwritten_or_replaced_is_taken_over() {
    let gate = okgate(&version("one")).run();
    assert_eq!(rule(&gate).as_deref(), Some("one"));
    gate.write("rules.yaml", &version("two"));
    becomes(&gate, "two");
    gate.replace("rules.yaml", &version("three"));
    becomes(&gate, "three");
    // Once replaced, the file is another one: it has to be watched all the same.
    gate.write("rules.yaml", &version("four"));
    becomes(&gate, "four");
    gate.replace("rules.yaml", &version("five"));
    becomes(&gate, "five");
}

#[test]
fn a_file_that_is_deleted_keeps_its_rules_until_it_comes_again() {
    let gate = okgate(&version("one")).run();
    let seen = gate.stderr().len();
    fs::remove_file(gate.dir().join("rules.yaml")).unwrap();
    complains(&gate, seen);
    assert_eq!(rule(&gate).as_deref(), Some("one"));
    gate.write("rules.yaml", &version("two"));
    becomes(&gate, "two");
}

#[test]
fn a_broken_reload_keeps_the_last_good_rules() {
    let good = version("good");
    let half = &good[..good.len() / 2];
    let open_quote = format!("{good}- id: 'x");
    for (what, broken) in [
        ("emptied", ""),
        ("cut in half", half),
        ("not YAML", open_quote.as_str()),
        ("no list", "id: a"),
        ("a rule of the wrong type", "- id: [a]"),
        ("binary", "\u{0}\u{1}"),
    ] {
        let gate = okgate(&good).run();
        let seen = gate.stderr().len();
        gate.write("rules.yaml", broken);
        let said = complains(&gate, seen);
        assert!(said.contains("rules.yaml"), "{what}: {said}");
        assert_eq!(rule(&gate).as_deref(), Some("good"), "{what}");
        assert_eq!(gate.get("/health/ready").status, 200, "{what}");
        gate.write("rules.yaml", &version("better"));
        becomes(&gate, "better");
    }
}

#[test]
fn a_broken_file_leaves_the_rules_of_other_files_alone() {
    let config = CONFIG.replace("'file://rules.yaml'", "'file://one.yaml', 'file://two.yaml'");
    let gate = with_config(&config)
        .file("one.yaml", allows("one", "http://one.test/"))
        .file("two.yaml", allows("two", "http://two.test/"))
        .run();
    let seen = gate.stderr().len();
    gate.write("one.yaml", "broken: [");
    complains(&gate, seen);
    gate.write("two.yaml", &allows("second", "http://two.test/"));
    eventually("the new rule of the other file", || {
        (gate.decide("GET", "http://two.test/").header("x-rule").as_deref() == Some("second")).then_some(())
    });
    assert_eq!(gate.decide("GET", "http://one.test/").header("x-rule").as_deref(), Some("one"));
}

#[test]
fn the_symbolic_links_of_a_kubernetes_configmap_are_followed() {
    // rules.yaml -> ..data/rules.yaml, ..data -> a folder of the version, and ..data is what is swapped.
    let config = CONFIG.replace("'file://rules.yaml'", "'file://mount/rules.yaml'");
    let gate = with_config(&config).file("mount/..v1/rules.yaml", version("one")).run();
    symlink("..v1", gate.dir().join("mount/..data")).unwrap();
    symlink("..data/rules.yaml", gate.dir().join("mount/rules.yaml")).unwrap();
    becomes(&gate, "one");
    for (folder, id) in [("..v2", "two"), ("..v3", "three")] {
        let mount = gate.dir().join("mount");
        fs::create_dir(mount.join(folder)).unwrap();
        fs::write(mount.join(folder).join("rules.yaml"), version(id)).unwrap();
        symlink(folder, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
        becomes(&gate, id);
    }
    fs::remove_dir_all(gate.dir().join("mount/..v1")).unwrap();
    assert_eq!(rule(&gate).as_deref(), Some("three"));
}

#[test]
fn no_request_fails_while_rules_are_replaced_again_and_again() {
    let gate = okgate(&version("r0")).run();
    let done = AtomicBool::new(false);
    let port = gate.port();
    let decided = std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let ask = Request::decision("GET", URL).header("Connection", "keep-alive").to_bytes();
            let mut connection = Connection::open(port).unwrap();
            let mut decided = 0;
            while !done.load(Ordering::SeqCst) {
                connection.send(&ask).unwrap();
                let reply = connection.reply(false).unwrap();
                assert_eq!(reply.status, 200, "{}", reply.summary());
                decided += 1;
            }
            decided
        });
        for n in 1..=8 {
            gate.replace("rules.yaml", &version(&format!("r{n}")));
            becomes(&gate, &format!("r{n}"));
        }
        done.store(true, Ordering::SeqCst);
        client.join().unwrap()
    });
    assert!(decided > 8, "{decided}");
}

#[test]
fn a_changed_configuration_is_taken_over_and_a_broken_one_is_not() {
    let deny = crate::given::rule("deny", "http://app.test/<.*>", "anonymous", "deny", "{handler: noop}");
    let gate = okgate(&deny).run();
    let message = || {
        gate.decide("GET", URL).json().pointer("/error/message").map(ToString::to_string).unwrap_or_default()
    };
    let verbose = message();
    gate.write("config.yaml", &CONFIG.replace("verbose: true", "verbose: false"));
    let plain = eventually("the new configuration", || Some(message()).filter(|now| *now != verbose));
    assert!(plain.contains("forbidden"), "{plain}");

    let seen = gate.stderr().len();
    gate.write("config.yaml", &CONFIG.replace("verbose: true", "verbose: maybe"));
    complains(&gate, seen);
    assert_eq!(message(), plain);
    gate.replace("config.yaml", CONFIG);
    eventually("the repaired configuration", || (message() == verbose).then_some(()));
}

#[test]
fn a_handler_that_is_switched_off_closes_its_rules() {
    let gate = okgate(&version("open")).run();
    assert_eq!(gate.decide("GET", URL).status, 200);
    gate.write("config.yaml", &CONFIG.replace("anonymous: {enabled: true", "anonymous: {enabled: false"));
    eventually("the rule is closed", || (gate.decide("GET", URL).status == 500).then_some(()));
}

#[test]
fn a_changed_template_under_the_same_id_is_used_at_once() {
    let rule_with = |value: &str| {
        let mutator = format!("{{handler: header, config: {{headers: {{X-Rule: '{value}'}}}}}}");
        crate::given::rule("same", "http://app.test/<.*>", "anonymous", "allow", &mutator)
    };
    let gate = okgate(&rule_with("{{ print .Subject }}-old")).run();
    assert_eq!(rule(&gate).as_deref(), Some("guest-old"));
    gate.write("rules.yaml", &rule_with("{{ print .Subject }}-new"));
    becomes(&gate, "guest-new");
}
