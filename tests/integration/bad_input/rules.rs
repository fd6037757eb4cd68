//! Rule documents that are refused, and rules of which the URLs stay closed.

use super::{Row, folder, load, table};
use crate::given::CONFIG;

/// Documents of which nothing is taken over.
const DOCUMENTS: &[Row] = &[
    ("an empty document", ""),
    ("one rule instead of a list", "id: a\nmatch: {url: 'http://a/', methods: [GET]}"),
    ("a text", "rules"),
    ("a list of texts", "- rules"),
    ("no YAML", "- id: a\n match: {}"),
    ("JSON that was cut off", "[{\"id\": \"a\", \"match\": {\"url\": \"http://a/"),
    ("an id that is a list", "- id: [a]"),
    ("an id that YAML 1.1 takes for a boolean", "- id: y\n  match: {url: 'http://a/', methods: [GET]}"),
    ("methods that are a text", "- id: a\n  match: {url: 'http://a/', methods: GET}"),
    (
        "authenticators by name only",
        "- id: a\n  match: {url: 'http://a/', methods: [GET]}\n  authenticators: [anonymous]",
    ),
    ("a version that is none", "- id: a\n  version: latest\n  match: {url: 'http://a/', methods: [GET]}"),
];

/// Rules in the middle of a good document: `match`, then the stages.
const MATCHES: &[Row] = &[
    ("no match", ""),
    ("no url", "match: {methods: [GET]}"),
    ("an empty url", "match: {url: '', methods: [GET]}"),
    ("no methods", "match: {url: 'http://a/'}"),
    ("an empty list of methods", "match: {url: 'http://a/', methods: []}"),
    ("a url without a scheme", "match: {url: 'app.test/x', methods: [GET]}"),
    ("a url with a query", "match: {url: 'http://app.test/x?a=1', methods: [GET]}"),
    ("an opening bracket too many", "match: {url: 'http://app.test/<x', methods: [GET]}"),
    ("a closing bracket too many", "match: {url: 'http://app.test/x>', methods: [GET]}"),
    ("a group that is not closed", "match: {url: 'http://app.test/<(a>', methods: [GET]}"),
    ("nothing to repeat", "match: {url: 'http://app.test/<*>', methods: [GET]}"),
    ("a class that is not closed", "match: {url: 'http://app.test/<[a->/x', methods: [GET]}"),
    ("a lookbehind without an end", "match: {url: 'http://app.test/<(?<!a>', methods: [GET]}"),
    ("a reference to no group", "match: {url: 'http://app.test/<(a)\\9>', methods: [GET]}"),
    (
        "a pattern that is too large",
        "match: {url: 'http://app.test/<((a{1000}){1000}){1000}>', methods: [GET]}",
    ),
    ("an unknown key", "match: {url: 'http://app.test/', method: [GET]}"),
];

