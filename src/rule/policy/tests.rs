use std::net::IpAddr;

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Generate;
use serde_json::{Value, json};

use super::*;
use crate::config::{Config, Strategy};
use crate::diagnostic::{Report, Source};
use crate::pipeline::denial::Denial;
use crate::pipeline::{Engine, Shared};
use crate::request::headers::HeaderFields;
use crate::request::{AccessRequest, Part, Parts};
use crate::rule::{RuleSet, compile, load, overlap};

/// An engine of rules, each at least a `match`, and what is said about them.
fn engine(policy: Policy, rules: &[Value]) -> (Engine, Report) {
    engine_of(rules, |config| config.access_rules.policy = policy)
}

/// The same with any configuration.
pub(crate) fn engine_of(rules: &[Value], configure: impl FnOnce(&mut Config)) -> (Engine, Report) {
    let rules: Vec<Value> = rules
        .iter()
        .map(|rule| {
            let mut whole = json!({
                "authenticators": [{"handler": "noop"}],
                "authorizer": {"handler": "allow"},
                "mutators": [{"handler": "noop"}],
            });
            whole.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
            whole
        })
        .collect();
    let text = serde_json::to_string(&rules).unwrap();
    let source = Source { name: "rules.json".to_owned(), path: None, text: Some(text.into()) };
    let document = load::decode_in_part(Arc::new(source), false, &crate::rule::Substitution::default());
    let mut config = Config::for_validation(Strategy::Regexp).unwrap();
    config.access_rules.method_wildcard = true;
    configure(&mut config);
    compile::engine(&config, [&document], &Shared::new(1 << 20))
}

fn policy(on_multiple_matches: OnMultipleMatches) -> Policy {
    Policy { on_multiple_matches, default_rule: None }
}

pub(crate) fn said(report: &Report) -> Vec<String> {
    let line = |d: &crate::diagnostic::Diagnostic| {
        format!("{} {}: {}", d.finding.code, d.finding.pointer, d.finding.message)
    };
    report.diagnostics.iter().map(line).collect()
}

/// A request as `METHOD URL`, headers, and the client's address.
pub(crate) struct Asked<'t>(pub(crate) &'t str, pub(crate) &'t [(&'t str, &'t str)], pub(crate) &'t str);

