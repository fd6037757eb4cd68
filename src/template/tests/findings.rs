//! What is said of templates that cannot work, or may not do what was meant.

use super::super::{Engine, Purpose, Template};
use super::Scene;
use crate::diagnostic::{Finding, Severity};

/// A template, the code, the text that is pointed at, the message and the way out.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

const ERRORS: &[Row] = &[
    // The text itself.
    ("{{ .Subject", "template-syntax", "{{", "this action is not closed with `}}`", ""),
    ("a {{ \"x }}", "template-syntax", "\"", "this `\"` is not closed on its line", ""),
    ("{{ `x }}", "template-syntax", "`", "this backquote is not closed", ""),
    ("{{/* x }}", "template-syntax", "{{", "this comment is not closed with `*/}}`", ""),
    (
        "{{ /* x */ }}",
        "template-syntax",
        "/*",
        "a comment has to follow `{{` at once, as in `{{/* … */}}`",
        "",
    ),
    ("{{ if .Subject }}x", "template-syntax", "if", "this `if` is not closed with `{{ end }}`", ""),
    ("{{ range .Extra }}x", "template-syntax", "range", "this `range` is not closed with `{{ end }}`", ""),
    (
        "x{{ end }}y",
        "template-syntax",
        "end",
        "unexpected `end`: nothing is open that it could belong to",
        "",
    ),
    (
        "{{ else }}",
        "template-syntax",
        "else",
        "unexpected `else`: nothing is open that it could belong to",
        "",
    ),
    (
        "{{ if 1 }}{{ else }}{{ else }}{{ end }}",
        "template-syntax",
        "else",
        "a second `else` for the same `if`",
        "",
    ),
    ("{{ break }}", "template-syntax", "break", "`break` stands outside of any `range`", ""),
    ("{{ }}", "template-syntax", "}}", "an action has no value", ""),
    ("{{ if }}x{{ end }}", "template-syntax", "}}", "if has no value", ""),
    ("{{ nil }}", "template-syntax", "nil", "`nil` alone does nothing", ""),
    ("{{ .Subject | 5 }}", "template-syntax", "5", "a function has to follow `|`, not a value", ""),
    ("{{ (print 1 }}", "template-syntax", "}}", "unexpected `}}` in a parenthesis", ""),
    ("{{ print \"a\"\"b\" }}", "template-syntax", "\"b\"", "unexpected a text in an operand", ""),
    ("{{ 1x }}", "template-syntax", "1x", "`1x` is not a number", ""),
    (
        "{{ 'ab' }}",
        "template-syntax",
        "'ab'",
        "`'ab'` is not one character",
        "text stands in double quotes, as in `\"text\"`",
    ),
    ("{{ \"\\q\" }}", "template-syntax", "\"\\q\"", "`\\q` is no escape", ""),
    ("{{ \"\\xff\" }}", "template-syntax", "\"\\xff\"", "this text is not UTF-8", ""),
    ("{{ @ }}", "template-syntax", "@", "unexpected `@` in an action", ""),
    (
        "{{ .Extra.dash-key }}",
        "template-syntax",
        "-",
        "unexpected `-` in a name",
        "reach keys with such characters by `index`, as in `index .Extra \"my-key\"`",
    ),
    (
        "{{ define x }}{{ end }}",
        "template-syntax",
        "x",
        "unexpected `x` in define",
        "a name in quotes is due, as in `define \"name\"`",
    ),
    (
        "{{ define \"a\" }}{{ end }}{{ define \"a\" }}{{ end }}",
        "template-syntax",
        "\"a\"",
        "`a` is defined twice",
        "",
    ),
    ("{{ $x, $y := 1 }}", "template-syntax", ",", "an action takes only one variable", ""),
    // Names.
    (
        "{{ print .IDToken }}",
        "unknown-field",
        ".IDToken",
        "the session has no field `IDToken`",
        "there are `Subject`, `Extra`, `Header`, `MatchContext` and `Copy`",
    ),
    (
        "{{ .subject }}",
        "unknown-field",
        ".subject",
        "the session has no field `subject`",
        "did you mean `Subject`?",
    ),
    (
        "{{ $.Headers }}",
        "unknown-field",
        ".Headers",
        "the session has no field `Headers`",
        "did you mean `Header`?",
    ),
    (
        "{{ with .Extra }}{{ $.Nope }}{{ end }}",
        "unknown-field",
        ".Nope",
        "the session has no field `Nope`",
        "there are `Subject`, `Extra`, `Header`, `MatchContext` and `Copy`",
    ),
    (
        "{{ .MatchContext.Url.Path }}",
        "unknown-field",
        ".Url",
        "the match context has no field `Url`",
        "did you mean `URL`?",
    ),
    (
        "{{ .MatchContext.URL.HostName }}",
        "unknown-field",
        ".HostName",
        "a URL has no field `HostName`",
        "did you mean `Hostname`?",
    ),
    (
        "{{ with .MatchContext.URL }}{{ .Pth }}{{ end }}",
        "unknown-field",
        ".Pth",
        "a URL has no field `Pth`",
        "did you mean `Path`?",
    ),
    ("{{ .Subject.ID }}", "unknown-field", ".ID", "a text has no field `ID`", ""),
    ("{{ .MatchContext.RegexpCaptureGroups.x }}", "unknown-field", ".x", "a list has no field `x`", ""),
    (
        "{{ uper .Subject }}",
        "unknown-function",
        "uper",
        "no function is called `uper`",
        "did you mean `upper`?",
    ),
    (
        "{{ nosuchfunction 1 }}",
        "unknown-function",
        "nosuchfunction",
        "no function is called `nosuchfunction`",
        "",
    ),
    ("{{ $x }}", "unknown-variable", "$x", "no variable is called `$x` here", ""),
    (
        "{{ $role := 1 }}{{ $rol }}",
        "unknown-variable",
        "$rol",
        "no variable is called `$rol` here",
        "did you mean `$role`?",
    ),
    ("{{ $x = 1 }}", "unknown-variable", "$x", "no variable is called `$x` here", ""),
    ("{{ template \"a\" }}", "unknown-template", "\"a\"", "no template is called `a`", ""),
    (
        "{{ env \"HOME\" }}",
        "function-not-offered",
        "env",
        "`env` is not offered to templates: it reads the environment of this server",
        "",
    ),
    (
        "{{ getHostByName \"a\" }}",
        "function-not-offered",
        "getHostByName",
        "`getHostByName` is not offered to templates: it asks the network",
        "",
    ),
    (
        "{{ genPrivateKey \"rsa\" }}",
        "function-not-offered",
        "genPrivateKey",
        "`genPrivateKey` is not offered to templates: it makes or uses keys, which takes long and is no work for a request",
        "",
    ),
    // Arguments.
    ("{{ upper }}", "wrong-argument-count", "upper", "`upper` takes 1 argument, not 0", ""),
    ("{{ print 1 2 }}", "wrong-argument-count", "print", "`print` takes 1 argument, not 2", ""),
    ("{{ eq 1 }}", "wrong-argument-count", "eq", "`eq` takes at least 2 arguments, not 1", ""),
    ("{{ 1 | hello }}", "wrong-argument-count", "hello", "`hello` takes no arguments, not 1", ""),
    ("{{ .MatchContext.Header.Get }}", "wrong-argument-count", ".Get", "`Get` takes 1 argument, not 0", ""),
    (
        "{{ upper 5 }}",
        "wrong-argument",
        "5",
        "`upper` takes a text here, not an int",
        "make it one with `| toString`",
    ),
    (
        "{{ .MatchContext.URL | upper }}",
        "wrong-argument",
        ".MatchContext.URL",
        "`upper` takes a text here, not a URL",
        "make it one with `| toString`",
    ),
    (
        "{{ printIndex .Extra.list (sub 1 1) }}",
        "wrong-argument",
        "(sub 1 1)",
        "`printIndex` takes an int here, not an int64",
        "make it one with `| int`",
    ),
    ("{{ printIndex .Extra.list -1 }}", "wrong-argument", "-1", "positions are counted from 0 on", ""),
    (
        "{{ until 1.5 }}",
        "wrong-argument",
        "1.5",
        "`until` takes an int here, not a float64",
        "make it one with `| int`",
    ),
    ("{{ upper nil }}", "wrong-argument", "nil", "`upper` takes a text here, not `nil`", ""),
    (
        "{{ hasKey .Header \"a\" }}",
        "wrong-argument",
        ".Header",
        "`hasKey` takes a map here, not a header map",
        "",
    ),
    (
        "{{ ternary 1 2 \"x\" }}",
        "wrong-argument",
        "\"x\"",
        "`ternary` takes true or false here, not a text",
        "",
    ),
    ("{{ range \"abc\" }}{{ end }}", "wrong-argument", "\"abc\"", "`range` cannot walk over a text", ""),
    ("{{ .Subject \"x\" }}", "not-callable", ".Subject", "`Subject` is no method and takes no arguments", ""),
    ("{{ .Extra.a \"x\" }}", "not-callable", ".a", "`a` is no method and takes no arguments", ""),
    ("{{ 1 2 }}", "not-callable", "1", "`1` is no function and takes no arguments", ""),
    (
        "{{ .Header.Set \"a\" \"b\" }}",
        "not-callable",
        ".Set",
        "`Set` changes what it belongs to, which a template cannot do",
        "",
    ),
    (
        "{{ .SetHeader \"a\" \"b\" }}",
        "not-callable",
        ".SetHeader",
        "`SetHeader` changes what it belongs to, which a template cannot do",
        "",
    ),
    (
        "{{ regexMatch \"(\" .Subject }}",
        "invalid-pattern",
        "\"(\"",
        "this pattern does not compile: unclosed group",
        "",
    ),
    (
        "{{ regexFind \"(?=a)\" .Subject }}",
        "invalid-pattern",
        "\"(?=a)\"",
        "this pattern does not compile: this kind of group is not known; there is no look-around",
        "",
    ),
];