const STAGES: &[Row] = &[
    ("no authenticators", "authorizer: {handler: allow}\n  mutators: [{handler: noop}]"),
    (
        "an empty list of authenticators",
        "authenticators: []\n  authorizer: {handler: allow}\n  mutators: [{handler: noop}]",
    ),
    (
        "an unknown authenticator",
        "authenticators: [{handler: anonymus}]\n  authorizer: {handler: allow}\n  mutators: [{handler: noop}]",
    ),
    (
        "an authenticator that is switched off",
        "authenticators: [{handler: jwt}]\n  authorizer: {handler: allow}\n  mutators: [{handler: noop}]",
    ),
    (
        "an authenticator's unknown key",
        "authenticators: [{handler: anonymous, config: {subjct: x}}]\n  authorizer: {handler: allow}\n  mutators: [{handler: noop}]",
    ),
    (
        "an authenticator's value of the wrong type",
        "authenticators: [{handler: anonymous, config: {subject: 1}}]\n  authorizer: {handler: allow}\n  mutators: [{handler: noop}]",
    ),
    ("no authorizer", "authenticators: [{handler: noop}]\n  mutators: [{handler: noop}]"),
    (
        "an authorizer without a name",
        "authenticators: [{handler: noop}]\n  authorizer: {handler: ''}\n  mutators: [{handler: noop}]",
    ),
    (
        "an unknown authorizer",
        "authenticators: [{handler: noop}]\n  authorizer: {handler: allowed}\n  mutators: [{handler: noop}]",
    ),
    ("no mutators", "authenticators: [{handler: noop}]\n  authorizer: {handler: allow}"),
    (
        "an unknown mutator",
        "authenticators: [{handler: noop}]\n  authorizer: {handler: allow}\n  mutators: [{handler: noop}, {handler: hedaer}]",
    ),
    (
        "a header whose name is none",
        "authenticators: [{handler: noop}]\n  authorizer: {handler: allow}\n  mutators: [{handler: header, config: {headers: {'Bad Name': x}}}]",
    ),
    (
        "an unknown error handler",
        "authenticators: [{handler: noop}]\n  authorizer: {handler: allow}\n  mutators: [{handler: noop}]\n  errors: [{handler: html}]",
    ),
    (
        "an error handler that is switched off",
        "authenticators: [{handler: noop}]\n  authorizer: {handler: allow}\n  mutators: [{handler: noop}]\n  errors: [{handler: redirect, config: {to: /login}}]",
    ),
    (
        "an upstream that is no address",
        "authenticators: [{handler: noop}]\n  authorizer: {handler: allow}\n  mutators: [{handler: noop}]\n  upstream: {url: nope}",
    ),
    (
        "an unknown stage",
        "authenticator: [{handler: noop}]\n  authorizer: {handler: allow}\n  mutators: [{handler: noop}]",
    ),
];

const GOOD: &str =
    "  authenticators: [{handler: noop}]\n  authorizer: {handler: allow}\n  mutators: [{handler: noop}]\n";

fn loaded(config: &str, rules: &str) -> String {
    let dir = folder(&[("rules.yaml", rules.as_bytes())]);
    let config = config.replace("file://rules.yaml", &format!("file://{}/rules.yaml", dir.path().display()));
    std::fs::write(dir.path().join("config.yaml"), config).unwrap();
    load(dir.path(), &["config.yaml"], &[])
}

#[test]
fn documents_are_refused_as_a_whole() {
    let found = table(DOCUMENTS, |rules| loaded(CONFIG, rules));
    insta::assert_snapshot!(found);
}

#[test]
fn a_rule_whose_match_is_broken_is_told_where_it_is() {
    let found = table(MATCHES, |row| {
        let good = "- id: good\n  match: {url: 'http://good.test/', methods: [GET]}\n".to_owned() + GOOD;
        loaded(CONFIG, &format!("{good}- id: bad\n  {row}\n{GOOD}"))
    });
    insta::assert_snapshot!(found);
}

#[test]
fn a_rule_whose_stages_are_broken_is_told_where_it_is() {
    let found = table(STAGES, |row| {
        let rule = "match: {url: 'http://a.test/', methods: [GET]}";
        loaded(CONFIG, &format!("- id: bad\n  {rule}\n  {row}\n"))
    });
    insta::assert_snapshot!(found);
}

#[test]
fn globs_that_are_broken_are_told_where_they_are() {
    let rows: &[Row] = &[
        ("an opening bracket too many", "http://app.test/<*"),
        ("a class that is not closed", "http://app.test/<[a>"),
        ("a range and a list in one class", "http://app.test/<[a-]>"),
        ("an escape of nothing", "http://app.test/<a\\>"),
    ];
    let config = CONFIG.replace("access_rules: {", "access_rules: {matching_strategy: glob, ");
    let found = table(rows, |url| {
        loaded(&config, &format!("- id: bad\n  match: {{url: '{url}', methods: [GET]}}\n{GOOD}"))
    });
    insta::assert_snapshot!(found);
}

#[test]
fn ids_that_stand_twice_are_told() {
    let rule = "- id: same\n  match: {url: 'http://a.test/<n>', methods: [GET]}\n".to_owned() + GOOD;
    let rules = rule.replace("<n>", "1") + &rule.replace("<n>", "2");
    insta::assert_snapshot!(loaded(CONFIG, &rules));
}