impl Asked<'_> {
    pub(crate) fn ask<R>(&self, answer: impl FnOnce(&AccessRequest<'_>) -> R) -> R {
        let (method, url) = self.0.split_once(' ').unwrap();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (host, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let root = Parts::root();
        let parts = Parts {
            method: Part { value: method.into(), ..root.method },
            scheme: Part { value: scheme.into(), ..root.scheme },
            host: Part { value: host.into(), ..root.host },
            path: Part { value: path.as_bytes().into(), ..root.path },
            query: Part { value: query.map(Into::into), ..root.query },
            peer: self.2.parse::<IpAddr>().ok(),
            client: crate::request::Client::Peer,
            host_header: None,
        };
        let headers: HeaderFields = self.1.iter().map(|(n, v)| (*n, *v)).collect();
        answer(&AccessRequest::new(parts, &headers).unwrap())
    }
}

/// Where a request ends: the rule's id with why, or the status.
fn met(rules: &RuleSet, asked: &Asked<'_>) -> String {
    asked.ask(|request| match rules.find(request) {
        Ok(Some(hit)) => format!("{} {}", hit.rule.id(), hit.chosen_by.name()),
        Ok(None) => "404".to_owned(),
        Err(Denial::SeveralRules { ids }) => format!("500 {}", ids.join("+")),
        Err(denial) => format!("{} {}", denial.status(), denial.detail().unwrap().id),
    })
}

fn rule(id: &str, url: &str, priority: i64) -> Value {
    json!({"id": id, "match": {"methods": ["GET"], "url": url}, "priority": priority})
}

#[test]
fn an_ambiguous_rule_under_every_policy() {
    let rules = [
        rule("all", "https://a.test/<.*>", 0),
        rule("admin", "https://a.test/admin/<.*>", 10),
        rule("pages", "https://a.test/<[a-z]+>/page", 10),
        rule("odd", "https://b.test/<(?!x).*>", 1),
        rule("even", "https://b.test/y/<.*>", 2),
    ];
    let [error, priority, specific] =
        [OnMultipleMatches::Error, OnMultipleMatches::Priority, OnMultipleMatches::MostSpecific]
            .map(|on| engine(policy(on), &rules).0);
    for (request, by_error, by_priority, by_specific) in [
        ("GET https://a.test/x", "all only-match", "all only-match", "all only-match"),
        ("GET https://a.test/admin/x", "500 all+admin", "admin priority", "admin most-specific"),
        ("GET https://a.test/x/page", "500 all+pages", "pages priority", "pages most-specific"),
        // Neither is a part of the other.
        ("GET https://a.test/admin/page", "500 all+admin+pages", "500 admin+pages", "500 all+admin+pages"),
        // A line break, which `.` does not match and `[^/]` would.
        ("GET https://a.test/admin/x%0A", "500 all+admin", "admin priority", "500 all+admin"),
        // What looks ahead cannot be proved to be wider.
        ("GET https://b.test/y/1", "500 odd+even", "even priority", "500 odd+even"),
        ("GET https://b.test/z", "odd only-match", "odd only-match", "odd only-match"),
        ("GET https://c.test/", "404", "404", "404"),
        // What lies below `/admin/` is for the narrower rule from `/admin/` on.
        ("GET https://a.test/admin/", "all only-match", "admin priority", "admin most-specific"),
        ("GET https://a.test/admin", "all only-match", "all only-match", "all only-match"),
        // Read in two ways that end at different rules.
        (
            "GET https://a.test/x/..%2fadmin/x",
            "400 ambiguous-path",
            "400 ambiguous-path",
            "400 ambiguous-path",
        ),
        // Read in two ways that end at the same one.
        ("GET https://a.test/admin/x%2fy", "500 all+admin", "admin priority", "admin most-specific"),
    ] {
        for (engine, want) in [(&error, by_error), (&priority, by_priority), (&specific, by_specific)] {
            let name = engine.rules().policy().on_multiple_matches.name();
            assert_eq!(met(engine.rules(), &Asked(request, &[], "")), want, "{name} {request}");
        }
    }
}

#[test]
fn the_narrower_rule_is_proved_to_be() {
    let asked = [
        ("methods", Asked("GET https://a.test/x", &[], "")),
        ("header", Asked("GET https://a.test/x", &[("x-v", "2")], "10.1.0.1")),
        ("query", Asked("GET https://a.test/x?v=2", &[("x-v", "2")], "10.1.0.1")),
    ];
    for (narrow, wide, want) in [
        (json!({"methods": ["GET"]}), json!({"methods": ["*"]}), true),
        (json!({"methods": ["GET"]}), json!({"methods": ["get", "POST"]}), true),
        (json!({"methods": ["GET", "PUT"]}), json!({"methods": ["GET", "POST"]}), false),
        (json!({"methods": ["GET"]}), json!({"methods": ["GET"]}), false),
        (json!({"headers": {"X-V": "2"}}), json!({}), true),
        (json!({"headers": {"X-V": "2"}}), json!({"headers": {"x-v": "<[0-9]>"}}), true),
        (json!({"headers": {"X-V": ["2", "3"]}}), json!({"headers": {"X-V": "<[0-9]>"}}), false),
        (json!({"headers": {"X-V": "<[12]>"}}), json!({"headers": {"X-V": "<[23]>"}}), false),
        (json!({"headers": {"X-V": "2"}}), json!({"query": {"v": "2"}}), false),
        (json!({"remote_ip": ["10.1.0.0/16"]}), json!({"remote_ip": ["10.0.0.0/8"]}), true),
        (json!({"remote_ip": ["10.0.0.0/9", "10.128.0.0/9"]}), json!({"remote_ip": ["10.0.0.0/8"]}), false),
        (json!({"remote_ip": ["10.0.0.0/8"]}), json!({}), true),
        (json!({"urls": ["https://a.test/x"]}), json!({"url": "https://<.*>/<.*>"}), true),
        (
            json!({"urls": ["https://a.test/<x|y>"]}),
            json!({"urls": ["https://a.test/x", "https://a.test/y"]}),
            false,
        ),
        (json!({"url": "https://a.test/x"}), json!({"urls": ["https://a.test/x", "https://a.test/y"]}), true),
        (json!({"url": "https://a.test/<[^/]+>"}), json!({"url": "https://a.test/<.*>"}), true),
        (json!({"url": "https://a.test/<(?!y)[a-z]>"}), json!({"url": "https://a.test/<[a-z]+>"}), true),
        // That it lacks anything lies in what it looks for, which is left out of proofs.
        (
            json!({"url": "https://a.test/<(?!admin)[a-z]+>"}),
            json!({"url": "https://a.test/<[a-z]+>"}),
            false,
        ),
        (
            json!({"url": "https://a.test/<[a-z]+>"}),
            json!({"url": "https://a.test/<(?!admin)[a-z]+>"}),
            false,
        ),
        (json!({"url": "<https?>://a.test:443/x"}), json!({"url": "https://a.test/<.*>"}), false),
        (json!({"url": "https://a.test/<x++>"}), json!({"url": "https://a.test/<x*>"}), true),
    ] {
        let matching = |more: &Value| {
            let mut whole = json!({"methods": ["GET"]});
            if more.get("url").is_none() && more.get("urls").is_none() {
                whole["url"] = "https://a.test/<.*>".into();
            }
            whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            whole
        };
        let rules = [
            json!({"id": "wide", "match": matching(&wide)}),
            json!({"id": "narrow", "match": matching(&narrow)}),
        ];
        let (engine, _) = engine(policy(OnMultipleMatches::MostSpecific), &rules);
        let outcomes: Vec<String> = asked.iter().map(|(_, asked)| met(engine.rules(), asked)).collect();
        let both = |o: &String| o == "narrow most-specific" || o.starts_with("500");
        let expected = if want { "narrow most-specific" } else { "500 wide+narrow" };
        let seen = outcomes.iter().find(|o| both(o));
        assert_eq!(seen.map(String::as_str), Some(expected), "{narrow} in {wide}: {outcomes:?}");
    }
}

#[test]
fn the_default_rule_is_for_what_no_rule_matches() {
    let with_default = |id: &str| Policy { default_rule: Some(id.to_owned()), ..Policy::default() };
    let rules = [
        json!({"id": "a", "match": {"methods": ["GET"], "url": "https://a.test/<.*>"}}),
        json!({"id": "rest"}),
        json!({"id": "twin"}),
        json!({"id": "twin"}),
    ];
    let (engine_, report) = engine(with_default("rest"), &rules);
    let missing = "missing-match /2: the rule has no `match`";
    assert_eq!(
        said(&report).iter().filter(|line| line.contains("missing-match")).collect::<Vec<_>>(),
        [missing, "missing-match /3: the rule has no `match`"]
    );
    for (request, want) in [
        ("GET https://a.test/x", "a only-match"),
        ("PUT https://a.test/x", "rest default-rule"),
        ("GET https://b.test/", "rest default-rule"),
        // Whether a rule matches depends on how the path is read.
        ("GET https://b.test/..%2fx", "rest default-rule"),
        // No rule could mean such a host.
        ("GET https://user@b.test/", "404"),
    ] {
        assert_eq!(met(engine_.rules(), &Asked(request, &[], "")), want, "{request}");
    }
    for (id, want) in [
        ("none", "unknown-rule : no rule has the id `none`"),
        ("twin", "duplicate-id : several rules have the id `twin`"),
    ] {
        let (engine, report) = engine(with_default(id), &rules);
        assert!(said(&report).iter().any(|line| line == want), "{:?}", said(&report));
        assert_eq!(met(engine.rules(), &Asked("GET https://b.test/", &[], "")), "404");
    }
}

#[test]
fn what_a_broken_rule_was_meant_for_ends_at_no_other_rule() {
    let rules = [
        rule("all", "https://a.test/<.*>", 0),
        rule("broken", "https://a.test/admin/<[>", 5),
        rule("vip", "https://a.test/admin/vip", 9),
    ];
    for (policy, admin, vip) in [
        // As in Oathkeeper, only without the outage: one typo does not take others along.
        (policy(OnMultipleMatches::Error), "all only-match", "500 all+vip"),
        (policy(OnMultipleMatches::Priority), "broken priority", "vip priority"),
        // What the broken one was meant for may be narrower still.
        (policy(OnMultipleMatches::MostSpecific), "broken most-specific", "500 all+broken+vip"),
        (
            Policy { default_rule: Some("all".to_owned()), ..Policy::default() },
            "all only-match",
            "500 all+vip",
        ),
    ] {
        let (engine, _) = engine(policy.clone(), &rules);
        for (request, want) in [
            ("GET https://a.test/x", "all only-match"),
            ("GET https://a.test/admin/x", admin),
            ("GET https://a.test/admin/vip", vip),
        ] {
            assert_eq!(met(engine.rules(), &Asked(request, &[], "")), want, "{policy:?} {request}");
        }
    }
    let rules = [json!({"id": "rest"}), rule("broken", "https://a.test/admin/<[>", 0)];
    let (engine, _) = engine(Policy { default_rule: Some("rest".to_owned()), ..Policy::default() }, &rules);
    assert_eq!(met(engine.rules(), &Asked("GET https://a.test/admin/x", &[], "")), "broken only-match");
    assert_eq!(met(engine.rules(), &Asked("GET https://a.test/x", &[], "")), "rest default-rule");
}

#[test]
fn conditions_narrow_which_rule_is_meant() {
    let with = |id: &str, more: Value| {
        let mut matching = json!({"methods": ["*"], "url": "https://a.test/x"});
        matching.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"id": id, "match": matching})
    };
    let rules = [
        with("v1", json!({"headers": {"X-Api-Version": "1"}})),
        with("v2", json!({"headers": {"x-api-version": ["2", "<2\\..*>"]}})),
        with("debug", json!({"query": {"debug": "<.*>"}, "remote_ip": ["10.0.0.0/8", "fd00::/8"]})),
    ];
    let (engine, report) = engine(Policy::default(), &rules);
    assert_eq!(said(&report), Vec::<String>::new());
    let v = "X-API-Version";
    for (asked, want) in [
        (Asked("GET https://a.test/x", &[], ""), "404"),
        (Asked("GET https://a.test/x", &[(v, "1")], ""), "v1 only-match"),
        (Asked("BREW https://a.test/x", &[(v, " 1 ")], ""), "v1 only-match"),
        (Asked("GET https://a.test/x", &[(v, "2")], ""), "v2 only-match"),
        (Asked("GET https://a.test/x", &[(v, "2.7")], ""), "v2 only-match"),
        (Asked("GET https://a.test/x", &[(v, "3")], ""), "404"),
        (Asked("GET https://a.test/x", &[(v, "")], ""), "404"),
        (Asked("GET https://a.test/x", &[(v, "1, 2")], ""), "404"),
        (Asked("GET https://a.test/x", &[(v, "1"), (v, "1")], ""), "v1 only-match"),
        // An upstream may take the other one.
        (Asked("GET https://a.test/x", &[(v, "1"), (v, "9")], ""), "400 ambiguous-field"),
        (Asked("GET https://a.test/x?debug", &[], "10.0.0.7"), "debug only-match"),
        (Asked("GET https://a.test/x?a=b&de%62ug=1", &[], "::ffff:10.0.0.7"), "debug only-match"),
        (Asked("GET https://a.test/x?debug=%0A&debug=1", &[], "fd00::1"), "400 ambiguous-field"),
        (Asked("GET https://a.test/x?debug", &[], "11.0.0.7"), "404"),
        (Asked("GET https://a.test/x?debug", &[("X-Forwarded-For", "10.0.0.7")], ""), "404"),
        (Asked("GET https://a.test/x?Debug", &[], "10.0.0.7"), "404"),
        (Asked("GET https://a.test/x?debug", &[(v, "1")], "10.0.0.7"), "500 v1+debug"),
        (Asked("GET https://a.test/y", &[(v, "1"), (v, "2")], ""), "404"),
    ] {
        assert_eq!(met(engine.rules(), &asked), want, "{} {:?} {}", asked.0, asked.1, asked.2);
    }
}