const WARNINGS: &[Row] = &[
    (
        "{{ if eq .Extra.level 3 }}x{{ end }}",
        "compares-with-integer",
        "3",
        "numbers of the session are floats, and `eq` fails on `3`",
        "write `3.0`",
    ),
    (
        "{{ set .Extra \"a\" 1 | toJson }}",
        "session-is-read-only",
        ".Extra",
        "`set` gives a changed copy: a template cannot change the session",
        "keep what it gives in a variable",
    ),
    (
        r#"{"h":"{{ .MatchContext.Header.Get "X-H" }}"}"#,
        "unescaped-in-json",
        ".MatchContext.Header.Get \"X-H\"",
        "the client chooses what `.MatchContext.Header.Get \"X-H\"` is, and may end the quotes around it",
        "leave the quotes away and write `{{ .MatchContext.Header.Get \"X-H\" | toJson }}`",
    ),
];

/// What a finding points at, by the text of the template.
fn pointed_at<'s>(finding: &Finding, source: &'s str) -> &'s str {
    finding.span.and_then(|(start, end)| source.get(start..end)).unwrap_or("(nothing)")
}

fn assert_row(finding: &Finding, severity: Severity, row: &Row) {
    let (source, code, at, message, help) = *row;
    assert_eq!(finding.severity, severity, "{source}");
    assert_eq!(finding.code, code, "{source}");
    assert_eq!(finding.message, message, "{source}");
    assert_eq!(pointed_at(finding, source), at, "{source}");
    assert_eq!(finding.help.as_deref().unwrap_or_default(), help, "{source}");
    assert_eq!(finding.pointer, "", "{source}");
}

