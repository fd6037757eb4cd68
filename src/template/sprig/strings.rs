//! Functions on text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::template::go::dict::Dict;
use crate::template::go::function::{Args, Function, Scope};
use crate::template::go::list::List;
use crate::template::go::text::{MAX_TEXT, Sheet, plain, quote as quoted, to_text};
use crate::template::go::value::{Answer, Fault, Kind, Value};

const TEXT: Kind = Kind::Text;
const INT: Kind = Kind::Int;
const ANY: Kind = Kind::Any;

pub const FUNCTIONS: &[Function] = &[
    Function::new("trim", &[TEXT], TEXT, trim),
    Function::new("trimAll", &[TEXT, TEXT], TEXT, trim_all),
    Function::new("trimall", &[TEXT, TEXT], TEXT, trim_all),
    Function::new("trimPrefix", &[TEXT, TEXT], TEXT, trim_prefix),
    Function::new("trimSuffix", &[TEXT, TEXT], TEXT, trim_suffix),
    Function::new("trunc", &[INT, TEXT], TEXT, trunc),
    Function::new("substr", &[INT, INT, TEXT], TEXT, substr),
    Function::new("repeat", &[INT, TEXT], TEXT, repeat),
    Function::new("replace", &[TEXT, TEXT, TEXT], TEXT, replace),
    Function::new("contains", &[TEXT, TEXT], Kind::Bool, contains),
    Function::new("hasPrefix", &[TEXT, TEXT], Kind::Bool, has_prefix),
    Function::new("hasSuffix", &[TEXT, TEXT], Kind::Bool, has_suffix),
    Function::new("nospace", &[TEXT], TEXT, nospace),
    Function::new("indent", &[INT, TEXT], TEXT, indent),
    Function::new("nindent", &[INT, TEXT], TEXT, nindent),
    Function::new("plural", &[TEXT, TEXT, INT], TEXT, plural),
    Function::variadic("quote", &[], ANY, TEXT, quote),
    Function::variadic("squote", &[], ANY, TEXT, squote),
    Function::variadic("cat", &[], ANY, TEXT, cat),
    Function::new("toString", &[ANY], TEXT, to_string),
    Function::new("toStrings", &[ANY], Kind::List, to_strings),
    Function::new("join", &[TEXT, ANY], TEXT, join),
    Function::new("split", &[TEXT, TEXT], Kind::Texts, split),
    Function::new("splitn", &[TEXT, INT, TEXT], Kind::Texts, splitn),
    Function::new("splitList", &[TEXT, TEXT], Kind::List, split_list),
    Function::new("sortAlpha", &[ANY], Kind::List, sort_alpha),
    Function::new("hello", &[], TEXT, hello),
];

fn hello<'d>(_: &mut Scope<'d>, _: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::text("Hello!"))
}

/// Keeps only a part of a text, without copying one that is borrowed.
fn cut(text: Value<'_>, part: impl FnOnce(&str) -> &str) -> Answer<'_> {
    Ok(match text {
        Value::Text(Cow::Borrowed(text)) => {
            let part = part(text);
            let start = part.as_ptr().addr() - text.as_ptr().addr();
            Value::Text(Cow::Borrowed(text.get(start..start + part.len()).unwrap_or_default()))
        }
        Value::Text(Cow::Owned(text)) => Value::text(part(&text).to_owned()),
        other => other,
    })
}

fn trim<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    cut(args.take(0), str::trim)
}

fn trim_all<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let text = args.take(1);
    let set = args.text(0);
    cut(text, |text| text.trim_matches(|c| set.contains(c)))
}

fn trim_prefix<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let text = args.take(1);
    let prefix = args.text(0);
    cut(text, |text| text.strip_prefix(prefix).unwrap_or(text))
}

fn trim_suffix<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let text = args.take(1);
    let suffix = args.text(0);
    cut(text, |text| text.strip_suffix(suffix).unwrap_or(text))
}

/// Bytes `start..end` of a text. A character that is cut through is left out, where Go would leave a part
/// of it.
pub fn bytes(text: &str, start: usize, end: usize) -> &str {
    let mut start = start.min(text.len());
    let mut end = end.min(text.len());
    while !text.is_char_boundary(start) {
        start += 1;
    }
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(start..end.max(start)).unwrap_or_default()
}

fn trunc<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let count = args.int(0);
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    cut(args.take(1), |text| {
        if count >= 0 {
            bytes(text, 0, size)
        } else {
            bytes(text, text.len().saturating_sub(size), text.len())
        }
    })
}

fn substr<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    const OUT: &str = "the positions are out of range";
    let (start, end) = (args.int(0), args.int(1));
    let len = i64::try_from(args.text(2).len()).unwrap_or(i64::MAX);
    let (start, end) = if start < 0 {
        (0, end)
    } else if end < 0 || end > len {
        (start, len)
    } else {
        (start, end)
    };
    if start > end || end < 0 || end > len {
        return Err(Fault::from(OUT));
    }
    let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(end)) else {
        return Err(Fault::from(OUT));
    };
    cut(args.take(2), |text| bytes(text, start, end))
}

fn repeat<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let text = args.text(1);
    let count = usize::try_from(args.int(0)).map_err(|_| Fault::from("nothing repeats less than never"))?;
    room(text.len().saturating_mul(count))?;
    Ok(Value::text(text.repeat(count)))
}