#[test]
fn an_asterisk_is_any_method_only_where_the_configuration_says_so() {
    let rules = [json!({"id": "r", "match": {"methods": ["PUT", "*"], "url": "https://a.test/"}})];
    for (on, get) in [(true, "r only-match"), (false, "404")] {
        let (engine, report) = engine_of(&rules, |config| config.access_rules.method_wildcard = on);
        for (method, want) in
            [("PUT", "r only-match"), ("GET", get), ("BREW", get), ("*", "r only-match"), ("BREW2", get)]
        {
            let request = format!("{method} https://a.test/");
            assert_eq!(met(engine.rules(), &Asked(&request, &[], "")), want, "{request}");
        }
        assert_eq!(report.diagnostics.iter().any(|d| d.finding.code == "odd-method"), !on);
    }
}

#[test]
fn a_condition_with_a_fault_keeps_the_rules_requests_closed() {
    for (more, want) in [
        (
            json!({"headers": {"X Y": "1"}}),
            "bad-header /0/match/headers/X Y: `X Y` is not the name of a header",
        ),
        (json!({"headers": {"X": "<[>"}}), "bad-pattern /0/match/headers/X"),
        (json!({"query": {"a/b": ["1", "<("]}}), "bad-pattern /0/match/query/a~1b/1"),
        (json!({"query": {"a": []}}), "empty /0/match/query/a"),
        (json!({"remote_ip": ["10.0.0.1"]}), "bad-format /0/match/remote_ip/0"),
        (json!({"remote_ip": []}), "empty /0/match/remote_ip"),
    ] {
        let mut matching = json!({"methods": ["GET"], "url": "https://a.test/x"});
        matching.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let rules = [json!({"id": "r", "match": matching})];
        let (engine, report) = engine(Policy::default(), &rules);
        assert!(said(&report).iter().any(|line| line.starts_with(want)), "{:?}", said(&report));
        assert!(engine.rules().all().iter().all(|rule| !rule.is_valid()), "{more}");
        assert_eq!(met(engine.rules(), &Asked("GET https://a.test/x", &[], "")), "r only-match", "{more}");
    }
}