#[test]
fn each_fault_is_named_where_it_stands() {
    for row in ERRORS {
        match Template::compile(Engine::Go, Purpose::Claims, row.0) {
            Ok(_) => panic!("{} is let through", row.0),
            Err(findings) => {
                assert_eq!(findings.len(), 1, "{}: {findings:?}", row.0);
                assert_row(&findings[0], Severity::Error, row);
            }
        }
    }
}

#[test]
fn what_may_not_be_meant_is_a_warning() {
    for row in WARNINGS {
        let (_, findings) =
            Template::compile(Engine::Go, Purpose::Claims, row.0).unwrap_or_else(|f| panic!("{f:?}"));
        assert_eq!(findings.len(), 1, "{}: {findings:?}", row.0);
        assert_row(&findings[0], Severity::Warning, row);
    }
}

#[test]
fn all_faults_are_found_in_the_order_they_stand_in() {
    let source = "{{ .Nope }}{{ if upper }}{{ nosuch .Subjet }}{{ end }}{{ env \"A\" }}";
    let findings = Template::compile(Engine::Go, Purpose::Header, source).expect_err("it is full of faults");
    let found: Vec<_> = findings.iter().map(|f| (f.code, pointed_at(f, source))).collect();
    assert_eq!(
        found,
        [
            ("unknown-field", ".Nope"),
            ("wrong-argument-count", "upper"),
            ("unknown-function", "nosuch"),
            ("unknown-field", ".Subjet"),
            ("function-not-offered", "env"),
        ]
    );
}

