use serde_json::json;

use super::*;
use crate::diagnostic::position::Locator;

#[test]
fn a_document_of_rules_is_json_where_it_is_json_else_yaml() {
    for (what, text, expected) in [
        ("json", "[{\"id\": \"a\"}]", json!([{"id": "a"}])),
        ("yaml", "- id: a\n", json!([{"id": "a"}])),
        ("a mark before it", "\u{feff}- id: a\n", json!([{"id": "a"}])),
        ("and before json", "\u{feff}[1]", json!([1])),
        ("nothing", "", json!(null)),
        ("only a comment", "# nothing yet\n", json!(null)),
        ("null", "null", json!(null)),
        ("yaml that looks like json", "[{\"id\": \"a\",},]", json!([{"id": "a"}])),
        ("anchors", "- &a {x: 1}\n- *a\n", json!([{"x": 1}, {"x": 1}])),
        (
            "merge keys",
            "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n",
            json!({"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}),
        ),
        (
            "after what they merge into",
            "a: &a {y: 2}\nb: {y: 3, <<: *a}\n",
            json!({"a": {"y": 2}, "b": {"y": 3}}),
        ),
        ("several at once", "<<: [{a: 1}, {a: 2, b: 2}]\n", json!({"a": 1, "b": 2})),
        (
            "keys that are no text",
            "1: a\ntrue: b\n1.5: c\nnull: d\n",
            json!({"1": "a", "true": "b", "1.5": "c", "null": "d"}),
        ),
        ("only the first document", "a: 1\n---\nb: [", json!({"a": 1})),
        ("text between quotes and brackets", "{a: \"[[[[\"}", json!({"a": "[[[["})),
        ("behind a line", "---\na: 1\n...\n", json!({"a": 1})),
        ("tags", "a: !!str 5\nb: !mine x\nc: !mine {d: 1}\n", json!({"a": "5", "b": "x", "c": {"d": 1}})),
        (
            "numbers",
            "a: 1\nb: -2\nc: 1.5\nd: 0x1f\ne: 123456789012345678901234567890\n",
            json!({"a": 1, "b": -2, "c": 1.5, "d": 31, "e": 1.234_567_890_123_456_8e29}),
        ),
        ("block text", "a: |\n  x\n  y\nb: >-\n  x\n  y\n", json!({"a": "x\ny\n", "b": "x y"})),
        ("the last of equal keys", "{\"a\": 1, \"a\": 2}", json!({"a": 2})),
        ("in yaml too", "a: 1\na: 2\n", json!({"a": 2})),
    ] {
        assert_eq!(parse(text, "rules").map(|document| document.value), Ok(expected), "{what}");
    }
}

#[test]
fn what_cannot_be_read_says_where() {
    for (name, text, place) in [
        ("x.yaml", "a: [1\nb: 2", "2:2"),
        ("x.yaml", "é: b: c", "1:5"),
        ("x.yaml", "a: 'x", "1:6"),
        ("x.yaml", "- a\nb: c", "2:1"),
        ("x.yaml", "a: *nope", "1:4"),
        ("x.yaml", "a: .nan", "1:4"),
        ("x.yaml", "<<: 1", "1:1"),
        ("x.yaml", "[a]\nb: 1", "2:1"),
        ("x.yaml", "[a] ]", "1:5"),
        ("x.json", "{\"a\": [1,\n \"é\" x]}", "2:6"),
        ("x.json", "[{]", "1:3"),
    ] {
        let finding = parse(text, name).unwrap_err();
        assert_eq!(finding.code, "syntax", "{text}");
        let locator = Locator::new(text, name);
        let position = locator.position(&locator.find(&finding));
        assert_eq!(format!("{}:{}", position.line, position.column), place, "{text}: {}", finding.message);
    }
    let finding = parse_as("a = 1\nb = = 2\n", Format::Toml).unwrap_err();
    assert_eq!((finding.code, finding.span.map(|span| span.0)), ("syntax", Some(10)));
}

#[test]
fn documents_that_blow_up_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = level - 1;
        let aliases = vec![format!("*a{before}"); 10].join(", ");
        bomb = format!("{bomb}a{level}: &a{level} [{aliases}]\n");
    }
    assert_eq!(parse(&bomb, "bomb.yaml").unwrap_err().code, "syntax");
    assert_eq!(parse(&"{a: ".repeat(100_000), "deep.yaml").unwrap_err().code, "syntax");
    let deep = "[".repeat(100_000);
    assert_eq!(parse(&deep, "deep.yaml").unwrap_err().code, "syntax");
    assert_eq!(parse(&deep, "deep.json").unwrap_err().code, "syntax");
    assert_eq!(parse_as(&format!("a = {deep}"), Format::Toml).unwrap_err().code, "syntax");
}