/// All findings of a load and of the search for overlaps.
fn overlaps(on: OnMultipleMatches, rules: &[Value]) -> Vec<String> {
    let (engine, mut report) = engine(policy(on), rules);
    overlap::check(engine.rules(), &mut report);
    said(&report)
}

#[test]
fn overlaps_are_told_where_the_policy_knows_no_answer() {
    let all = rule("all", "https://a.test/<.*>", 0);
    let admin = rule("admin", "https://a.test/admin", 5);
    let peer = rule("peer", "https://a.test/<[a-z]+>", 5);
    let told = ["overlap /1/match/url: rule `all` of this file matches some of the same requests"];
    let none: [&str; 0] = [];
    let two = [all.clone(), admin.clone()];
    let without_effect = |lines: Vec<String>| -> Vec<String> {
        lines.into_iter().filter(|line| !line.starts_with("without-effect")).collect()
    };
    assert_eq!(without_effect(overlaps(OnMultipleMatches::Error, &two)), told);
    assert_eq!(overlaps(OnMultipleMatches::Priority, &two), none);
    assert_eq!(without_effect(overlaps(OnMultipleMatches::MostSpecific, &two)), none);
    let told = ["overlap /1/match/url: rule `admin` of this file matches some of the same requests"];
    assert_eq!(overlaps(OnMultipleMatches::Priority, &[admin.clone(), peer.clone()]), told);
    assert_eq!(without_effect(overlaps(OnMultipleMatches::MostSpecific, &[admin, peer])), none);
    let low = rule("low", "https://a.test/<.*>", -1);
    assert_eq!(
        overlaps(OnMultipleMatches::Priority, &[all, low]),
        ["never-chosen /1/match/url: rule `all` of this file has the same `url` and a higher priority"]
    );
    let with = |id: &str, headers: Value| json!({"id": id, "match": {"methods": ["GET"], "url": "https://a.test/x", "headers": headers}});
    for (one, other, lines) in [
        (json!({"X-V": "1"}), json!({"x-v": "2"}), 0),
        (json!({"X-V": "<[0-9]>"}), json!({"x-v": "<[a-z]>"}), 0),
        (json!({"X-V": "<[0-9]>"}), json!({"x-v": "<.>"}), 1),
        (json!({"X-V": "1"}), json!({"X-W": "1"}), 1),
        (json!({"X-V": "1"}), json!({}), 1),
    ] {
        let found = overlaps(OnMultipleMatches::Error, &[with("a", one.clone()), with("b", other.clone())]);
        assert_eq!(found.len(), lines, "{one} {other} {found:?}");
    }
}

