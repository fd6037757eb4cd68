//! What is not there, and numbers: what the options change.

use super::super::{Missing, Numbers, Options, Purpose};
use super::{FAILS, Scene, Want};

/// A template for a header, for claims, with `missing: empty` and with `missing: error`.
type Row = (&'static str, Want, Want, Want, Want);

const ROWS: &[Row] = &[
    ("{{ .Extra.role }}", Some("admin"), Some("admin"), Some("admin"), Some("admin")),
    ("{{ .Extra.nope }}", Some("<no value>"), Some("<no value>"), Some(""), FAILS),
    ("{{ .Extra.nil }}", Some("<no value>"), Some("<no value>"), Some(""), FAILS),
    ("{{ print .Extra.nope }}", Some(""), Some(""), Some(""), Some("")),
    ("{{ .Extra.nope.x }}", Some(""), FAILS, Some(""), FAILS),
    ("{{ .Extra.nope.x.y.z }}", Some(""), FAILS, Some(""), FAILS),
    ("{{ print .Extra.nope.x }}", Some(""), FAILS, Some(""), FAILS),
    ("{{ printf \"<%s>\" .Extra.nope.x }}", Some("<>"), FAILS, Some("<>"), FAILS),
    ("{{ upper .Extra.nope.x }}", Some(""), FAILS, Some(""), FAILS),
    ("{{ .Extra.nope.x | default \"d\" }}", Some("d"), FAILS, Some("d"), FAILS),
    ("{{ if .Extra.nope.x }}y{{ else }}n{{ end }}", Some("n"), FAILS, Some("n"), FAILS),
    ("{{ range .Extra.nope.x }}y{{ else }}n{{ end }}", Some("n"), FAILS, Some("n"), FAILS),
    ("{{ eq .Extra.nope.x \"a\" }}", Some("false"), FAILS, Some("false"), FAILS),
    ("{{ index .Extra.nope.x \"a\" }}", Some(""), FAILS, Some(""), FAILS),
    ("{{ toJson .Extra.nope.x }}", Some("null"), FAILS, Some("null"), FAILS),
    ("{{ $x := .Extra.nope }}{{ $x.y }}", Some(""), Some("<no value>"), Some(""), FAILS),
    ("{{ (.Extra.nope).x.y }}", Some(""), Some("<no value>"), Some(""), FAILS),
    // A text, a number and a list have no fields, whatever the template is for.
    ("{{ .Extra.role.x }}", FAILS, FAILS, FAILS, FAILS),
    ("{{ .Extra.n.x }}", FAILS, FAILS, FAILS, FAILS),
    ("{{ .Extra.list.x }}", FAILS, FAILS, FAILS, FAILS),
    // A missing key is no text.
    ("{{ upper .Extra.nope }}", FAILS, FAILS, FAILS, FAILS),
];

#[test]
fn what_is_missing_becomes_what_the_options_say() {
    let claims = Options::new(Purpose::Claims);
    let options = [
        Options::new(Purpose::Header),
        claims,
        Options { missing: Missing::Empty, ..claims },
        Options { missing: Missing::Error, ..Options::new(Purpose::Header) },
    ];
    for (source, header, claims, empty, error) in ROWS {
        for (options, want) in options.into_iter().zip([header, claims, empty, error]) {
            let got = Scene::new().go_with(options, source);
            assert_eq!(got.as_deref().ok(), *want, "{source} with {options:?}: {got:?}");
        }
    }
}

#[test]
fn the_purpose_decides_where_nothing_else_does() {
    for (purpose, want) in [
        (Purpose::Header, Some("")),
        (Purpose::Cookie, Some("")),
        (Purpose::Claims, FAILS),
        (Purpose::Payload, FAILS),
    ] {
        let got = Scene::nobody().go_with(Options::new(purpose), "{{ .Extra.identity.traits.email }}");
        assert_eq!(got.as_deref().ok(), want, "{purpose:?}: {got:?}");
    }
}

#[test]
fn a_session_without_extra_reads_as_an_empty_dict() {
    for (source, want) in [
        ("{{ .Extra }}", Some("map[]")),
        ("{{ len .Extra }}{{ keys .Extra }}{{ values .Extra }}", Some("0[][]")),
        ("{{ pick .Extra \"a\" | toJson }}{{ omit .Extra \"a\" | toJson }}", Some("{}{}")),
        ("{{ dig \"a\" \"d\" .Extra }}{{ hasKey .Extra \"a\" }}", Some("dfalse")),
        ("{{ merge .Extra (dict \"a\" 1) | toJson }}", Some("{\"a\":1}")),
        ("{{ merge (dict) .Extra | toJson }}", Some("{}")),
        ("{{ unset .Extra \"a\" | toJson }}", Some("null")),
        ("{{ range $k, $v := .Extra }}x{{ else }}none{{ end }}", Some("none")),
        ("{{ set .Extra \"a\" 1 }}", FAILS),
    ] {
        let got = Scene::nobody().go(source);
        assert_eq!(got.as_deref().ok(), want, "{source}: {got:?}");
    }
}

/// A template with what it gives for exact numbers and for Go's.
const NUMBERS: &[(&str, &str, &str)] = &[
    ("{{ .Extra.id }}", "12345678901234567890", "1.2345678901234567e+19"),
    ("{{ .Extra.big }}", "1234567", "1.234567e+06"),
    ("{{ .Extra.neg }}", "-9007199254740993", "-9.007199254740992e+15"),
    ("{{ .Extra.small }}", "3", "3"),
    ("{{ .Extra.f }}", "1.2345675e+06", "1.2345675e+06"),
    ("{{ print .Extra.big }}", "1234567", "1.234567e+06"),
    ("{{ printf \"%v\" .Extra.big }}", "1234567", "1.234567e+06"),
    ("{{ printf \"%d\" .Extra.big }}", "%!d(float64=1234567)", "%!d(float64=1.234567e+06)"),
    ("{{ printf \"%.0f\" .Extra.big }}", "1234567", "1234567"),
    ("{{ .Extra.big | toString }}", "1234567", "1.234567e+06"),
    ("{{ toJson .Extra.id }}", "12345678901234567890", "12345678901234567000"),
    ("{{ toJson .Extra.big }}", "1234567", "1234567"),
    ("{{ .Extra.list }}", "[1000000 [2000000]]", "[1e+06 [2e+06]]"),
    ("{{ range .Extra.list }}{{ . }};{{ end }}", "1000000;[2000000];", "1e+06;[2e+06];"),
    ("{{ int64 .Extra.neg }}", "-9007199254740993", "-9007199254740992"),
    ("{{ add .Extra.big 1 }}", "1234568", "1234568"),
    ("{{ eq .Extra.big 1234567.0 }}", "true", "true"),
    ("{{ eq .Extra.neg -9007199254740992.0 }}", "true", "true"),
    ("{{ lt .Extra.small .Extra.big }}", "true", "true"),
    ("{{ typeOf .Extra.big }}", "float64", "float64"),
    ("{{ (fromJson \"{\\\"n\\\":1234567}\").n }}", "1234567", "1.234567e+06"),
    ("{{ has 3.0 (list .Extra.small) }}", "true", "true"),
];

#[test]
fn integers_stay_integers_unless_go_s_floats_are_wanted() {
    let scene = Scene::extra(
        r#"{"id": 12345678901234567890, "big": 1234567, "neg": -9007199254740993, "small": 3,
            "f": 1234567.5, "list": [1000000, [2000000]]}"#,
    );
    for (source, exact, float) in NUMBERS {
        for (numbers, want) in [(Numbers::Exact, exact), (Numbers::Float64, float)] {
            let options = Options { numbers, ..Options::new(Purpose::Header) };
            assert_eq!(scene.go_with(options, source).as_deref(), Ok(*want), "{source} {numbers:?}");
        }
    }
}