#[test]
fn what_is_common_and_right_has_no_findings() {
    for source in [
        "",
        "just text",
        "{{ print .Subject }}",
        "{{ .Extra.email }}",
        "{{ .Extra.identity.traits.email | default \"\" }}",
        "{{ printIndex .MatchContext.RegexpCaptureGroups (sub 1 1 | int)}}",
        "{{ .MatchContext.Header.Get \"X-A\" }}",
        "{{ .MatchContext.URL.Query.Get \"a\" }}",
        "{{ if eq .Extra.n 3.0 }}x{{ end }}",
        "{{ if eq (len .Extra.list) 3 }}x{{ end }}",
        "{\"h\":{{ .MatchContext.Header.Get \"X-H\" | toJson }},\"s\":\"{{ .Subject }}\"}",
        "{{ $d := dict }}{{ $_ := set $d \"a\" 1 }}{{ $d | toJson }}",
        "{{ $d := merge (dict) .Extra }}{{ $d | toJson }}",
    ] {
        let (_, findings) = Template::compile(Engine::Go, Purpose::Claims, source)
            .unwrap_or_else(|findings| panic!("{source}: {findings:?}"));
        assert_eq!(findings, [], "{source}");
    }
}

#[test]
fn headers_may_stand_in_quotes_where_no_json_is_made() {
    let source = "\"{{ .MatchContext.Header.Get \"X-H\" }}\"";
    let (_, findings) = Template::compile(Engine::Go, Purpose::Header, source).expect("it compiles");
    assert_eq!(findings, []);
}

/// A template with what its failure is called.
const FAILURES: &[(&str, &str)] = &[
    ("a\n{{ index .Extra.list 99 }}", "template 2:4: `index .Extra.list 99`: the position is out of range"),
    ("{{ .Extra.role.x }}", "template 1:4: `.Extra.role.x`: a text has no field `x`"),
    ("{{ upper .Extra.nope }}", "template 1:10: `.Extra.nope`: `upper` takes a text here, not nil"),
    ("{{ .Extra.n | upper }}", "template 1:4: `.Extra.n`: `upper` takes a text here, not a float64"),
    ("{{ eq .Extra.n 3 }}", "template 1:4: `eq .Extra.n 3`: values of different types cannot be compared"),
    ("{{ fail .Extra.email }}", "template 1:4: `fail .Extra.email`: the template says so"),
    ("{{ b64dec .Extra.email }}", "template 1:4: `b64dec .Extra.email`: this does not decode"),
    ("{{ mustFromJson .Extra.email }}", "template 1:4: `mustFromJson .Extra.email`: this is not JSON"),
    (
        "{{ regexMatch .Extra.email \"\" | not }}{{ div 1 .Extra.nope }}",
        "template 1:42: `div 1 .Extra.nope`: nothing can be divided by zero",
    ),
    (
        "{{ index .MatchContext.RegexpCaptureGroups 5 }}",
        "template 1:4: `index .MatchContext.RegexpCaptureGroups 5`: there are not so many capture groups",
    ),
];

#[test]
fn failures_name_the_expression_and_never_a_value() {
    for (source, want) in FAILURES {
        let got = Scene::new().go(source);
        assert_eq!(got.as_ref().map_err(String::as_str), Err(*want), "{source}");
        for value in ["admin", "Al.Ice", "alice", "sid=1"] {
            assert!(!want.contains(value), "{source} shows {value}");
        }
    }
}

#[test]
fn debug_does_not_show_the_text() {
    let (template, _) =
        Template::compile(Engine::Go, Purpose::Header, "s3cret {{ .Subject }}").expect("it compiles");
    assert_eq!(format!("{template:?}"), "Template(go)");
}
