use serde_json::json;

use super::*;

fn find(path: &str, value: &Value) -> Option<Value> {
    let path = JsonPath::compile(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    path.find(value).map(Cow::into_owned)
}

fn answer() -> Value {
    json!({
        "a": {"b": [1, {"c": "x"}]},
        "d.e": 5,
        "arr": [{"n": "x", "v": 1, "on": true}, {"n": "y", "v": 2, "on": false}],
        "@type": "t",
        "null": null,
        "id": 1_234_567,
        "big": 12_345_678_901_234_567_890_u64,
        "json": "{\"k\":[1]}",
        "g": {"id": [1, 2], "name": ["p", "q"]},
        "tr:a-i_t $": "odd",
        "é": "e",
        "deep": [1, [2, [3]]],
        "users": [{"friends": [{"n": "z"}]}, {"friends": []}],
        "tags": ["red", "blue"],
    })
}

#[test]
fn paths_and_what_they_find() {
    let answer = answer();
    for (path, want) in [
        ("a.b.1.c", json!("x")),
        ("a.b.#", json!(2)),
        (r"d\.e", json!(5)),
        (r#"arr.#(n=="y").v"#, json!(2)),
        (r#"{"k":a.b.0}"#, json!({"k": 1})),
        ("arr.#.n", json!(["x", "y"])),
        // Queries.
        ("arr.#(v>1).n", json!("y")),
        ("arr.#(v<2).n", json!("x")),
        ("arr.#(v<=1)#.n", json!(["x"])),
        ("arr.#(v>=1)#.n", json!(["x", "y"])),
        ("arr.#(v>=1)#|1.n", json!("y")),
        ("arr.#(v>=1)#.n|0", json!("x")),
        ("arr.#(v>=1)#|#", json!(2)),
        (r#"arr.#(n!="x").n"#, json!("y")),
        (r"arr.#(n=x).v", json!(1)),
        (r#"arr.#(n%"y*").v"#, json!(2)),
        (r#"arr.#(n!%"y*").v"#, json!(1)),
        ("arr.#(on==true).n", json!("x")),
        ("arr.#(on==~false).n", json!("y")),
        ("arr.#(n).n", json!("x")),
        (r#"tags.#(=="blue")"#, json!("blue")),
        (r#"tags.#(%"b*")#"#, json!(["blue"])),
        (r#"users.#(friends.#(n=="z")).friends.0.n"#, json!("z")),
        ("users.#.friends.#.n", json!([["z"], []])),
        ("users.#.friends|0.0.n", json!("z")),
        // Several at once.
        ("{a.b.0,id}", json!({"0": 1, "id": 1_234_567})),
        ("{\"x\":id,nope,\"y\":tags.#}", json!({"x": 1_234_567, "y": 2})),
        ("[a.b.0,nope,id]", json!([1, 1_234_567])),
        ("a.{b.#,\"c\":b.1.c}", json!({"_": 2, "c": "x"})),
        ("arr.#.{n,v}|1", json!({"n": "y", "v": 2})),
        // Wildcards, pipes, escapes.
        ("a?r.1.n", json!("y")),
        ("ar*.1.n", json!("y")),
        ("arr|1|n", json!("y")),
        ("arr.0.n", json!("x")),
        ("tr:a-i_t $", json!("odd")),
        ("é", json!("e")),
        ("@type", json!("t")),
        (r"\@type", json!("t")),
        // Modifiers.
        ("arr.@reverse.0.n", json!("y")),
        ("a.@this.b.0", json!(1)),
        ("a.b.0|@pretty", json!(1)),
        ("a.b|@ugly|0", json!(1)),
        ("deep.@flatten", json!([1, 2, [3]])),
        (r#"deep.@flatten:{"deep":true}.2"#, json!(3)),
        ("arr.@join.n", json!("y")),
        ("id.@tostr", json!("1234567")),
        ("json.@fromstr.k.0", json!(1)),
        ("json|@fromstr|@tostr", json!(r#"{"k":[1]}"#)),
        ("g.@keys", json!(["id", "name"])),
        ("g.@values.1.0", json!("p")),
        ("g.@group.1", json!({"id": 2, "name": "q"})),
        ("@dig:v", json!([1, 2])),
        ("arr.@dig:n.1", json!("y")),
        (r#"!"fixed""#, json!("fixed")),
        // Numbers stay as they are.
        ("id", json!(1_234_567)),
        ("big", json!(12_345_678_901_234_567_890_u64)),
    ] {
        assert_eq!(find(path, &answer), Some(want), "{path}");
    }
    assert_eq!(find("@this", &answer).as_ref(), Some(&answer));
}

#[test]
fn what_is_not_there_is_not_found() {
    let answer = answer();
    for path in [
        "nope",
        "a.b.-1",
        "a.b.7",
        "a.b.c",
        "a.b.1.c.d",
        "id.x",
        "null",
        "null.x",
        "",
        ".",
        "A",
        "a.B",
        "id.@keys",
        "a.@fromstr",
        r#"arr.#(n=="z").v"#,
        "arr.#(v>x).n",
        "a.#",
        "z*",
    ] {
        assert_eq!(find(path, &answer), None, "{path}");
    }
}

#[test]
fn what_is_no_path_is_found_when_rules_load() {
    for (path, why) in [
        ("a.#(n==1", "a bracket or quote of `#(n==1` is not closed"),
        ("{a,b", "a bracket or quote of `{a,b` is not closed"),
        ("{a}b", "`.` or `|` is missing before `b`"),
        ("arr.#(n)x", "`.` or `|` is missing before `x`"),
    ] {
        assert_eq!(JsonPath::compile(path).unwrap_err(), why, "{path}");
    }
    assert!(JsonPath::compile(&"a".repeat(5000)).is_err());
    assert!(JsonPath::compile(&"{".repeat(3000)).is_err());
    assert!(JsonPath::compile(&format!("{}a{}", "[".repeat(40), "]".repeat(40))).is_err());
    assert!(JsonPath::compile(&"#.".repeat(1500)).is_err());
}

#[test]
fn patterns_of_names() {
    for (pattern, name, matches) in [
        ("*", "", true),
        ("a*b*c", "axxbyyc", true),
        ("a*b*c", "axxbyy", false),
        ("?", "é", true),
        ("?", "", false),
        (r"\*", "*", true),
        (r"\*", "x", false),
        ("**a", "bca", true),
        ("*ab", "aab", true),
    ] {
        assert_eq!(query::Pattern::read(pattern).matches(name), matches, "{pattern} {name}");
    }
}

proptest::proptest! {
    #[test]
    fn no_path_ends_in_a_panic(path in r#"[abné.|@#(){}\[\]"\\=<>!%~*?:,0-9]{0,24}"#) {
        if let Ok(path) = JsonPath::compile(&path) {
            let _ = path.find(&answer());
        }
    }
}