#[test]
fn words_for_booleans_of_yaml_1_1_come_with_a_warning() {
    let text = "- id: y\n  match: {methods: [ON, GET]}\n  upstream: {preserve_host: yes}\n  mutators:\n    - config: {headers: {X-A: off, X-B: 'no'}}\n  errors: &e\n    - config: {verbose: No}\n- errors: *e\n";
    let document = parse(text, "rules.yaml").unwrap();
    assert_eq!(
        document.value,
        json!([
            {
                "id": "y",
                "match": {"methods": ["ON", "GET"]},
                "upstream": {"preserve_host": true},
                "mutators": [{"config": {"headers": {"X-A": "off", "X-B": "no"}}}],
                "errors": [{"config": {"verbose": false}}],
            },
            {"errors": [{"config": {"verbose": false}}]},
        ])
    );
    let warnings: Vec<String> =
        document.warnings.iter().map(|w| format!("{} {}: {}", w.code, w.pointer, w.message)).collect();
    assert_eq!(
        warnings,
        [
            "yaml-boolean /0/id: `y` is text here, while Oathkeeper reads it as `true`",
            "yaml-boolean /0/match/methods/0: `ON` is text here, while Oathkeeper reads it as `true`",
            "yaml-boolean /0/upstream/preserve_host: `yes` is read as `true`",
            "yaml-boolean /0/mutators/0/config/headers/X-A: `off` is text here, while Oathkeeper reads it as `false`",
            "yaml-boolean /0/errors/0/config/verbose: `No` is read as `false`",
            "yaml-boolean /1/errors/0/config/verbose: `No` is read as `false`",
        ]
    );
    assert_eq!(parse("[{\"id\": \"y\"}]", "rules.json").unwrap().warnings, []);
}

#[test]
fn a_key_that_stands_twice_is_noticed() {
    let warnings = |text| -> Vec<String> {
        parse(text, "x").unwrap().warnings.into_iter().map(|w| format!("{} {}", w.code, w.pointer)).collect()
    };
    assert_eq!(warnings("[{\"a\": {\"b\": 1, \"b\": 2}}]"), ["duplicate-key /0/a/b"]);
    assert_eq!(warnings("- a:\n    b/c: 1\n    b/c: 2\n"), ["duplicate-key /0/a/b~1c"]);
    assert_eq!(parse_as("a: 1\na: 2\n", Format::Yaml).unwrap_err().code, "duplicate-key");
    assert_eq!(parse_as("a = 1\na = 2\n", Format::Toml).unwrap_err().code, "syntax");
}

#[test]
fn a_second_document_is_noticed() {
    let codes = |text| parse(text, "x").unwrap().warnings.into_iter().map(|w| w.code).collect::<Vec<_>>();
    assert_eq!(codes("a: 1\n---\nb: 2\n"), ["several-documents"]);
    assert_eq!(codes("---\na: 1\n...\n"), [""; 0]);
}

#[test]
fn many_brackets_in_strings_are_no_depth() {
    let text = "- 'a [[[ b'\n".repeat(2_000);
    assert_eq!(parse(&text, "x").map(|document| document.value.as_array().map(Vec::len)), Ok(Some(2_000)));
}

#[test]
fn rule_keys_are_known_in_any_case_and_the_exact_one_wins() {
    let mut rule = json!({
        "ID": "a",
        "Match": {"URL": "x", "Methods": ["GET"]},
        "authenticators": [{"Handler": "header", "Config": {"Headers": {}}}],
        "Authorizer": {"HANDLER": "allow"},
        "description": "kept",
        "Description": "dropped",
        "other": 1,
    });
    fold_rule_keys(&mut rule);
    assert_eq!(
        rule,
        json!({
            "id": "a",
            "match": {"url": "x", "methods": ["GET"]},
            "authenticators": [{"handler": "header", "config": {"Headers": {}}}],
            "authorizer": {"handler": "allow"},
            "description": "kept",
            "other": 1,
        })
    );
    let mut odd = json!(["ID"]);
    fold_rule_keys(&mut odd);
    assert_eq!(odd, json!(["ID"]));
}

#[test]
fn a_configuration_files_format_is_in_its_name() {
    for (name, format) in [
        ("a.yaml", Some(Format::Yaml)),
        ("a.YML", Some(Format::Yaml)),
        ("a.json", Some(Format::Json)),
        ("a.b.toml", Some(Format::Toml)),
        ("a.ini", None),
        ("yaml", None),
        ("", None),
    ] {
        assert_eq!(Format::of(Path::new(name)), format, "{name}");
    }
}

/// What streaming shows of a document, as [`parse`] would have it.
fn streamed(text: &str) -> Option<Document> {
    let mut items = Vec::new();
    let warnings = each_item(text, &mut |item| items.push(item))?;
    Some(Document { value: Value::Array(items), warnings })
}

#[test]
fn a_long_list_says_the_same_piece_by_piece() {
    let item = "- id: 'it''s'\n  match: {url: \"http://h/\\\n    x\", methods: [GET]}\n  text: |\n    - a\n\n    b\n";
    let odd = "- id: a\n  id: b\n  upstream: {preserve_host: yes}\n";
    let many = item.repeat(1500);
    for text in [
        format!("{many}{odd}{many}{odd}"),
        format!("---\n# rules\n\n{many}{odd}# end"),
        format!("\u{feff}{}-\n  a: b\n-", many.replace('\n', "\r\n")),
        format!("- &a {{b: 1}}\n- *a\n{many}"),
    ] {
        let whole = parse(&text, "rules.yaml").unwrap();
        assert!(streamed(&text) == Some(whole), "{}…", &text[..40]);
    }
}

#[test]
fn what_cannot_be_cut_is_read_as_a_whole() {
    let many = "- id: a\n  match: {url: http://h/, methods: [GET]}\n".repeat(3000);
    for text in [
        format!("- &a {{b: 1}}\n{many}- *a\n"),
        format!("- \"{many}\"\n"),
        format!("{many}---\n{many}"),
        format!("{many}- [\n"),
        format!("rules:\n{many}"),
    ] {
        assert!(streamed(&text).is_none(), "{}…", &text[..40]);
    }
}