fn any_rule() -> impl Generate<Value = Value> {
    let one_of = prop::sample::select::<&'static str>;
    let segment = prop_oneof![
        2 => "[ab]{1,2}",
        3 => one_of(vec!["<[a-b]+>", "<.*>", "<(a|b)>", "<[^/]*>", "<(?!b)[a-b]+>", "<(?i)ab?>", "<a++b?>"])
            .prop_map(str::to_owned),
    ];
    let url = (
        one_of(vec!["https", "<https?>"]),
        one_of(vec!["a.test", "<[a-b]>.test", "<.*>"]),
        prop::collection::vec(segment, 0..3),
    )
        .prop_map(|(scheme, host, path)| {
            path.iter().fold(format!("{scheme}://{host}"), |url, segment| url + "/" + segment)
        });
    let headers = prop_oneof![
        4 => prop::collection::btree_map("X-V", one_of(vec!["1", "<[12]>", "<.*>"]), 0..1),
        2 => prop::collection::btree_map("X-V", one_of(vec!["1", "<[12]>", "<.*>"]), 1..2),
    ];
    let methods = prop::collection::vec(one_of(vec!["GET", "POST", "*"]), 1..3);
    (prop::collection::vec(url, 1..3), methods, headers, 0_i64..3, any::<bool>()).prop_map(
        |(urls, methods, headers, priority, deny)| {
            json!({
                "match": {"methods": methods, "urls": urls, "headers": headers},
                "priority": priority,
                "authorizer": {"handler": if deny { "deny" } else { "allow" }},
            })
        },
    )
}

