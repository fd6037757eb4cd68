//! Templates that cannot be rendered are found when rules are loaded.

use super::{Row, folder, load, table};
use crate::given::CONFIG;

const GO: &[Row] = &[
    ("a field that there is not", "{{ .IDToken }}"),
    ("a field in another case", "{{ .subject }}"),
    ("an unknown field of the match", "{{ .MatchContext.Path }}"),
    ("an unknown field of the url", "{{ .MatchContext.URL.Pth }}"),
    ("a field of a text", "{{ .Subject.Name }}"),
    ("an unknown function", "{{ nofunc .Subject }}"),
    ("an action that is not closed", "{{ .Subject"),
    ("a text that is not closed", "{{ \"x }}"),
    ("an `if` without an end", "{{ if .Subject }}x"),
    ("an end without a beginning", "x{{ end }}"),
    ("an else without an if", "{{ else }}"),
    ("an empty action", "a {{ }}"),
    ("a variable that was never set", "{{ $x }}"),
    ("a template that is not defined", "{{ template \"x\" }}"),
    ("too many arguments", "{{ print .Subject .Extra }}"),
    ("too few arguments", "{{ printIndex .MatchContext.RegexpCaptureGroups }}"),
    ("a pipe out of nothing", "{{ | print }}"),
    ("a second line", "first\n{{ .Nope }}"),
];

const TERA: &[Row] = &[
    ("a tag that is not closed", "{{ subject"),
    ("a name that there is not", "{{ subjekt }}"),
    ("an unknown filter", "{{ subject | shout }}"),
    ("an `if` without an end", "{% if subject %}x"),
    ("an unknown tag", "{% unless subject %}"),
];

fn rule(mutator: &str) -> String {
    format!(
        "- id: a\n  match: {{url: 'http://a.test/', methods: [GET]}}\n  authenticators: [{{handler: noop}}]\n  authorizer: {{handler: allow}}\n  mutators:\n  - {mutator}\n"
    )
}

fn in_a_header(config: &str, template: &str) -> String {
    let template = serde_json::Value::from(template);
    loaded(
        config,
        &rule(&format!("handler: header\n    config:\n      headers:\n        X-User: {template}")),
    )
}

fn loaded(config: &str, rules: &str) -> String {
    let dir = folder(&[("rules.yaml", rules.as_bytes())]);
    let config = config.replace("file://rules.yaml", &format!("file://{}/rules.yaml", dir.path().display()));
    std::fs::write(dir.path().join("config.yaml"), config).unwrap();
    load(dir.path(), &["config.yaml"], &[])
}

#[test]
fn go_templates_are_checked_when_they_are_loaded() {
    insta::assert_snapshot!(table(GO, |template| in_a_header(CONFIG, template)));
}

#[test]
fn tera_templates_are_checked_when_they_are_loaded() {
    let config = format!("{CONFIG}template_engine: tera\n");
    insta::assert_snapshot!(table(TERA, |template| in_a_header(&config, template)));
}

#[test]
fn templates_of_every_mutator_are_checked() {
    let config = CONFIG.replace(
        "mutators:\n",
        "mutators:\n  cookie: {enabled: true, config: {cookies: {}}}\n  id_token: {enabled: true, config: {issuer_url: 'http://i/', jwks_url: 'file:///k'}}\n",
    );
    let rows: &[Row] = &[
        ("a cookie", "handler: cookie\n    config: {cookies: {sid: '{{ .Nope }}'}}"),
        ("claims", "handler: id_token\n    config: {claims: '{\"a\": {{ .Nope }}}'}"),
    ];
    insta::assert_snapshot!(table(rows, |mutator| loaded(&config, &rule(mutator))));
}

#[test]
fn a_template_of_the_configuration_is_told_with_the_configuration() {
    let config = CONFIG.replace("config: {headers: {}}", "config: {headers: {X-Global: '{{ .Nope }}'}}");
    insta::assert_snapshot!(loaded(&config, &rule("handler: header")));
}