/// Refuses what would grow too long before it is made.
pub fn room(size: usize) -> Result<(), Fault> {
    if size > MAX_TEXT { Err(Fault::from("the text grows too long")) } else { Ok(()) }
}

fn replace<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let (old, new, text) = (args.text(0), args.text(1), args.text(2));
    let found = text.matches(old).count();
    if found == 0 {
        return Ok(args.take(2));
    }
    room(text.len().saturating_add(found.saturating_mul(new.len())))?;
    Ok(Value::text(text.replace(old, new)))
}

fn contains<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::Bool(args.text(1).contains(args.text(0))))
}

fn has_prefix<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::Bool(args.text(1).starts_with(args.text(0))))
}

fn has_suffix<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::Bool(args.text(1).ends_with(args.text(0))))
}

fn nospace<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::text(args.text(0).chars().filter(|c| !c.is_whitespace()).collect::<String>()))
}

fn indented(spaces: i64, text: &str) -> Result<String, Fault> {
    let spaces = usize::try_from(spaces).map_err(|_| Fault::from("the indent is negative"))?;
    let lines = text.matches('\n').count() + 1;
    room(text.len().saturating_add(lines.saturating_mul(spaces)))?;
    let pad = " ".repeat(spaces);
    Ok(format!("{pad}{}", text.replace('\n', &format!("\n{pad}"))))
}

fn indent<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    indented(args.int(0), args.text(1)).map(Value::text)
}

fn nindent<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    indented(args.int(0), args.text(1)).map(|text| Value::text(format!("\n{text}")))
}

fn plural<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let which = usize::from(args.int(2) != 1);
    Ok(args.take(which))
}

fn quote<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let mut out: Vec<String> = Vec::new();
    for value in args.rest(0).iter().filter(|value| !value.is_nil()) {
        out.push(quoted(&to_text(value)?));
    }
    Ok(Value::text(out.join(" ")))
}

fn squote<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let mut out: Vec<String> = Vec::new();
    for value in args.rest(0).iter().filter(|value| !value.is_nil()) {
        out.push(format!("'{}'", to_text(value)?));
    }
    Ok(Value::text(out.join(" ")))
}

fn cat<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let mut out = String::new();
    for (index, value) in args.rest(0).iter().filter(|value| !value.is_nil()).enumerate() {
        if index > 0 {
            out.push(' ');
        }
        Sheet::new(&mut out).value(value)?;
    }
    Ok(Value::text(out))
}

fn to_string<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    match args.take(0) {
        text @ Value::Text(_) => Ok(text),
        value => plain(&value).map(Value::text),
    }
}

/// Everything as texts (Sprig's `strslice`): nils left out, a single value as a list of one.
pub fn texts<'d>(value: &Value<'d>) -> Result<Vec<Cow<'d, str>>, Fault> {
    let text = |value: Value<'d>| match value {
        Value::Text(text) => Ok(text),
        other => plain(&other).map(Cow::Owned),
    };
    match value {
        Value::List(list) => list.iter().filter(|item| !item.is_nil()).map(text).collect(),
        nil if nil.is_nil() => Ok(Vec::new()),
        other => Ok(vec![text(other.clone())?]),
    }
}

fn to_strings<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::List(List::texts(texts(args.get(0))?)))
}

fn join<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let parts = texts(args.get(1))?;
    let between = args.text(0);
    room(parts.iter().map(|part| part.len() + between.len()).sum())?;
    Ok(Value::text(parts.join(between)))
}

fn sort_alpha<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let mut parts = match args.get(0) {
        nil if nil.is_nil() => vec![Cow::Borrowed("<nil>")],
        Value::List(list) if list.is_nil() => return Ok(args.take(0)),
        value => texts(value)?,
    };
    parts.sort_unstable();
    Ok(Value::List(List::texts(parts)))
}

/// Go's `strings.SplitN`: no separator splits into characters, no limit means all.
fn parts<'t>(separator: &str, limit: Option<usize>, text: &'t str) -> Vec<&'t str> {
    let limit = limit.unwrap_or(usize::MAX);
    if limit == 0 {
        return Vec::new();
    }
    if !separator.is_empty() {
        return text.splitn(limit, separator).collect();
    }
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if found.len() + 1 == limit {
            break;
        }
        let (first, behind) = rest.split_at_checked(c.len_utf8()).unwrap_or((rest, ""));
        found.push(first);
        rest = behind;
    }
    if !rest.is_empty() {
        found.push(rest);
    }
    found
}

/// `_0`, `_1` and so on.
fn numbered<'d>(parts: Vec<&str>) -> Value<'d> {
    let entries: BTreeMap<String, Cow<'d, str>> = parts
        .into_iter()
        .enumerate()
        .map(|(index, part)| (format!("_{index}"), Cow::Owned(part.to_owned())))
        .collect();
    Value::Dict(Dict::Texts(Rc::new(entries)))
}

fn split<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(numbered(parts(args.text(0), None, args.text(1))))
}

fn splitn<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(numbered(parts(args.text(0), usize::try_from(args.int(1)).ok(), args.text(2))))
}

fn split_list<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::List(match args.get(1) {
        Value::Text(Cow::Borrowed(text)) => List::texts(parts(args.text(0), None, text)),
        _ => List::texts(parts(args.text(0), None, args.text(1)).into_iter().map(str::to_owned)),
    }))
}
