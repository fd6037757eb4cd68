//! Bounds: no template takes the memory, the stack or the time of the server.

use super::super::{Engine, Purpose, Template};
use super::{Scene, compile};

/// Templates that would run wild, with what stops them.
const WILD: &[(&str, &str)] = &[
    ("{{ repeat 2000000 \"x\" }}", "the text grows too long"),
    ("{{ repeat 9223372036854775807 \"xx\" }}", "the text grows too long"),
    ("{{ indent 9223372036854775807 \"a\\nb\" }}", "the text grows too long"),
    ("{{ $x := repeat 1000 \"a\" }}{{ replace \"\" (repeat 2000 \"b\") $x }}", "the text grows too long"),
    (
        "{{ $x := repeat 5000 \"a\" }}{{ regexReplaceAll \"a\" $x (repeat 900 \"b\") }}",
        "the text grows too long",
    ),
    ("{{ $x := repeat 5000 \"a b\" }}{{ wrapWith 1 (repeat 900 \"c\") $x }}", "the text grows too long"),
    ("{{ range until 2000 }}{{ repeat 1000 \"a\" }}{{ end }}", "the text grows too long"),
    ("{{ printf \"%1000000d%1000000d\" 1 2 }}", "the text grows too long"),
    ("{{ until 9223372036854775807 }}", "the list grows too long"),
    ("{{ untilStep 0 9223372036854775807 1 }}", "the list grows too long"),
    ("{{ seq 0 1000000000 }}", "the list grows too long"),
    ("{{ randAlpha 9223372036854775807 }}", "the text grows too long"),
    ("{{ range 9223372036854775807 }}{{ end }}", "the template does not come to an end"),
    (
        "{{ range until 1000 }}{{ range until 1000 }}{{ end }}{{ end }}",
        "the template does not come to an end",
    ),
    (
        "{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}",
        "too much stands within each other",
    ),
    (
        "{{ $l := list }}{{ range until 1000 }}{{ $l = list $l }}{{ end }}{{ $l }}",
        "lists stand too deep within each other",
    ),
    (
        "{{ $d := dict }}{{ range until 1000 }}{{ $d = dict \"a\" $d }}{{ end }}{{ $d }}",
        "lists or dicts stand too deep within each other",
    ),
    (
        "{{ $d := dict }}{{ $_ := set $d \"self\" $d }}{{ $d }}",
        "lists or dicts stand too deep within each other",
    ),
    (
        "{{ $d := dict }}{{ $_ := set $d \"self\" $d }}{{ toJson $d }}",
        "lists or dicts stand too deep within each other",
    ),
    ("{{ $d := dict }}{{ $_ := set $d \"self\" $d }}{{ deepCopy $d }}", "this is too deep to copy"),
    (
        "{{ $d := dict }}{{ $_ := set $d \"self\" $d }}{{ $e := dict }}{{ $_ := set $e \"self\" $e }}{{ deepEqual $d $e }}",
        "these values are too deep to compare",
    ),
    (
        "{{ $l := list 1 }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}{{ deepEqual $l (deepCopy $l) }}",
        "too many values are walked over in one rendering",
    ),
    (
        "{{ $l := list \"ab\" }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}{{ $l }}",
        "the text grows too long",
    ),
    (
        "{{ $l := list }}{{ range until 100 }}{{ $l = append $l (repeat 900000 \"x\") }}{{ end }}",
        "too much text is made in one rendering",
    ),
    (
        "{{ range $i, $e := until 100 }}{{ regexMatch (printf \"a{%d}\" $i) \"b\" }}{{ end }}",
        "too many different patterns are made in one rendering",
    ),
    ("{{ regexMatch (repeat 5000 \"a\") \"b\" }}", "this pattern does not compile"),
    ("{{ regexMatch (print \"((a{100}){100}){100}\") \"b\" }}", "this pattern does not compile"),
];

#[test]
fn wild_templates_are_stopped() {
    for (source, want) in WILD {
        match Scene::new().go(source) {
            Ok(text) => panic!("{source} gives {} bytes", text.len()),
            Err(error) => assert!(error.ends_with(want), "{source}: {error}"),
        }
    }
}

#[test]
fn dicts_in_circles_are_let_go() {
    let source = "{{ $a := dict }}{{ $b := dict \"a\" $a }}{{ $_ := set $a \"b\" $b }}{{ len $a }}";
    assert_eq!(Scene::new().go(source).as_deref(), Ok("1"));
}

