//! Functions that match patterns.

use regex::Regex;

use super::pattern;
use crate::template::go::function::{Args, Function, MAX_LIST, Scope};
use crate::template::go::list::{List, Of};
use crate::template::go::value::{Answer, Fault, Kind, Value};

const TEXT: Kind = Kind::Text;
const INT: Kind = Kind::Int;

pub const FUNCTIONS: &[Function] = &[
    Function::new("regexMatch", &[TEXT, TEXT], Kind::Bool, is_match),
    Function::new("mustRegexMatch", &[TEXT, TEXT], Kind::Bool, is_match),
    Function::new("regexFind", &[TEXT, TEXT], TEXT, find),
    Function::new("mustRegexFind", &[TEXT, TEXT], TEXT, find),
    Function::new("regexFindAll", &[TEXT, TEXT, INT], Kind::List, find_all),
    Function::new("mustRegexFindAll", &[TEXT, TEXT, INT], Kind::List, find_all),
    Function::new("regexReplaceAll", &[TEXT, TEXT, TEXT], TEXT, |s, a| replace_all(s, a, false)),
    Function::new("mustRegexReplaceAll", &[TEXT, TEXT, TEXT], TEXT, |s, a| replace_all(s, a, false)),
    Function::new("regexReplaceAllLiteral", &[TEXT, TEXT, TEXT], TEXT, |s, a| replace_all(s, a, true)),
    Function::new("mustRegexReplaceAllLiteral", &[TEXT, TEXT, TEXT], TEXT, |s, a| replace_all(s, a, true)),
    Function::new("regexSplit", &[TEXT, TEXT, INT], Kind::List, split),
    Function::new("mustRegexSplit", &[TEXT, TEXT, INT], Kind::List, split),
    Function::new("regexQuoteMeta", &[TEXT], TEXT, quote_meta),
];

/// The pattern of a call: compiled at load, earlier in this rendering, or now.
fn regex(scope: &mut Scope<'_>, args: &Args<'_, '_>) -> Result<Regex, Fault> {
    let pattern = args.text(0);
    let known = scope.patterns.iter().chain(&scope.made_patterns).find(|(text, _)| **text == *pattern);
    if let Some((_, regex)) = known {
        return Ok(regex.clone());
    }
    let regex = pattern::compile(pattern).map_err(|_| Fault::from("this pattern does not compile"))?;
    scope.keep_pattern(pattern, &regex)?;
    Ok(regex)
}

/// The first `limit` items, all of them for a negative one.
fn limit(limit: i64) -> usize {
    usize::try_from(limit).unwrap_or(MAX_LIST)
}

fn is_match<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::Bool(regex(scope, args)?.is_match(args.text(1))))
}

fn find<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let regex = regex(scope, args)?;
    Ok(Value::text(regex.find(args.text(1)).map_or("", |found| found.as_str()).to_owned()))
}

fn find_all<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let regex = regex(scope, args)?;
    let found = regex.find_iter(args.text(1)).take(limit(args.int(2)));
    let found: Vec<String> = found.map(|found| found.as_str().to_owned()).collect();
    Ok(Value::List(if found.is_empty() { List::Nil(Of::Text) } else { List::texts(found) }))
}

fn replace_all<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>, literal: bool) -> Answer<'d> {
    let regex = regex(scope, args)?;
    let (text, with) = (args.text(1), args.text(2));
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for found in regex.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        out.push_str(text.get(from..whole.start()).unwrap_or_default());
        if literal {
            out.push_str(with);
        } else {
            found.expand(with, &mut out);
        }
        super::strings::room(out.len())?;
        from = whole.end();
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Ok(Value::text(out))
}

fn split<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let count = args.int(2);
    if count == 0 {
        return Ok(Value::List(List::Nil(Of::Text)));
    }
    let regex = regex(scope, args)?;
    let text = args.text(1);
    if text.is_empty() && !args.text(0).is_empty() {
        return Ok(Value::List(List::texts([""])));
    }
    let mut parts: Vec<String> = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for found in regex.find_iter(text).take(limit(count)) {
        if count > 0 && parts.len() + 1 == limit(count) {
            break;
        }
        end = found.start();
        // An empty match at the very beginning splits nothing off.
        if found.end() != 0 {
            parts.push(text.get(begin..end).unwrap_or_default().to_owned());
        }
        begin = found.end();
    }
    if end != text.len() {
        parts.push(text.get(begin..).unwrap_or_default().to_owned());
    }
    Ok(Value::List(List::texts(parts)))
}

fn quote_meta<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let text = args.text(0);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    Ok(Value::text(out))
}
