//! Placeholders of the suites, and the documents made of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::{Captures, Regex};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

/// Keys, key sets and signed tokens of `fixtures.json`.
pub static FIXTURES: LazyLock<Value> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/fixtures.json");
    let text = std::fs::read_to_string(path).expect("fixtures.json");
    serde_json::from_str(&text).expect("fixtures.json")
});

static PLACEHOLDER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$\{([A-Za-z0-9_.:/-]+)\}").expect("a regular expression"));

/// What the placeholders stand for.
#[derive(Debug, Default)]
pub struct Values(pub HashMap<&'static str, Value>);

impl Values {
    /// A port, by its placeholder.
    pub fn port(&self, name: &str) -> u16 {
        self.0.get(name).and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok()).unwrap_or_default()
    }

    /// Replaces every placeholder in a value. One that stands alone keeps its type; one that is unknown stays.
    pub fn fill(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.fill_alone(text),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(map) => self.fill_object(map),
            other => other.clone(),
        }
    }

    /// Replaces every placeholder in a text.
    pub fn fill_text(&self, text: &str) -> String {
        PLACEHOLDER
            .replace_all(text, |found: &Captures<'_>| {
                self.meaning(&found[1]).unwrap_or_else(|| found[0].to_owned())
            })
            .into_owned()
    }

    fn fill_alone(&self, text: &str) -> Value {
        let alone = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        match alone.and_then(|name| self.0.get(name)) {
            Some(number @ Value::Number(_)) => number.clone(),
            _ => Value::String(self.fill_text(text)),
        }
    }

    fn fill_object(&self, map: &Map<String, Value>) -> Value {
        let only = |key: &str| (map.len() == 1).then(|| map.get(key)).flatten();
        if let Some(set) = only("$fixture") {
            return fixture("jwks", set.as_str().unwrap_or_default()).clone();
        }
        if let Some(rules) = only("$inline") {
            let rules = self.fill(rules);
            let text = rules.as_str().map_or_else(|| rules.to_string(), str::to_owned);
            return format!("inline://{}", STANDARD.encode(text)).into();
        }
        if let Some(repeat) = only("$repeat") {
            let times = repeat.get(1).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
            let times = times.expect("$repeat: how often");
            return match self.fill(repeat.get(0).expect("$repeat: what")) {
                Value::String(text) => text.repeat(times).into(),
                Value::Array(items) => std::iter::repeat_n(items, times).flatten().collect(),
                other => panic!("$repeat of {other}"),
            };
        }
        map.iter().map(|(key, value)| (self.fill_text(key), self.fill(value))).collect()
    }

    fn meaning(&self, name: &str) -> Option<String> {
        if let Some(value) = self.0.get(name) {
            return Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        let (kind, name) = name.split_once(':')?;
        let text = |set| fixture(set, name).as_str().unwrap_or_default().to_owned();
        match kind {
            "tok" => Some(text("tokens")),
            "pem" => Some(text("pem")),
            "pem64" => Some(STANDARD.encode(text("pem"))),
            _ => None,
        }
    }
}

fn fixture(set: &str, name: &str) -> &'static Value {
    FIXTURES
        .get(set)
        .and_then(|set| set.get(name))
        .unwrap_or_else(|| panic!("no {name} in {set} of fixtures.json"))
}

/// A file's content as text: YAML for `.yaml` and `.yml`, JSON else, text as it is.
pub fn document(name: &str, content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        other if is_yaml(name) => {
            let mut out = String::new();
            yaml(other, 0, &mut out);
            out.trim_start_matches('\n').to_owned()
        }
        other => format!("{other:#}"),
    }
}

