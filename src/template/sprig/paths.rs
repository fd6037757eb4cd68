//! Functions on slash-separated paths, by Go's `path`.

use crate::template::go::function::{Args, Function};
use crate::template::go::value::{Answer, Kind, Value};

const TEXT: Kind = Kind::Text;

pub const FUNCTIONS: &[Function] = &[
    Function::new("base", &[TEXT], TEXT, |_, args| map(args, base)),
    Function::new("osBase", &[TEXT], TEXT, |_, args| map(args, base)),
    Function::new("dir", &[TEXT], TEXT, |_, args| map(args, dir)),
    Function::new("osDir", &[TEXT], TEXT, |_, args| map(args, dir)),
    Function::new("ext", &[TEXT], TEXT, |_, args| map(args, ext)),
    Function::new("osExt", &[TEXT], TEXT, |_, args| map(args, ext)),
    Function::new("clean", &[TEXT], TEXT, |_, args| map(args, clean)),
    Function::new("osClean", &[TEXT], TEXT, |_, args| map(args, clean)),
    Function::new("isAbs", &[TEXT], Kind::Bool, |_, args| is_abs(args)),
    Function::new("osIsAbs", &[TEXT], Kind::Bool, |_, args| is_abs(args)),
];

fn map<'d>(args: &mut Args<'_, 'd>, change: fn(&str) -> String) -> Answer<'d> {
    Ok(Value::text(change(args.text(0))))
}

fn is_abs<'d>(args: &Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::Bool(args.text(0).starts_with('/')))
}

/// The last element; `.` for none, `/` for nothing but slashes.
fn base(path: &str) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    match path.trim_end_matches('/').rsplit('/').next() {
        Some("") | None => "/".to_owned(),
        Some(name) => name.to_owned(),
    }
}

/// Everything but the last element, cleaned.
fn dir(path: &str) -> String {
    clean(path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or_default())
}

/// The last element's suffix, from its last dot on.
fn ext(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rfind('.').and_then(|at| name.get(at..)).unwrap_or_default().to_owned()
}

/// The shortest equal path: no `//`, no `.`, no `..` but in front of a relative one.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => {
                kept.pop();
            }
            ".." if rooted => {}
            other => kept.push(other),
        }
    }
    let joined = kept.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Elements joined with slashes and cleaned; empty ones are left out.
pub fn join(elements: &[&str]) -> String {
    let kept: Vec<&str> = elements.iter().copied().filter(|element| !element.is_empty()).collect();
    if kept.is_empty() { String::new() } else { clean(&kept.join("/")) }
}