#[test]
fn deep_and_long_texts_are_refused() {
    let deep = |open: &str, inside: &str, close: &str| {
        format!("{}{inside}{}", open.repeat(5000), close.repeat(5000))
    };
    let broken = [
        deep("{{ if 1 }}", "x", "{{ end }}"),
        deep("{{ if 1 }}{{ else }}", "x", "{{ end }}"),
        format!("{{{{ {} }}}}", deep("(", "1", ")")),
        format!("{{{{ 1{} }}}}", " | print".repeat(5000)),
        format!("{{{{ if 1 }}}}{}{{{{ end }}}}", "{{ else if 1 }}".repeat(5000)),
        "x".repeat(300 << 10),
    ];
    for source in &broken {
        let findings = Template::compile(Engine::Go, Purpose::Header, source).err();
        assert!(findings.is_some(), "{} is let through", &source[..40]);
    }
    let fields = format!("{{{{ .Extra{} }}}}", ".a".repeat(20_000));
    assert_eq!(Scene::new().go(&fields).as_deref(), Ok(""));
}

#[test]
fn deep_documents_are_rendered() {
    let depth = 100;
    let json = format!("{{\"a\":{}1{}}}", "[".repeat(depth - 2), "]".repeat(depth - 2));
    let scene = Scene::extra(&json);
    assert!(scene.go("{{ .Extra.a }}").is_ok_and(|text| text.len() == 2 * (depth - 2) + 1));
    assert!(scene.go("{{ toJson .Extra }}").is_ok_and(|text| text == json));
}

/// A template with whether capture groups have to be worked out for it.
const CAPTURES: &[(&str, bool)] = &[
    ("text", false),
    ("{{ .Subject }}", false),
    ("{{ .Extra.x }}{{ .Header.Get \"a\" }}", false),
    ("{{ .MatchContext.Method }}{{ .MatchContext.URL.Path }}{{ .MatchContext.Header.Get \"a\" }}", false),
    ("{{ with .Extra }}{{ .role }}{{ end }}", false),
    ("{{ with .MatchContext.URL }}{{ .Path }}{{ end }}", false),
    ("{{ $u := .MatchContext.URL }}{{ $u.Path }}", false),
    ("{{ .Copy.Subject }}", false),
    ("{{ .MatchContext.RegexpCaptureGroups }}", true),
    ("{{ printIndex .MatchContext.RegexpCaptureGroups 0 }}", true),
    ("{{ index .MatchContext.RegexpCaptureGroups 0 }}", true),
    ("{{ $.MatchContext.RegexpCaptureGroups | toJson }}", true),
    ("{{ .Copy.MatchContext.RegexpCaptureGroups }}", true),
    ("{{ with .MatchContext }}{{ .Method }}{{ end }}", true),
    ("{{ $m := .MatchContext }}{{ $m.RegexpCaptureGroups }}", true),
    ("{{ $s := . }}{{ $s.Subject }}", true),
    ("{{ . }}", true),
    ("{{ toJson $ }}", true),
    ("{{ template \"a\" . }}{{ define \"a\" }}{{ .Subject }}{{ end }}", true),
    ("{{ template \"a\" .Subject }}{{ define \"a\" }}{{ . }}{{ end }}", false),
    ("{{ if false }}{{ .MatchContext }}{{ end }}", true),
];

#[test]
fn the_need_for_captures_is_known() {
    for (source, want) in CAPTURES {
        let template = compile(Engine::Go, source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(template.uses_captures(), *want, "{source}");
    }
}

#[test]
fn texts_without_actions_are_literals() {
    for (source, want) in [
        ("", Some("")),
        ("just text", Some("just text")),
        ("a{{/* note */}}b", Some("ab")),
        ("a {{- /* note */ -}} b", Some("ab")),
        ("{{ \"{{\" }}x{{ \"}}\" }}", Some("{{x}}")),
        ("{{ define \"a\" }}{{ . }}{{ end }}text", Some("text")),
        ("{{ .Subject }}", None),
        ("{{ 1 }}", None),
    ] {
        let template = compile(Engine::Go, source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(template.literal(), want, "{source}");
        if let Some(text) = want {
            assert_eq!(Scene::new().render(&template).as_deref(), Ok(text), "{source}");
        }
    }
}

#[test]
fn templates_are_shared_by_all_workers() {
    fn shared<T: Send + Sync>() {}
    shared::<Template>();
}
