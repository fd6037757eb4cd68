//! Whatever is written in a template, and whatever the session holds, nothing panics.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::{Engine, Missing, Numbers, Options, Purpose, Template};
use super::Scene;
use crate::template::sprig;

/// Pieces that templates are made of, so that more than the first brace is read.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        "|",
        "(",
        ")",
        ".",
        "$",
        "$x",
        ":=",
        "=",
        ",",
        "if",
        "else",
        "end",
        "range",
        "with",
        "define",
        "template",
        "block",
        "break",
        "continue",
        "nil",
        "true",
        "\"a\"",
        "`b`",
        "'c'",
        "1",
        "-2.5",
        "0x1p4",
        "1e400",
        ".Extra",
        ".Subject",
        ".MatchContext",
        ".URL",
        ".Header",
        ".Get",
        ".x",
        "/*",
        "*/",
        "\\",
        "\n",
        "{%",
        "%}",
        "{#",
        "#}",
        "Extra",
        "é",
        "\"\\xff\"",
    ])
    .prop_map(str::to_owned);
    let function = prop::sample::select(sprig::names().collect::<Vec<_>>()).prop_map(str::to_owned);
    prop_oneof![4 => fixed, 1 => function, 1 => ".{0,3}"]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "a",
            "1",
            "-5",
            "a,b",
            "2020-02-03",
            "%5d%v",
            "[",
            "1.2.3",
            "{\"a\":1}"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec(("[a-e]", inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A call of some function with some of the session for arguments.
fn call() -> impl Strategy<Value = String> {
    let argument = prop::sample::select(vec![
        ".Extra.a",
        ".Extra.b",
        ".Extra.c",
        ".Extra.d.a",
        ".Extra",
        ".",
        ".MatchContext",
        ".Header",
        "nil",
        "0",
        "1",
        "-1",
        "7",
        "2.5",
        "9223372036854775807",
        "\"\"",
        "\"a\"",
        "\"é\"",
        "\"%s %d %[2]*.[1]*f\"",
        "(list 1 \"a\" .Extra.a)",
        "(dict \"a\" .Extra.b)",
        "(print .Extra.a)",
        "(int .Extra.a)",
        "(toString .Extra.b)",
        ".MatchContext.URL",
        "(splitList \"\" (print .Extra.c))",
        "now",
        "(float64 .Extra.a)",
        "(int64 .Extra.b)",
    ]);
    let function = prop::sample::select(sprig::names().collect::<Vec<_>>());
    (function, prop::collection::vec(argument, 0..4))
        .prop_map(|(function, args)| format!("{{{{ {function} {} }}}}", args.join(" ")))
}

fn options() -> impl Strategy<Value = Options> {
    (any::<bool>(), any::<bool>(), 0..3_usize).prop_map(|(header, exact, missing)| Options {
        purpose: if header { Purpose::Header } else { Purpose::Claims },
        numbers: if exact { Numbers::Exact } else { Numbers::Float64 },
        missing: [Missing::Oathkeeper, Missing::Empty, Missing::Error][missing],
    })
}

fn scene(extra: Value) -> Scene {
    Scene { extra: Some(extra), ..Scene::new() }
}

/// Equal, where `0` is as good as `0.0`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics_when_it_is_compiled_and_rendered(
        pieces in prop::collection::vec(piece(), 0..24), options in options(), extra in json(),
    ) {
        let source = pieces.concat();
        for engine in [Engine::Go, Engine::Tera] {
            match Template::compile_with(engine, options, &source) {
                Ok((template, _)) => drop(scene(extra.clone()).render(&template)),
                Err(findings) => for finding in findings {
                    let (start, end) = finding.span.unwrap_or_default();
                    prop_assert!(source.get(start..end).is_some(), "{source:?}: {finding:?}");
                }
            }
        }
    }

    #[test]
    fn no_function_panics_whatever_it_is_given(
        calls in prop::collection::vec(call(), 1..6), options in options(), extra in json(),
    ) {
        for source in calls {
            if let Ok((template, _)) = Template::compile_with(Engine::Go, options, &source) {
                drop(scene(extra.clone()).render(&template));
            }
        }
    }

    #[test]
    fn what_is_written_as_json_reads_as_the_same(extra in json()) {
        let wanted = extra.clone();
        let text = scene(Value::Object(Map::from_iter([("v".to_owned(), extra)]))).go("{{ toJson .Extra.v }}");
        let read: Option<Value> = text.ok().and_then(|text| serde_json::from_str(&text).ok());
        prop_assert!(read.as_ref().is_some_and(|read| same(read, &wanted)), "{read:?}");
    }
}
