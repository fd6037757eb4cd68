use std::sync::Arc;

use super::*;
use crate::diagnostic::Finding;

fn report(name: &str, text: &str, findings: Vec<Finding>) -> Report {
    let source = Arc::new(Source { name: name.to_owned(), path: None, text: Some(text.into()) });
    let mut report = Report::default();
    for finding in findings {
        report.push(&source, None, finding);
    }
    report
}

#[test]
fn a_finding_is_shown_with_its_line_and_the_way_out() {
    let rules = "- id: users\n  authenticators:\n    - handler: jtw\n";
    let findings = vec![
        Finding::error("unknown-handler", "/0/authenticators/0/handler", "no authenticator is called `jtw`")
            .help("did you mean `jwt`?"),
        Finding::warning("no-url", "/0", "`match` is missing").help("add `match.url` and `match.methods`"),
    ];
    insta::assert_snapshot!(report("rules/users.yaml", rules, findings).to_human(false), @"
    warning[no-url]: `match` is missing
     --> rules/users.yaml:1:3
      |
    1 | - id: users
      |   ^^^^^^^^^
      = help: add `match.url` and `match.methods`

    error[unknown-handler]: no authenticator is called `jtw`
     --> rules/users.yaml:3:16
      |
    3 |     - handler: jtw
      |                ^^^ did you mean `jwt`?

    1 error, 1 warning
    ");
}

#[test]
fn secrets_are_not_in_excerpts() {
    let text = "a: {client_id: x, client_secret: hunter2, broken: [1}\npassword: hunter2\nurl: http://u:hunter2@h/\nheaders: {Authorization: Bearer hunter2}\n";
    for pointer in [
        "",
        "/a/client_id",
        "/a/client_secret",
        "/a/broken",
        "/password",
        "/url",
        "/headers",
        "/headers/Authorization",
    ] {
        for text in [text.to_owned(), text.replace("[1}", "[1]}")] {
            let report = report("x.yaml", &text, vec![Finding::error("x", pointer, "something is wrong")]);
            for printed in [report.to_human(true), report.to_lines().join("\n"), report.to_json().to_string()]
            {
                assert!(!printed.contains("hunter2"), "{pointer}: {printed}");
            }
        }
    }
}

#[test]
fn carets_stand_under_what_is_shown() {
    let long = format!("a: {{client_secret: hunter2, 名前: {{x: é}}, b: {}}}", "y".repeat(500));
    let findings = ["/a/client_secret", "/a/名前/x", "/a/b"]
        .map(|pointer| Finding::error("x", pointer, "look here"))
        .to_vec();
    insta::assert_snapshot!(report("x.yaml", &long, findings).to_human(false), @"
    error[x]: look here
     --> x.yaml:1:20
      |
    1 | a: {client_secret: [redacted], 名前: {x: é}, b: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…
      |                    ^^^^^^^^^^

    error[x]: look here
     --> x.yaml:1:37
      |
    1 | a: {client_secret: [redacted], 名前: {x: é}, b: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…
      |                                          ^

    error[x]: look here
     --> x.yaml:1:44
      |
    1 | a: {client_secret: [redacted], 名前: {x: é}, b: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…
      |                                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    3 errors, 0 warnings
    ");
    let template = "headers:\n\tX-User: \"{{ .Subjekt }}\"\n".replace('\t', "  ");
    let findings = vec![
        Finding::error("unknown-field", "/headers/X-User", "there is no `.Subjekt`")
            .span(3, 11)
            .help("did you mean `.Subject`?"),
    ];
    insta::assert_snapshot!(report("x.yaml", &template, findings).to_human(false), @r#"
    error[unknown-field]: there is no `.Subjekt`
     --> x.yaml:2:15
      |
    2 |   X-User: "{{ .Subjekt }}"
      |               ^^^^^^^^ did you mean `.Subject`?

    1 error, 0 warnings
    "#);
}

#[test]
fn findings_come_sorted_by_file_and_line_in_all_three_forms() {
    let mut both = report(
        "b.yaml",
        "x: 1\ny: 2\n",
        vec![Finding::error("e", "/y", "second"), Finding::warning("w", "/x", "first").help("do `this`")],
    );
    let environment =
        Arc::new(Source { name: "environment variable LOG_LEVEL".to_owned(), path: None, text: None });
    both.push(&environment, Some("users"), Finding::error("bad-environment", "/log/level", "third"));
    both.extend(report("a.json", "{\"x\":\n [1]}", vec![Finding::error("e", "/x/0", "zeroth")]));
    insta::assert_snapshot!(both.to_lines().join("\n"), @"
    a.json:2:3: error[e]: zeroth
    b.yaml:1:4: warning[w]: first (do `this`)
    b.yaml:2:4: error[e]: second
    environment variable LOG_LEVEL: error[bad-environment]: third, in rule `users`
    ");
    insta::assert_snapshot!(serde_json::to_string_pretty(&both.to_json()[2]).unwrap(), @r#"
    {
      "severity": "error",
      "code": "e",
      "message": "second",
      "file": "b.yaml",
      "pointer": "/y",
      "line": 2,
      "column": 4,
      "end_line": 2,
      "end_column": 5,
      "rule": null,
      "help": null
    }
    "#);
    insta::assert_snapshot!(both.to_human(true).replace('\u{1b}', "␛"), @"
    ␛[1;31merror[e]␛[0m␛[1m: zeroth␛[0m
     ␛[1;34m-->␛[0m a.json:2:3
    ␛[1;34m  |␛[0m
    ␛[1;34m2 |␛[0m  [1]}
    ␛[1;34m  |␛[0m   ␛[1;31m^␛[0m

    ␛[1;33mwarning[w]␛[0m␛[1m: first␛[0m
     ␛[1;34m-->␛[0m b.yaml:1:4
    ␛[1;34m  |␛[0m
    ␛[1;34m1 |␛[0m x: 1
    ␛[1;34m  |␛[0m    ␛[1;33m^␛[0m
      ␛[1;34m=␛[0m help: do `this`

    ␛[1;31merror[e]␛[0m␛[1m: second␛[0m
     ␛[1;34m-->␛[0m b.yaml:2:4
    ␛[1;34m  |␛[0m
    ␛[1;34m2 |␛[0m y: 2
    ␛[1;34m  |␛[0m    ␛[1;31m^␛[0m

    ␛[1;31merror[bad-environment]␛[0m␛[1m: third␛[0m
     ␛[1;34m-->␛[0m environment variable LOG_LEVEL
      ␛[1;34m=␛[0m rule: `users`

    3 errors, 1 warning
    ");
}

#[test]
fn control_characters_of_documents_reach_no_terminal() {
    let report = report(
        "x\u{1b}[2J.yaml",
        "a: \"\u{1b}[31m\u{202e}\"\n",
        vec![Finding::error("x", "/a", "a\nb\u{7}").help("c\r\nd")],
    );
    for printed in [report.to_human(false), report.to_lines().join("\n")] {
        assert!(!printed.contains(['\u{1b}', '\u{202e}', '\u{7}', '\r']), "{printed:?}");
    }
    assert_eq!(report.to_lines().len(), 1);
}