fn requests() -> impl Generate<Value = Vec<(String, Option<String>)>> {
    let request = ("(GET|POST|PUT) https?://[ab]\\.test(/[abAB]{1,2}){0,3}", prop::option::of("[123]"));
    prop::collection::vec(request, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn every_policy_chooses_what_trying_every_rule_chooses(
        mut rules in prop::collection::vec(any_rule(), 1..10),
        requests in requests(),
        default in any::<bool>(),
    ) {
        for (at, rule) in rules.iter_mut().enumerate() {
            rule["id"] = format!("r{at}").into();
        }
        let default_rule = default.then(|| "r0".to_owned());
        for on in [OnMultipleMatches::Error, OnMultipleMatches::Priority, OnMultipleMatches::MostSpecific] {
            let policy = Policy { on_multiple_matches: on, default_rule: default_rule.clone() };
            let (engine, _) = engine(policy, &rules);
            for (request, header) in &requests {
                let fields: Vec<(&str, &str)> = header.iter().map(|value| ("x-v", value.as_str())).collect();
                let asked = Asked(request, &fields, "");
                let want = asked.ask(|request| naive(engine.rules(), request));
                prop_assert_eq!(met(engine.rules(), &asked), want, "{} {:?} {:?}", on.name(), request, header);
            }
        }
    }

    #[test]
    fn what_a_denying_rule_matches_is_only_allowed_by_a_strictly_narrower_one(
        rules in prop::collection::vec(any_rule(), 2..10),
        requests in requests(),
        others in requests(),
    ) {
        let (engine, _) = engine(policy(OnMultipleMatches::MostSpecific), &rules);
        let all = engine.rules().all();
        for (request, header) in &requests {
            let fields: Vec<(&str, &str)> = header.iter().map(|value| ("x-v", value.as_str())).collect();
            let chosen = Asked(request, &fields, "").ask(|request| engine.rules().find(request));
            let Ok(Some(hit)) = chosen else { continue };
            let denies = |rule: &Arc<Rule>| rule.authorizers.iter().any(|step| step.id == "deny");
            for denying in all.iter().filter(|rule| denies(rule) && !Arc::ptr_eq(rule, &hit.rule)) {
                let both = Asked(request, &fields, "").ask(|request| matches(denying, request));
                if !both || denies(&hit.rule) {
                    continue;
                }
                // Whatever else the allowing rule matches, the denying one matches too.
                for (other, header) in others.iter().chain(&requests) {
                    let fields: Vec<(&str, &str)> = header.iter().map(|value| ("x-v", value.as_str())).collect();
                    let (inner, outer) = Asked(other, &fields, "")
                        .ask(|request| (matches(&hit.rule, request), matches(denying, request)));
                    prop_assert!(!inner || outer, "{} is not in {}", hit.rule.spec.shown(), denying.spec.shown());
                }
            }
        }
    }
}

/// Whether a rule, by itself, matches a request, with or without a slash at the end.
fn matches(rule: &Rule, request: &AccessRequest<'_>) -> bool {
    let reading = request.primary().unwrap();
    matches_text(rule, request, reading.text())
        || reading.with_slash().is_some_and(|text| matches_text(rule, request, &text))
}

fn matches_text(rule: &Rule, request: &AccessRequest<'_>, text: &str) -> bool {
    let method = |m: &String| m == ANY_METHOD || m.eq_ignore_ascii_case(request.method());
    rule.methods().iter().any(method)
        && rule.patterns.iter().any(|pattern| pattern.is_match(text) == Ok(true))
        && rule.conditions.as_ref().is_none_or(|c| c.check(request) == conditions::Verdict::Holds)
}

/// What [`met`] says, by trying every rule.
fn naive(rules: &RuleSet, request: &AccessRequest<'_>) -> String {
    let policy = rules.policy();
    let exact = |rule: &&Arc<Rule>| matches_text(rule, request, request.primary().unwrap().text());
    let mut all: Vec<&Arc<Rule>> = rules.all().iter().filter(|rule| matches(rule, request)).collect();
    if policy.on_multiple_matches == OnMultipleMatches::Error && all.iter().any(exact) {
        all.retain(exact);
    }
    let several = |rules: &[&Arc<Rule>]| {
        format!("500 {}", rules.iter().map(|rule| rule.id()).collect::<Vec<_>>().join("+"))
    };
    match (all.as_slice(), policy.on_multiple_matches) {
        ([], _) => policy.default_rule.as_ref().map_or("404".to_owned(), |id| format!("{id} default-rule")),
        ([one], _) => format!("{} only-match", one.id()),
        (all, OnMultipleMatches::Error) => several(all),
        (all, OnMultipleMatches::Priority) => {
            let top = all.iter().map(|rule| rule.priority()).max().unwrap();
            let top: Vec<&Arc<Rule>> = all.iter().filter(|rule| rule.priority() == top).copied().collect();
            if let [one] = top.as_slice() { format!("{} priority", one.id()) } else { several(&top) }
        }
        (all, OnMultipleMatches::MostSpecific) => {
            let narrower = |one: &Arc<Rule>, other: &Arc<Rule>| {
                let (own, theirs) = (Urls::of(&one.patterns), Urls::of(&other.patterns));
                within((one, &own), (other, &theirs), &mut Budget::new(MAX_PLACES)) == Inclusion::Less
            };
            let narrowest = all
                .iter()
                .find(|one| all.iter().all(|other| Arc::ptr_eq(one, other) || narrower(one, other)));
            narrowest.map_or_else(|| several(all), |one| format!("{} most-specific", one.id()))
        }
    }
}
