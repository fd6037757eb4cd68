use proptest::prelude::*;

use super::*;

/// The piece of `text` a finding is about.
fn shown<'t>(name: &str, text: &'t str, finding: &Finding) -> &'t str {
    &text[Locator::new(text, name).find(finding)]
}

fn value(pointer: &str) -> Finding {
    Finding::error("x", pointer, "")
}

const YAML: &str = "\
# a comment
plain: some text
single: 'it''s'
\"double\": \"a\\tb\"
literal: |
  first
  second
folded: >-
  one
  two
flow: {x: 1, list: [a, b]}
list:
- id: one
  key: v # with a comment
-
  - nested
anchor: &here {z: 9}
alias: *here
several: one
  two
empty:
quoted_empty: ''
tagged: !!str 5
anchored: &n name
base: &base
  a: 1
  b: {c: 2}
merged:
  <<: *base
  d: 3
merged_list:
  <<: [{e: 1}, *base]
a/b~c: escaped
1: number
Upper: case
doubled: first
doubled: last
last: é x";

#[test]
fn a_pointer_leads_to_its_value_in_yaml() {
    for (pointer, expected) in [
        ("/plain", "some text"),
        ("/single", "'it''s'"),
        ("/double", "\"a\\tb\""),
        ("/literal", "first\n  second\n"),
        ("/folded", "one\n  two\n"),
        ("/flow", "{x: 1, list: [a, b]}"),
        ("/flow/list", "[a, b]"),
        ("/flow/list/1", "b"),
        ("/list", "list"),
        ("/list/0", "id: one"),
        ("/list/0/key", "v"),
        ("/list/1/0", "nested"),
        ("/anchor/z", "9"),
        ("/alias/z", "9"),
        ("/several", "one\n  two"),
        ("/empty", "empty"),
        ("/quoted_empty", "''"),
        ("/tagged", "5"),
        ("/anchored", "name"),
        ("/merged/a", "1"),
        ("/merged/b/c", "2"),
        ("/merged/d", "3"),
        ("/merged_list/e", "1"),
        ("/merged_list/b/c", "2"),
        ("/a~1b~0c", "escaped"),
        ("/1", "number"),
        ("/upper", "case"),
        ("/doubled", "last"),
        ("/last", "é x"),
        ("", "# a comment"),
        // What is not there is shown by what it is missing in.
        ("/list/0/nothing/at/all", "id: one"),
        ("/list/7", "list"),
        ("/merged/nothing", "merged"),
        ("/plain/nothing", "plain"),
        ("/nothing", "plain: some text"),
    ] {
        assert_eq!(shown("x.yaml", YAML, &value(pointer)), expected, "{pointer}");
    }
    for (pointer, key) in
        [("/double", "\"double\""), ("/list/0/key", "key"), ("/merged/a", "a"), ("/flow/list/1", "b")]
    {
        assert_eq!(shown("x.yaml", YAML, &value(pointer).at_key()), key, "key of {pointer}");
    }
}

#[test]
fn a_pointer_leads_to_its_value_in_json() {
    let text = "{\n\t\"a\" : [1, {\"b\\u00e9\": \"x\\\"y\"}, true,null , -1.5e3],\"c\": {}, \"d\": [], \"e\":\"\", \"e\": \"last\"}\n";
    for (pointer, expected) in [
        ("/a", "[1, {\"b\\u00e9\": \"x\\\"y\"}, true,null , -1.5e3]"),
        ("/a/0", "1"),
        ("/a/1/bé", "\"x\\\"y\""),
        ("/a/2", "true"),
        ("/a/3", "null"),
        ("/a/4", "-1.5e3"),
        ("/c", "{}"),
        ("/d", "[]"),
        ("/e", "\"last\""),
        ("/a/9", "\"a\""),
    ] {
        assert_eq!(shown("x.json", text, &value(pointer)), expected, "{pointer}");
    }
    assert_eq!(shown("x", text, &value("/a/1/bé").at_key()), "\"b\\u00e9\"");
}

