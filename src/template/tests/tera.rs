//! Tera templates: the same data, and what is said of what is wrong.

use super::super::{Engine, Purpose, Template};
use super::{FAILS, Scene, Want, compile};

const ROWS: &[(&str, Want)] = &[
    ("just text", Some("just text")),
    ("{{ Subject }}", Some("alice")),
    ("{{ subject }}", Some("alice")),
    ("{{ Subject | upper }}", Some("ALICE")),
    ("{{ Extra.role }}", Some("admin")),
    ("{{ extra.role }}", Some("admin")),
    ("{{ Extra.big }}", Some("1234567")),
    ("{{ Extra.f }}", Some("1.5")),
    ("{{ Extra.list | join(sep=\",\") }}", Some("a,b,c")),
    ("{{ Extra.list.1 }}", Some("b")),
    ("{{ Extra.list[1] }}", Some("b")),
    ("{{ Extra[\"dot.key\"] }}", Some("dotted")),
    ("{{ Extra.deep.a.b.0.c }}", Some("found")),
    ("{{ Extra.map | json_encode }}", Some(r#"{"k":"v","z":1}"#)),
    // Nothing is escaped: this is no HTML.
    ("{{ Extra.html }}", Some("<b>&'\"</b>")),
    ("{{ MatchContext.Method }}", Some("GET")),
    ("{{ match_context.method }}", Some("GET")),
    ("{{ MatchContext.URL.Path }}", Some("/abc/d e")),
    ("{{ MatchContext.URL.EscapedPath }}", Some("/abc/d%20e")),
    ("{{ MatchContext.URL.Host }}|{{ MatchContext.URL.Scheme }}", Some("app.test|http")),
    ("{{ MatchContext.URL.String }}", Some("http://app.test/abc/d%20e?a=1&b=2")),
    ("{{ MatchContext.URL.Query.a.0 }}", Some("1")),
    ("{{ match_context.url.query.b[0] }}", Some("2")),
    ("{{ MatchContext.Header[\"X-Client\"].0 }}", Some("c1")),
    ("{{ MatchContext.Header[\"X-Multi\"] | join(sep=\"+\") }}", Some("m1+m2")),
    ("{{ MatchContext.RegexpCaptureGroups.0 }}", Some("abc")),
    ("{{ match_context.regexp_capture_groups[1] }}", Some("d e")),
    ("{% if Extra.role == \"admin\" %}y{% else %}n{% endif %}", Some("y")),
    ("{% for x in Extra.list %}{{ loop.index }}{{ x }}{% endfor %}", Some("1a2b3c")),
    ("{% for k, v in Extra.map %}{{ k }}={{ v }};{% endfor %}", Some("k=v;z=1;")),
    ("{% set who = Subject ~ \"!\" %}{{ who }}", Some("alice!")),
    ("{% for n in range(end=3) %}{{ n }}{% endfor %}", Some("012")),
    ("{% macro hi(name) %}<{{ name }}>{% endmacro %}{{ self::hi(name=Subject) }}", Some("<alice>")),
    ("{{ Extra.nope | default(value=\"none\") }}", Some("none")),
    ("{{ MatchContext.Header[\"X-None\"].0 | default(value=\"none\") }}", Some("none")),
    ("{% if Extra.nope is defined %}y{% else %}n{% endif %}", Some("n")),
    ("{% if Extra.nope is not defined %}y{% endif %}", Some("y")),
    ("{% if not Extra.no and Extra.t %}y{% endif %}", Some("y")),
    ("{% raw %}{{ nothing }}{% endraw %}", Some("{{ nothing }}")),
    ("{# note #}x", Some("x")),
    ("{{ Extra.nope }}", FAILS),
    ("{{ Extra.role.x }}", FAILS),
    ("{{ throw(message=\"no\") }}", FAILS),
    ("{% for n in range(end=100000000) %}x{% endfor %}", FAILS),
    ("{% for n in range(end=5, step_by=0) %}x{% endfor %}", FAILS),
    ("{% for a in range(end=9000) %}{% for b in range(end=9000) %}x{% endfor %}{% endfor %}", FAILS),
];

#[test]
fn the_session_is_there_under_its_names() {
    for (source, want) in ROWS {
        let got = Scene::new().tera(source);
        assert_eq!(got.as_deref().ok(), *want, "{source}: {got:?}");
    }
}

#[test]
fn keys_that_are_numbers_are_found() {
    let scene = Scene::extra(r#"{"0": {"a": "zero"}, "a": "other"}"#);
    assert_eq!(scene.tera("{{ Extra.0.a }}").as_deref(), Ok("zero"));
}

#[test]
fn nobody_has_no_extra() {
    for (source, want) in [
        ("{{ Subject }}", Some("guest")),
        ("{{ Extra.email | default(value=\"\") }}", Some("")),
        ("{% if Extra %}y{% else %}n{% endif %}", Some("n")),
        ("{{ Header | length }}", Some("0")),
        ("{{ Extra.email }}", FAILS),
    ] {
        let got = Scene::nobody().tera(source);
        assert_eq!(got.as_deref().ok(), want, "{source}: {got:?}");
    }
    assert_eq!(Scene::new().set("x-a", "one").tera("{{ Header[\"X-A\"].0 }}").as_deref(), Ok("one"));
}

/// A template, the code, the text that is pointed at and the message.
const ERRORS: &[(&str, &str, &str, &str)] = &[
    (
        "{{ Subject",
        "template-syntax",
        "",
        "expected `or`, `and`, `not`, `<=`, `>=`, `<`, `>`, `==`, `!=`, `+`, `-`, `*`, `/`, `%`, a filter, or a variable end (`}}`)",
    ),
    ("a\n{% if Subject %}x", "template-syntax", "", "expected tag"),
    ("{{ IDToken }}", "unknown-field", "IDToken", "the session has no field `IDToken`"),
    ("{{ Subjct }}", "unknown-field", "Subjct", "the session has no field `Subjct`"),
    ("{% if role == \"x\" %}{% endif %}", "unknown-field", "role", "the session has no field `role`"),
    ("{{ Subject | uper }}", "unknown-function", "uper", "no filter is called `uper`"),
    ("{% filter uper %}x{% endfilter %}", "unknown-function", "uper", "no filter is called `uper`"),
    ("{{ now() }}", "unknown-function", "now", "no function is called `now`"),
    ("{% if Subject is nice %}{% endif %}", "unknown-function", "nice", "no test is called `nice`"),
    (
        "{{ get_env(name=\"HOME\") }}",
        "function-not-offered",
        "get_env",
        "`get_env` is not offered to templates: it reads the environment of this server",
    ),
    (
        "{% include \"a\" %}",
        "unknown-template",
        "include",
        "`include` has nothing to take: there are no other templates",
    ),
    (
        "{% macro f() %}{{ self::f() }}{% endmacro %}{{ self::f() }}",
        "template-syntax",
        "self",
        "a macro cannot call a macro here",
    ),
];

#[test]
fn each_fault_is_named_where_it_stands() {
    for (source, code, at, message) in ERRORS {
        let Err(findings) = Template::compile(Engine::Tera, Purpose::Header, source) else {
            panic!("{source} is let through");
        };
        let finding = &findings[0];
        assert_eq!(finding.code, *code, "{source}: {finding:?}");
        if finding.code == "template-syntax" && at.is_empty() {
            assert!(finding.message.starts_with("expected"), "{source}: {}", finding.message);
            assert!(finding.span.is_some(), "{source}");
            continue;
        }
        assert_eq!(finding.message, *message, "{source}");
        let pointed_at = finding.span.and_then(|(start, end)| source.get(start..end));
        assert_eq!(pointed_at, Some(*at), "{source}");
    }
}

#[test]
fn deep_texts_are_refused() {
    for source in [
        format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000)),
        format!("{{% set x = {}1{} %}}", "[".repeat(5000), "]".repeat(5000)),
        format!("{}x{}", "{% if Subject %}".repeat(5000), "{% endif %}".repeat(5000)),
        "x".repeat(70 << 10),
    ] {
        assert!(Template::compile(Engine::Tera, Purpose::Header, &source).is_err(), "{}", &source[..30]);
    }
}

#[test]
fn failures_never_show_a_value() {
    for (source, want) in [
        (
            "{{ Extra.nope }}",
            "tera template: `Extra.nope` is not there, or not of a kind that can stand here",
        ),
        ("{{ Extra.role | round }}", "tera template: filter `round` fails"),
        ("{{ throw(message=Extra.role) }}", "tera template: function `throw` fails"),
    ] {
        assert_eq!(Scene::new().tera(source), Err(want.to_owned()), "{source}");
    }
}

#[test]
fn the_need_for_captures_is_known() {
    for (source, want) in [
        ("text", false),
        ("{{ Subject }}{{ Extra.a }}", false),
        ("{{ MatchContext.RegexpCaptureGroups.0 }}", true),
        ("{{ match_context.method }}{{ MatchContext.URL.Path }}", false),
        ("{{ match_context.regexp_capture_groups | length }}", true),
        ("{{ MatchContext[\"RegexpCaptureGroups\"] | length }}", true),
        ("{% set m = MatchContext %}{{ m.RegexpCaptureGroups | length }}", true),
        ("{{ MatchContext | json_encode }}", true),
        ("{{ __tera_context }}", true),
    ] {
        let template = compile(Engine::Tera, source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(template.uses_captures(), want, "{source}");
    }
}