#[test]
fn a_header_that_was_set_before_is_seen() {
    let scene = Scene::new().set("x-a", "one").set("authorization", "Bearer t");
    for (source, want) in [
        ("{{ .Header.Get \"X-A\" }}2", "one2"),
        ("{{ .Header.Get \"x-a\" }}", "one"),
        ("{{ .Header.Get \"X-B\" }}", ""),
        ("{{ len (.Header.Get \"Authorization\") }}", "8"),
        ("{{ index .Header \"X-A\" }}", "[one]"),
        ("{{ index .Header \"x-a\" }}", "[]"),
        ("{{ .Header }}", "map[Authorization:[Bearer t] X-A:[one]]"),
        ("{{ .Header.Authorization }}", "[Bearer t]"),
        ("{{ toJson .Header }}", r#"{"Authorization":["Bearer t"],"X-A":["one"]}"#),
        ("{{ if .Header }}y{{ end }}", "y"),
    ] {
        assert_eq!(scene.go(source).as_deref(), Ok(want), "{source}");
    }
}

#[test]
fn header_bytes_that_are_no_text_do_not_fail() {
    let mut scene = Scene::new();
    scene.fields.push("X-Bin", vec![b'a', 0xFF, b'b']);
    for (source, want) in [
        ("{{ .MatchContext.Header.Get \"X-Bin\" }}", "a\u{fffd}b"),
        ("{{ index .MatchContext.Header \"X-Bin\" 0 }}", "a\u{fffd}b"),
    ] {
        assert_eq!(scene.go(source).as_deref(), Ok(want), "{source}");
    }
}

#[test]
fn a_capture_in_the_trailing_slash_is_found() {
    use crate::matcher::Captures;
    use smallvec::smallvec;

    let mut scene = Scene::new();
    scene.path = "/abc/";
    // Of `http://app.test/<.*>`, which only matched with the slash.
    scene.captures = Captures(smallvec![Some(16..20), None]);
    for (source, want) in [
        ("{{ printIndex .MatchContext.RegexpCaptureGroups 0 }}", "abc/"),
        ("{{ printIndex .MatchContext.RegexpCaptureGroups 1 }}", ""),
        ("{{ .MatchContext.RegexpCaptureGroups }}", "[abc/ ]"),
        ("{{ .MatchContext.URL.Path }}", "/abc"),
    ] {
        assert_eq!(scene.go(source).as_deref(), Ok(want), "{source}");
    }
}