#[test]
fn a_pointer_leads_to_its_value_in_toml() {
    let text = "top = 1\n[serve.api]\nhost = \"127.0.0.1\"\nport = 4456\n[access_rules]\nrepositories = [\n  'file:///a',\n  \"file:///b\",\n]\n[[list]]\nid = \"\"\"\nx\"\"\"\n";
    for (pointer, expected) in [
        ("/top", "1"),
        ("/serve/api/host", "\"127.0.0.1\""),
        ("/serve/api/port", "4456"),
        ("/access_rules/repositories/1", "\"file:///b\""),
        ("/access_rules/repositories", "repositories"),
        ("/list/0/id", "\"\"\"\nx\"\"\""),
    ] {
        assert_eq!(shown("x.toml", text, &value(pointer)), expected, "{pointer}");
    }
    assert_eq!(shown("x.TOML", text, &value("/serve/api/port").at_key()), "port");
}

#[test]
fn a_part_of_a_string_is_found_in_every_notation() {
    // Each holds `WRONG` once; the span counts in the decoded text.
    for (name, text, decoded) in [
        ("x.yaml", "a: some WRONG text", "some WRONG text"),
        ("x.yaml", "a: some\n  more WRONG text", "some more WRONG text"),
        ("x.yaml", "a: some\n\n\n  more WRONG text", "some\n\nmore WRONG text"),
        ("x.yaml", "a: 'it''s WRONG'", "it's WRONG"),
        ("x.yaml", "a: 'it''s\n  WRONG'", "it's WRONG"),
        ("x.yaml", "a: \"\\t\\x41\\u00e9\\U0001F600 WRONG\"", "\tAé😀 WRONG"),
        ("x.yaml", "a: \"one \\\n  two\n  WRONG\"", "one two WRONG"),
        ("x.yaml", "a: &anchor !!str \"x WRONG\"", "x WRONG"),
        ("x.yaml", "a: |\n  one\n    two\n\n  WRONG x\nb: 1", "one\n  two\n\nWRONG x\n"),
        ("x.yaml", "a: |-\n  WRONG x\n\n\nb: 1", "WRONG x"),
        ("x.yaml", "a: |+\n  WRONG x\n\nb: 1", "WRONG x\n\n"),
        ("x.yaml", "a:\n  b: |\n    { \"é\": {{ WRONG }} }\n", "{ \"é\": {{ WRONG }} }\n"),
        ("x.yaml", "a: >\n  one\n  two\n\n  three\n    WRONG\n  x\n", "one two\nthree\n  WRONG\nx\n"),
        ("x.yaml", "a: >-\n  WRONG\n  two\n", "WRONG two"),
        ("x.yaml", "- é\n- {k: 'x WRONG'}", "x WRONG"),
        ("x.json", "{\"a\": \"\\n\\u00e9\\ud83d\\ude00\\/ WRONG\"}", "\né😀/ WRONG"),
        ("x.json", "{\"a\": \"one\\ntwo WRONG\"}", "one\ntwo WRONG"),
        ("x.toml", "a = \"\\te\\u00e9 WRONG\"", "\teé WRONG"),
        ("x.toml", "a = 'C:\\x WRONG'", "C:\\x WRONG"),
        ("x.toml", "a = \"\"\"\none \\\n   two\nWRONG\"\"\"", "one two\nWRONG"),
        ("x.toml", "a = '''\none\nWRONG'''", "one\nWRONG"),
    ] {
        let start = decoded.find("WRONG").unwrap();
        let pointer = match text {
            _ if text.starts_with("- ") => "/1/k",
            _ if text.contains("  b: |") => "/a/b",
            _ => "/a",
        };
        let locator = Locator::new(text, name);
        let found = locator.find(&value(pointer).span(start, start + 5));
        assert_eq!(&text[found], "WRONG", "{text}");
        // At the end there is nothing to mark, but there is a place.
        let end = locator.find(&value(pointer).span(decoded.trim_end().len(), decoded.len() + 9));
        assert!(end.start >= locator.find(&value(pointer)).start, "{text}");
    }
}

#[test]
fn a_part_that_cannot_be_told_shows_where_the_string_begins() {
    let text = "a: \"x\"\n";
    assert_eq!(Locator::new(text, "x.yaml").find(&value("/a").span(7, 9)), 5..5);
    // A pointer to what is no string: its place.
    assert_eq!(Locator::new("a: [1]\n", "x.yaml").find(&value("/a").span(0, 1)), 3..6);
}

