//! Functions on dicts.

use std::cell::RefCell;
use std::rc::Rc;

use crate::template::go::dict::{Dict, Entries};
use crate::template::go::function::{Args, Function, MAX_DEPTH, Scope};
use crate::template::go::list::List;
use crate::template::go::text::to_text;
use crate::template::go::value::{Answer, Fault, Kind, Value};

const ANY: Kind = Kind::Any;
const TEXT: Kind = Kind::Text;
const DICT: Kind = Kind::Dict;

pub const FUNCTIONS: &[Function] = &[
    Function::variadic("dict", &[], ANY, DICT, make),
    Function::new("get", &[DICT, TEXT], ANY, get),
    Function::new("set", &[DICT, TEXT, ANY], DICT, set),
    Function::new("unset", &[DICT, TEXT], DICT, unset),
    Function::new("hasKey", &[DICT, TEXT], Kind::Bool, has_key),
    Function::variadic("pluck", &[TEXT], DICT, Kind::List, pluck),
    Function::variadic("keys", &[], DICT, Kind::List, keys),
    Function::new("values", &[DICT], Kind::List, values),
    Function::variadic("pick", &[DICT], TEXT, DICT, pick),
    Function::variadic("omit", &[DICT], TEXT, DICT, omit),
    Function::variadic("dig", &[ANY, ANY, ANY], ANY, ANY, dig),
    Function::variadic("merge", &[DICT], DICT, ANY, |scope, args| merge(scope, args, false)),
    Function::variadic("mustMerge", &[DICT], DICT, ANY, |scope, args| merge(scope, args, false)),
    Function::variadic("mergeOverwrite", &[DICT], DICT, ANY, |scope, args| merge(scope, args, true)),
    Function::variadic("mustMergeOverwrite", &[DICT], DICT, ANY, |scope, args| merge(scope, args, true)),
    Function::new("deepCopy", &[ANY], ANY, deep_copy),
    Function::new("mustDeepCopy", &[ANY], ANY, deep_copy),
];

/// The dict that an argument was declared as.
fn dict<'d>(args: &Args<'_, 'd>, index: usize) -> Dict<'d> {
    match args.get(index) {
        Value::Dict(dict) => dict.clone(),
        _ => Dict::Nil,
    }
}

/// Keys and values in turns; a key without a value gets the empty text.
fn make<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let mut entries = Entries::new();
    for at in (0..args.len()).step_by(2) {
        let value = if at + 1 < args.len() { args.take(at + 1) } else { Value::text("") };
        let key = match args.take(at) {
            Value::Text(key) => key,
            other => to_text(&other)?.into_owned().into(),
        };
        entries.insert(key, value);
    }
    Ok(scope.dict(entries))
}

fn get<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(dict(args, 0).get(args.text(1)).unwrap_or_else(|| Value::text("")))
}

fn set<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let target = dict(args, 0);
    if target.is_nil() {
        return Err(Fault::from("nothing can be set in nil"));
    }
    let shared = scope.changeable(&target);
    let Value::Text(key) = args.take(1) else { return Err(Fault::from("a key has to be a text")) };
    shared.borrow_mut().insert(key, args.take(2));
    Ok(Value::Dict(Dict::Made(shared)))
}

fn unset<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let target = dict(args, 0);
    if target.is_nil() {
        return Ok(args.take(0));
    }
    let shared = scope.changeable(&target);
    shared.borrow_mut().remove(args.text(1));
    Ok(Value::Dict(Dict::Made(shared)))
}

fn has_key<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::Bool(dict(args, 0).contains(args.text(1))))
}

fn pluck<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let items = (1..args.len()).filter_map(|index| dict(args, index).get(args.text(0))).collect();
    Scope::list(items)
}

/// In order, where Go's is random.
fn keys<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::List(List::texts((0..args.len()).flat_map(|index| dict(args, index).keys()))))
}

fn values<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Scope::list(dict(args, 0).entries().into_iter().map(|(_, value)| value).collect())
}

fn pick<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let from = dict(args, 0);
    let mut entries = Entries::new();
    for index in 1..args.len() {
        if let Some(value) = from.get(args.text(index))
            && let Value::Text(key) = args.take(index)
        {
            entries.insert(key, value);
        }
    }
    Ok(scope.dict(entries))
}

fn omit<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let omitted: Vec<&str> = (1..args.len()).map(|index| args.text(index)).collect();
    let entries = dict(args, 0).entries().into_iter().filter(|(key, _)| !omitted.contains(&&**key));
    let entries = entries.collect();
    Ok(scope.dict(entries))
}

/// Keys, a default and the dict to dig in.
fn dig<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let keys = args.len() - 2;
    let mut at = args.take(keys + 1);
    for index in 0..keys {
        let Value::Text(key) = args.get(index) else {
            return Err(Fault::from("the keys to dig by have to be texts"));
        };
        let Value::Dict(dict) = &at else { return Err(Fault::from("what is dug in is not a dict")) };
        if dict.is_texts() {
            return Err(Fault::from("what is dug in is not a dict"));
        }
        match dict.get(key) {
            Some(next) => at = next,
            None => return Ok(args.take(keys)),
        }
    }
    Ok(at)
}

fn merge<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>, overwrite: bool) -> Answer<'d> {
    let target = scope.changeable(&dict(args, 0));
    for index in 1..args.len() {
        merge_into(scope, &target, &dict(args, index), overwrite, 0)?;
    }
    Ok(Value::Dict(Dict::Made(target)))
}

/// What the source has and the target has not, or, to overwrite, all that the source has; dicts in dicts
/// alike.
fn merge_into<'d>(
    scope: &mut Scope<'d>,
    target: &Rc<RefCell<Entries<'d>>>,
    source: &Dict<'d>,
    overwrite: bool,
    depth: u8,
) -> Result<(), Fault> {
    if depth == MAX_DEPTH {
        return Err(Fault::from("these dicts are too deep to merge"));
    }
    for (key, value) in source.entries() {
        scope.visit()?;
        let old = target.borrow().get(&key).cloned();
        let keep = old.as_ref().is_some_and(Value::is_true);
        let value = match (old, value) {
            (Some(Value::Dict(old)), Value::Dict(new)) if keep && !old.is_texts() => {
                let inner = scope.changeable(&old);
                merge_into(scope, &inner, &new, overwrite, depth + 1)?;
                Value::Dict(Dict::Made(inner))
            }
            (_, Value::Nil) if overwrite => Value::Nil,
            (_, Value::Nil) => continue,
            (_, value) if overwrite || !keep => value,
            _ => continue,
        };
        target.borrow_mut().insert(key, value);
    }
    Ok(())
}

fn deep_copy<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    copy(scope, args.get(0), 0)
}

fn copy<'d>(scope: &mut Scope<'d>, value: &Value<'d>, depth: u8) -> Answer<'d> {
    scope.visit()?;
    if depth == MAX_DEPTH {
        return Err(Fault::from("this is too deep to copy"));
    }
    match value {
        Value::Dict(Dict::Made(shared)) => {
            let entries = shared.borrow().clone();
            let mut copied = Entries::new();
            for (key, value) in &entries {
                copied.insert(key.clone(), copy(scope, value, depth + 1)?);
            }
            Ok(scope.dict(copied))
        }
        Value::List(list) if list.elements() == crate::template::go::list::Of::Any && !list.is_nil() => {
            let items = list.iter().map(|item| copy(scope, &item, depth + 1)).collect::<Result<_, _>>()?;
            Scope::list(items)
        }
        // What nobody can change need not be copied.
        other => Ok(other.clone()),
    }
}