fn is_yaml(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Block YAML with JSON scalars, written after the `key:` or `-` it belongs to.
fn yaml(value: &Value, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(map) if map.is_empty() => out.push_str(" {}\n"),
        Value::Array(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Object(map) => {
            out.push('\n');
            for (key, value) in map {
                out.push_str(&pad);
                out.push_str(&if is_plain_key(key) { key.clone() } else { ascii_json(&key.as_str().into()) });
                out.push(':');
                yaml(value, depth + 1, out);
            }
        }
        Value::Array(items) => {
            out.push('\n');
            for item in items {
                out.push_str(&pad);
                out.push('-');
                let mut body = String::new();
                yaml(item, depth + 1, &mut body);
                // A collection begins on the dash's own line.
                match body.strip_prefix('\n') {
                    Some(block) => out.push_str(block.get(pad.len() + 1..).unwrap_or_default()),
                    None => out.push_str(&body),
                }
            }
        }
        scalar => {
            out.push(' ');
            out.push_str(&ascii_json(scalar));
            out.push('\n');
        }
    }
}

fn is_plain_key(key: &str) -> bool {
    static KEY: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("^[A-Za-z_][A-Za-z0-9_-]*$").expect("a regular expression"));
    let special = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    KEY.is_match(key) && !special.contains(&key.to_ascii_lowercase().as_str())
}

fn ascii_json(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// First of 256 private characters, each of which stands for a byte that is no UTF-8.
const RAW_BYTES: u32 = 0x0010_F700;

/// Suites write such a byte as a lone surrogate, `\udc80` to `\udcff`, which JSON for Rust does not know.
pub fn without_lone_surrogates(text: &str) -> String {
    static LONE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(\\u[dD][89abAB][0-9a-fA-F]{2})?\\u[dD][cC]([89a-fA-F][0-9a-fA-F])")
            .expect("a regular expression")
    });
    LONE.replace_all(text, |found: &Captures<'_>| {
        if found.get(1).is_some() {
            return found[0].to_owned(); // a pair
        }
        let byte = u32::from_str_radix(&found[2], 16).unwrap_or_default();
        char::from_u32(RAW_BYTES + byte).map(String::from).unwrap_or_default()
    })
    .into_owned()
}

/// A text as it goes out: UTF-8 but for the bytes that are none.
pub fn bytes(text: &str) -> Vec<u8> {
    text.chars()
        .flat_map(|c| match u32::from(c).checked_sub(RAW_BYTES).and_then(|n| u8::try_from(n).ok()) {
            Some(byte) => vec![byte],
            None => c.to_string().into_bytes(),
        })
        .collect()
}

/// What must hold of this module.
pub fn self_checks() -> Vec<(&'static str, fn())> {
    vec![
        ("placeholders are replaced, and a number that stands alone stays one", || {
            let values = Values([("API_PORT", 80.into()), ("STUB", "http://127.0.0.1:81".into())].into());
            let given = serde_json::json!({
                "${STUB}": ["${API_PORT}", "at ${API_PORT}", "${STUB}/x", "${JWT}"],
                "inline": {"$inline": [1]}, "long": {"$repeat": ["ab", 3]},
            });
            let wanted = serde_json::json!({
                "http://127.0.0.1:81": [80, "at 80", "http://127.0.0.1:81/x", "${JWT}"],
                "inline": "inline://WzFd", "long": "ababab",
            });
            assert_eq!(values.fill(&given), wanted);
        }),
        ("an object becomes the YAML that a YAML reader makes into it again", || {
            let given = serde_json::json!({
                "a": {"b": [], "c": {}, "on": "yes", "x y": null}, "d": [1, [2, [3]], {"e": {"f": "é\n"}, "g": [{"h": 1}]}],
            });
            let read: Value = serde_yaml::from_str(&document("x.yaml", &given)).expect("YAML");
            assert_eq!(read, given);
        }),
        ("a lone surrogate stands for its byte", || {
            let read: Value =
                serde_json::from_str(&without_lone_surrogates("[\"a\\udcffb\\ud83d\\ude00é\"]"))
                    .expect("JSON");
            assert_eq!(bytes(read[0].as_str().expect("text")), b"a\xffb\xf0\x9f\x98\x80\xc3\xa9");
        }),
    ]
}