#[test]
fn lines_and_columns_count_from_one_in_characters() {
    let text = "é: ü\r\nb: [x,\n  y]\n";
    let locator = Locator::new(text, "x.yaml");
    let place = |pointer| locator.position(&locator.find(&value(pointer)));
    assert_eq!(place("/é"), Position { line: 1, column: 4, end_line: 1, end_column: 5 });
    assert_eq!(place("/b/1"), Position { line: 3, column: 3, end_line: 3, end_column: 4 });
    assert_eq!(
        locator.position(&(0..text.len())),
        Position { line: 1, column: 1, end_line: 4, end_column: 1 }
    );
    let marked = Locator::new("\u{feff}a: 1\n", "x.yaml");
    assert_eq!(marked.position(&marked.find(&value("/a"))).column, 4);
}

#[test]
fn a_broken_document_shows_what_comes_before_the_fault() {
    for (name, text) in [("x.yaml", "a: {b: 1}\nc: [1\nd: 2\n"), ("x.toml", "a = {b = 1}\nc = [1\nd = = 2\n")]
    {
        assert_eq!(shown(name, text, &value("/a/b")), "1", "{name}");
    }
    assert_eq!(shown("x.yaml", "a: [1\nb: 2", &value("").span(7, 8)), ":");
    assert_eq!(Locator::new("", "x.yaml").find(&value("/a")), 0..0);
}

#[test]
fn plain_scalars_are_listed_with_their_pointers() {
    let text = "a: y\nb: 'y'\nc: &c {d: on}\ne: *c\nf:\n  <<: *c\ng: [no, \"no\"]\n";
    let found: Vec<String> =
        plain_scalars(text).into_iter().map(|(pointer, word)| format!("{pointer}={word}")).collect();
    assert_eq!(found, ["/a=y", "/c/d=on", "/e/d=on", "/f/d=on", "/g/0=no"]);
    let bomb =
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: &d [*c, *c]\ne: &e [*d, *d]\nf: &f [*e, *e]\n";
    assert!(plain_scalars(bomb).len() < 200);
}

/// Pieces that make interesting YAML when they are strung together.
fn yaml() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a: "),
        Just("b:\n  "),
        Just("- "),
        Just("\n"),
        Just("\r\n"),
        Just("  "),
        Just("\t"),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just("'"),
        Just("\""),
        Just("|\n"),
        Just(">-\n"),
        Just("&x "),
        Just("*x"),
        Just("<<: "),
        Just("!!str "),
        Just("\\"),
        Just("\\u00e9"),
        Just("#"),
        Just("é"),
        Just("? "),
        Just(": "),
        Just("---\n"),
        Just("...\n"),
        Just("%YAML"),
        Just("x"),
        Just("\u{feff}"),
        Just("\u{85}"),
        Just("\u{2028}"),
    ];
    prop_oneof![proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat()), any::<String>(),]
}

proptest! {
    #[test]
    fn looking_up_never_panics(text in yaml(), pointer in "(/(a|b|x|0|1|<<|~1)){0,3}", span in proptest::option::of((0usize..20, 0usize..20)), at_key: bool) {
        for name in ["x.yaml", "x.json", "x.toml"] {
            let locator = Locator::new(&text, name);
            let mut finding = value(&pointer);
            finding.span = span;
            finding.at_key = at_key;
            let range = locator.find(&finding);
            prop_assert!(text.get(range.clone()).is_some());
            let position = locator.position(&range);
            prop_assert!((position.line, position.column) <= (position.end_line, position.end_column));
            let line = locator.line_around(range.start);
            for secret in locator.secrets(&line) {
                prop_assert!(text.get(secret).is_some());
            }
        }
        let _ = plain_scalars(&text);
    }

    #[test]
    fn printing_never_panics(text in yaml(), pointer in "(/(a|b|x|0|1)){0,3}", span in proptest::option::of((0usize..20, 0usize..20))) {
        let source = std::sync::Arc::new(crate::diagnostic::Source { name: "x.yaml".to_owned(), path: None, text: Some(text.into()) });
        let mut report = crate::diagnostic::Report::default();
        let mut finding = value(&pointer);
        finding.span = span;
        report.push(&source, None, finding);
        let _ = (report.to_human(true), report.to_lines(), report.to_json());
    }
}
