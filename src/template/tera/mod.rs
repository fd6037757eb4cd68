//! Tera templates (Jinja2-like): the same data under the same names.
//!
//! `Subject`, `Extra`, `Header` and `MatchContext` are there as in Go templates, and once more in the
//! spelling of Oathkeeper's JSON (`subject`, `extra`, `header`, `match_context.regexp_capture_groups`).
//! Header maps and queries have lists: `MatchContext.Header["X-Client"].0`. A name that is not there is an
//! error to Tera; `default(value="")` says what to take instead.

mod context;
mod scan;

use std::error::Error as _;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tera::{ErrorKind, Tera};

use super::{Data, Options, RenderError};
use crate::diagnostic::Finding;
use context::Wanted;

/// Tera's parser recurses; longer texts are refused.
const MAX_SOURCE: usize = 64 << 10;
/// No text may come out longer, in bytes.
const MAX_TEXT: usize = 1 << 20;
/// `range` gives no more numbers.
const MAX_RANGE: u64 = 10_000;
const NAME: &str = "template";

/// A Tera template, ready to render.
pub struct Program {
    engine: Tera,
    source: Box<str>,
    wanted: Wanted,
}

/// Reads and checks a template.
pub fn compile(_: Options, source: &str) -> Result<Program, Vec<Finding>> {
    if source.len() > MAX_SOURCE {
        let text = format!("this template has {} bytes, more than {MAX_SOURCE}", source.len());
        return Err(vec![Finding::error("template-too-long", "", text)]);
    }
    let scan = scan::scan(source);
    if let Some(at) = scan.too_deep {
        let text = "too much stands within each other";
        return Err(vec![Finding::error("template-syntax", "", text).span(at, at + 1)]);
    }
    let mut engine = Tera::default();
    engine.autoescape_on(Vec::new());
    engine.register_function("range", range);
    // Whatever Tera thinks of a text, it must not end the server.
    let added = catch_unwind(AssertUnwindSafe(|| engine.add_raw_template(NAME, source)));
    match added {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(vec![syntax(&error, source)]),
        Err(_) => return Err(vec![Finding::error("template-syntax", "", "Tera cannot read this template")]),
    }
    let findings = scan.check(&engine);
    if !findings.is_empty() {
        return Err(findings);
    }
    Ok(Program { engine, source: Box::from(source), wanted: Wanted::new(&scan) })
}

/// What Tera says of a text that it cannot read, with the place.
fn syntax(error: &tera::Error, source: &str) -> Finding {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    let place = text.split_once("--> ").and_then(|(_, rest)| rest.split_whitespace().next());
    let place = place.and_then(|place| place.split_once(':'));
    let message = match text.rsplit_once("= ") {
        Some((_, reason)) => reason.trim().to_owned(),
        None => text.lines().next().unwrap_or_default().trim().replace(&format!("'{NAME}'"), "the template"),
    };
    let finding = Finding::error("template-syntax", "", message);
    let number = |text: &str| text.parse::<usize>().ok();
    match place.and_then(|(line, column)| Some((number(line)?, number(column)?))) {
        Some((line, column)) => {
            let start = offset(source, line, column);
            let width = source.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
            finding.span(start, start + width)
        }
        None => finding,
    }
}

/// The byte that line and column, both from 1, stand for.
fn offset(source: &str, line: usize, column: usize) -> usize {
    let before: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = source.get(before..).unwrap_or_default();
    rest.char_indices().nth(column.saturating_sub(1)).map_or(source.len(), |(at, _)| before + at)
}

/// Tera's own `range` would fill the memory.
fn range(args: &std::collections::HashMap<String, tera::Value>) -> tera::Result<tera::Value> {
    let number = |name: &str, missing: Option<u64>| match args.get(name) {
        Some(value) => value.as_u64(),
        None => missing,
    };
    let numbers = number("start", Some(0)).zip(number("end", None)).zip(number("step_by", Some(1)));
    match numbers {
        Some(((start, end), step)) if step > 0 && start <= end && (end - start) / step <= MAX_RANGE => {
            let mut values = Vec::new();
            let mut at = start;
            while at < end {
                values.push(tera::Value::from(at));
                at = at.saturating_add(step);
            }
            Ok(tera::Value::Array(values))
        }
        _ => Err(tera::Error::msg("these numbers give no range")),
    }
}

/// Text with a bound.
struct Bounded<'o> {
    out: &'o mut String,
    start: usize,
}

impl io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        if self.out.len() - self.start + text.len() > MAX_TEXT {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.out.push_str(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Program {
    /// The text itself, where nothing is to be done with it.
    pub fn into_literal(self) -> Result<Box<str>, Box<Self>> {
        let plain = !["{{", "{%", "{#"].iter().any(|mark| self.source.contains(mark));
        if plain { Ok(self.source) } else { Err(Box::new(self)) }
    }

    pub fn uses_captures(&self) -> bool {
        self.wanted.captures()
    }

    /// Renders behind what `out` holds.
    pub fn render(&self, data: &Data<'_>, out: &mut String) -> Result<(), RenderError> {
        let context = self.wanted.context(data);
        let start = out.len();
        let writer = Bounded { out, start };
        // Whatever Tera does with the values, it must not end the server.
        let rendered = catch_unwind(AssertUnwindSafe(|| self.engine.render_to(NAME, &context, writer)));
        match rendered {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(RenderError(self.describe(&error))),
            Err(_) => Err(RenderError("tera template: it cannot be rendered".to_owned())),
        }
    }

    /// What went wrong, without a word of the data: only what the template itself says is repeated.
    fn describe(&self, error: &tera::Error) -> String {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        let mut known = "it cannot be rendered".to_owned();
        while let Some(inner) = cause {
            match inner.downcast_ref::<tera::Error>().map(|e| &e.kind) {
                Some(ErrorKind::CallFilter(name)) => known = format!("filter `{name}` fails"),
                Some(ErrorKind::CallFunction(name)) => known = format!("function `{name}` fails"),
                Some(ErrorKind::CallTest(name)) => known = format!("test `{name}` fails"),
                Some(ErrorKind::Io(_)) => "the text grows too long".clone_into(&mut known),
                Some(ErrorKind::Msg(text)) => {
                    let name = text.strip_prefix("Variable `").and_then(|rest| rest.split('`').next());
                    if let Some(name) = name.filter(|name| self.source.contains(name)) {
                        known = format!("`{name}` is not there, or not of a kind that can stand here");
                    }
                }
                _ => {}
            }
            cause = inner.source();
        }
        format!("tera template: {known}")
    }
}
