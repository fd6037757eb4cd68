//! Documents: text in YAML, JSON or TOML as one tree of values, and where it cannot be read.

mod chunks;
mod fold;
mod legacy;
mod tree;

use std::path::Path;

use serde_json::Value;

pub use self::fold::{drop_rule_nulls, fold_rule_keys};
use crate::diagnostic::Finding;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Format {
    Yaml,
    Json,
    Toml,
}

/// What a document says, and what is odd about how it says it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The tree; `null` for an empty document.
    pub value: Value,
    /// Warnings, with pointers into the tree.
    pub warnings: Vec<Finding>,
}

impl Format {
    /// The format that a configuration file's name asks for.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
            Self::Toml => "TOML",
        }
    }
}

/// Reads a document of rules: JSON where it is JSON, else YAML, whatever it is called. Only the first YAML
/// document counts.
///
/// Oathkeeper reads YAML 1.1, where a bare `y` or `on` is a boolean. Here a setting that is a boolean takes
/// such words; everywhere else they are text, as in YAML 1.2. Both come with a warning. A key that stands
/// twice counts the last time, with a warning.
pub fn parse(text: &str, name: &str) -> Result<Document, Finding> {
    let json = match read(text, Format::Json) {
        Ok(document) => return Ok(document),
        Err(finding) => finding,
    };
    match read(text, Format::Yaml) {
        Ok(mut document) => {
            document.warnings.extend(legacy::booleans(text, &mut document.value));
            Ok(document)
        }
        Err(yaml) => {
            let looks_like_json =
                name.rsplit('.').next().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
            Err(if looks_like_json { json } else { yaml })
        }
    }
}

/// Shows the items of a document that is a list one after another, which takes far less memory than all of it at
/// once: in JSON, and in YAML where it is long and can be cut. Gives the warnings, or `None` where the document is
/// something else or is broken: then [`parse`] has the word, and what was shown does not count.
pub fn each_item(text: &str, show: &mut dyn FnMut(Value)) -> Option<Vec<Finding>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.trim_start().starts_with('[') {
        return each_of_yaml(text, show);
    }
    let notes = tree::each_of_json(text, show)?;
    Some(notes.duplicates.iter().map(|pointer| duplicate(pointer)).collect())
}

fn each_of_yaml(text: &str, show: &mut dyn FnMut(Value)) -> Option<Vec<Finding>> {
    let (mut warnings, mut words) = (Vec::new(), Vec::new());
    let mut before = 0;
    for chunk in chunks::of(text)? {
        let chunk = text.get(chunk)?;
        let (mut value, notes) = tree::from_yaml(chunk).ok()?;
        let of_chunk = legacy::booleans(chunk, &mut value);
        let Value::Array(items) = value else { return None };
        for pointer in notes.duplicates {
            let pointer = moved(&pointer, before)?;
            warnings.push(duplicate(&pointer));
        }
        for word in of_chunk {
            let pointer = moved(&word.pointer, before)?;
            words.push(Finding { pointer, ..word });
        }
        before += items.len();
        items.into_iter().for_each(&mut *show);
    }
    warnings.extend(words);
    Some(warnings)
}

/// A pointer into a list that so many items stand in front of.
fn moved(pointer: &str, before: usize) -> Option<String> {
    let rest = pointer.strip_prefix('/')?;
    let (index, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some(format!("/{}{rest}", index.parse::<usize>().ok()? + before))
}

/// Reads a document in a known format.
pub fn parse_as(text: &str, format: Format) -> Result<Document, Finding> {
    let mut document = read(text, format)?;
    if format == Format::Yaml
        && let Some(twice) = document.warnings.iter().position(|finding| finding.code == "duplicate-key")
    {
        // Oathkeeper does not start with such a file either.
        let mut finding = document.warnings.swap_remove(twice);
        finding.severity = crate::diagnostic::Severity::Error;
        finding.message = finding.message.replace(", the last counts", "");
        return Err(finding);
    }
    Ok(document)
}

fn read(text: &str, format: Format) -> Result<Document, Finding> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let read = match format {
        Format::Json if text.trim().is_empty() => Ok((Value::Null, tree::Notes::default())),
        Format::Json => tree::from_json(text),
        Format::Yaml => tree::from_yaml(text),
        Format::Toml => tree::from_toml(text),
    };
    match read {
        Ok((value, notes)) => {
            let mut warnings: Vec<Finding> =
                notes.duplicates.iter().map(|pointer| duplicate(pointer)).collect();
            if notes.several {
                let message = "only the first of the documents here is read";
                warnings.push(Finding::warning("several-documents", "", message));
            }
            Ok(Document { value, warnings })
        }
        Err(fault) => {
            let end = fault.at
                + text.get(fault.at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
            let message = format!("this is not {} that can be read: {}", format.name(), fault.what);
            Err(Finding::error("syntax", "", message).span(fault.at, end))
        }
    }
}

fn duplicate(pointer: &str) -> Finding {
    let path = crate::diagnostic::text::quote(&crate::schema::dotted(pointer));
    Finding::warning("duplicate-key", pointer, format!("{path} stands here twice, only the last counts"))
        .at_key()
}

#[cfg(test)]
mod tests;
