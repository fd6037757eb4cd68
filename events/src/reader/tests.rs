use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

/// What a text says; numbers and truth values, which nobody takes, are `null`.
fn read(text: &str) -> std::result::Result<Value, usize> {
    Reader::whole(text.as_bytes(), value)
}

fn utf8(text: Text<'_>) -> String {
    String::from_utf8(text.into_owned()).unwrap()
}

fn value(reader: &mut Reader<'_>) -> Result<Value> {
    match reader.next() {
        Some(b'{') => {
            let mut members = Map::new();
            reader.object(|reader, name| {
                let value = value(reader)?;
                members.insert(utf8(name), value);
                Ok(())
            })?;
            Ok(members.into())
        }
        Some(b'[') => {
            let mut items = Vec::new();
            reader.list(|reader| {
                items.push(value(reader)?);
                Ok(())
            })?;
            Ok(items.into())
        }
        Some(b'"') => reader.text().map(|text| utf8(text).into()),
        _ => {
            if !reader.null()? {
                reader.skip()?;
            }
            Ok(Value::Null)
        }
    }
}

/// What `serde_json` says of it.
fn theirs(text: &str) -> Option<Value> {
    fn taken(value: Value) -> Value {
        match value {
            Value::Object(members) => members.into_iter().map(|(name, value)| (name, taken(value))).collect(),
            Value::Array(items) => items.into_iter().map(taken).collect(),
            Value::String(text) => text.into(),
            _ => Value::Null,
        }
    }
    serde_json::from_str(text).ok().map(taken)
}

fn agrees(text: &str) {
    let theirs = theirs(text);
    assert_eq!(read(text).ok(), theirs, "{text:?}");
    assert_eq!(
        Reader::whole(text.as_bytes(), Reader::skip).is_ok(),
        theirs.is_some(),
        "passed over: {text:?}"
    );
}

#[test]
fn it_reads_what_is_json_and_nothing_else() {
    for text in [
        r#"{"a":"b","c":["d",{"e":null}],"a":[]}"#,
        " \t\r\n{ \"a\" : [ 1 , -2.5e+3 , true , false , null ] } \n",
        r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#,
        r#"{"\u0061\\":"plain"}"#,
        "\"é and \u{7f} and \u{1f600}\"",
        "0",
        "-0.0E-0",
        // No JSON.
        "",
        " ",
        "nul",
        "nulll",
        "True",
        "01",
        "1.",
        "+1",
        "--1",
        "NaN",
        "a",
        "{",
        "[",
        "{}}",
        "[]]",
        "{]",
        "[}",
        "[,]",
        "[1,]",
        "[1 2]",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r"{a:1}",
        r#"{"a":1 "b":2}"#,
        r"{1:1}",
        "\"a\nb\"",
        "\"a\u{0}b\"",
        "\"abcdefghijk\u{1f}\"",
        "\"",
        r#""\""#,
        r#""\"#,
        r#""\é""#,
        r#""\x41""#,
        r#""\u12""#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        "{}{}",
        "\u{feff}{}",
        "\u{a0}1",
    ] {
        agrees(text);
    }
}

#[test]
fn the_end_of_a_text_is_found_wherever_it_is() {
    for length in 0..40 {
        for end in ["\"", "\\n\"", "\u{1f}\"", "\u{80}\"", "!\"", "[\"", "]\"", "\u{20ac}\""] {
            let text = format!("\"{}{end}", "x".repeat(length));
            agrees(&text);
            agrees(&text.replace('x', "\u{fffd}"));
        }
    }
}

#[test]
fn bytes_are_left_to_who_takes_them() {
    assert_eq!(Reader::whole(b"\"\xff\x80\"", Reader::text).as_deref(), Ok(b"\xff\x80".as_slice()));
    // But not beside an escape.
    assert_eq!(Reader::whole(b"\"\xff\\n\"", Reader::text), Err(5));
}

#[test]
fn it_goes_as_deep_as_others_do() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    agrees(&nested(127));
    agrees(&nested(128));
    agrees(&nested(50_000));
    let members = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    agrees(&members(127));
    agrees(&members(128));
}

#[test]
fn a_fault_is_where_it_is() {
    for (text, at) in [
        (r#"{"a":?}"#, 5),
        (r#"["abc","#, 7),
        (r#"{"a":1}x"#, 7),
        ("[1,\n2;", 5),
        ("[\"a\n\"]", 3),
        (r#"["\x"]"#, 5),
        ("[\"a", 3),
    ] {
        assert_eq!(read(text), Err(at), "{text}");
    }
}

/// Pieces of JSON, and some that are none.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec!["{", "}", "[", "]", ",", ":", "\"", "\\", " ", "null", "true", "1", "-", "e"]),
        4 => prop::sample::select(vec![r#""a""#, r#""a":"#, r#""b\n":"#, "[]", "{}", "1.5", r#""\u0041""#, r#""\ud834""#]),
        1 => prop::sample::select(vec!["\u{0}", "\u{1f}", "é", "\u{1f600}", "longer than eight bytes", "\n"]),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn it_agrees_on_what_may_be_json(text in pieces()) {
        agrees(&text);
        agrees(&format!("[{text}]"));
        agrees(&format!("{{{text}}}"));
        agrees(&format!("\"{text}\""));
    }

    #[test]
    fn it_agrees_on_json(value in json(), cut in any::<prop::sample::Index>(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        agrees(&text);
        let cut: String = text.chars().take(cut.index(text.chars().count() + 1)).collect();
        agrees(&cut);
    }
}
