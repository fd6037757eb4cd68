//! Functions on lists.

use crate::template::go::function::{Args, Function, MAX_LIST, Scope};
use crate::template::go::list::{List, Of};
use crate::template::go::value::{Answer, Fault, Kind, Value, deep_equal};

const ANY: Kind = Kind::Any;
const LIST: Kind = Kind::List;
const INT: Kind = Kind::Int;

pub const FUNCTIONS: &[Function] = &[
    Function::variadic("list", &[], ANY, LIST, make),
    Function::variadic("tuple", &[], ANY, LIST, make),
    Function::new("first", &[ANY], ANY, first),
    Function::new("mustFirst", &[ANY], ANY, first),
    Function::new("last", &[ANY], ANY, last),
    Function::new("mustLast", &[ANY], ANY, last),
    Function::new("rest", &[ANY], LIST, rest),
    Function::new("mustRest", &[ANY], LIST, rest),
    Function::new("initial", &[ANY], LIST, initial),
    Function::new("mustInitial", &[ANY], LIST, initial),
    Function::new("append", &[ANY, ANY], LIST, append),
    Function::new("mustAppend", &[ANY, ANY], LIST, append),
    Function::new("push", &[ANY, ANY], LIST, append),
    Function::new("mustPush", &[ANY, ANY], LIST, append),
    Function::new("prepend", &[ANY, ANY], LIST, prepend),
    Function::new("mustPrepend", &[ANY, ANY], LIST, prepend),
    Function::variadic("concat", &[], ANY, ANY, concat),
    Function::new("reverse", &[ANY], LIST, reverse),
    Function::new("mustReverse", &[ANY], LIST, reverse),
    Function::new("compact", &[ANY], LIST, compact),
    Function::new("mustCompact", &[ANY], LIST, compact),
    Function::new("uniq", &[ANY], LIST, uniq),
    Function::new("mustUniq", &[ANY], LIST, uniq),
    Function::variadic("without", &[ANY], ANY, LIST, without),
    Function::variadic("mustWithout", &[ANY], ANY, LIST, without),
    Function::new("has", &[ANY, ANY], Kind::Bool, has),
    Function::new("mustHas", &[ANY, ANY], Kind::Bool, has),
    Function::variadic("slice", &[ANY], ANY, ANY, slice),
    Function::variadic("mustSlice", &[ANY], ANY, ANY, slice),
    Function::new("chunk", &[INT, ANY], LIST, chunk),
    Function::new("mustChunk", &[INT, ANY], LIST, chunk),
    Function::new("until", &[INT], LIST, until),
    Function::new("untilStep", &[INT, INT, INT], LIST, until_step),
    Function::variadic("seq", &[], INT, Kind::Text, seq),
];

/// The list that an argument has to be.
fn list<'a, 'd>(args: &'a Args<'_, 'd>, index: usize) -> Result<&'a List<'d>, Fault> {
    match args.get(index) {
        Value::List(list) => Ok(list),
        _ => Err(Fault::from("this is not a list")),
    }
}

fn make<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Scope::list((0..args.len()).map(|index| args.take(index)).collect())
}

fn first<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(list(args, 0)?.get(0).unwrap_or(Value::Nil))
}

fn last<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let list = list(args, 0)?;
    Ok(list.len().checked_sub(1).and_then(|index| list.get(index)).unwrap_or(Value::Nil))
}

fn rest<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let list = list(args, 0)?;
    if list.len() == 0 {
        return Ok(Value::List(List::Nil(Of::Any)));
    }
    Scope::list(list.iter().skip(1).collect())
}

fn initial<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let list = list(args, 0)?;
    if list.len() == 0 {
        return Ok(Value::List(List::Nil(Of::Any)));
    }
    Scope::list(list.iter().take(list.len() - 1).collect())
}

fn append<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let mut items = list(args, 0)?.to_vec();
    items.push(args.take(1));
    Scope::list(items)
}

fn prepend<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let first = args.take(1);
    let items = std::iter::once(first).chain(list(args, 0)?.iter()).collect();
    Scope::list(items)
}

fn concat<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let mut items = Vec::new();
    for index in 0..args.len() {
        items.extend(list(args, index)?.iter());
        if items.len() > MAX_LIST {
            return Err(Fault::from("the list grows too long"));
        }
    }
    if items.is_empty() {
        return Ok(Value::List(List::Nil(Of::Any)));
    }
    Scope::list(items)
}

fn reverse<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let items = list(args, 0)?.iter().rev().collect();
    Scope::list(items)
}

fn compact<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let items = list(args, 0)?.iter().filter(Value::is_true).collect();
    Scope::list(items)
}

fn contains<'d>(scope: &mut Scope<'d>, items: &[Value<'d>], wanted: &Value<'d>) -> Result<bool, Fault> {
    for item in items {
        if deep_equal(scope, wanted, item, 0)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let mut items: Vec<Value<'d>> = Vec::new();
    for item in list(args, 0)?.iter() {
        if !contains(scope, &items, &item)? {
            items.push(item);
        }
    }
    Scope::list(items)
}

fn without<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let mut items: Vec<Value<'d>> = Vec::new();
    for item in list(args, 0)?.iter() {
        if !contains(scope, args.rest(1), &item)? {
            items.push(item);
        }
    }
    Scope::list(items)
}

fn has<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    if args.get(1).is_nil() {
        return Ok(Value::Bool(false));
    }
    for item in list(args, 1)?.iter() {
        if deep_equal(scope, args.get(0), &item, 0)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn slice<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let list = list(args, 0)?;
    if list.len() == 0 {
        return Ok(Value::Nil);
    }
    let position = |index: usize, missing: usize| match args.rest(index).first() {
        Some(value) => usize::try_from(value.to_int()).ok(),
        None => Some(missing),
    };
    let part = position(1, 0).zip(position(2, list.len())).and_then(|(from, to)| list.slice(from, to));
    part.map(Value::List).ok_or_else(|| Fault::from("the positions are out of range"))
}

fn chunk<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let size = usize::try_from(args.int(0)).ok().filter(|size| *size > 0);
    let size = size.ok_or("chunks have to have a size")?;
    let items = list(args, 1)?.to_vec();
    let mut chunks = Vec::with_capacity(items.len() / size + 1);
    for part in items.chunks(size) {
        chunks.push(Scope::list(part.to_vec())?);
    }
    Ok(match Scope::list(chunks)? {
        Value::List(list) => Value::List(list.of_lists()),
        other => other,
    })
}

/// Numbers from `start` to before `end`, as Sprig counts them.
fn count(start: i64, end: i64, step: i64) -> Result<Vec<i64>, Fault> {
    let mut numbers = Vec::new();
    let runs_down = end < start;
    if (runs_down && step >= 0) || (!runs_down && step <= 0) {
        return Ok(numbers);
    }
    let mut at = start;
    while if runs_down { at > end } else { at < end } {
        if numbers.len() >= MAX_LIST {
            return Err(Fault::from("the list grows too long"));
        }
        numbers.push(at);
        let Some(next) = at.checked_add(step) else { break };
        at = next;
    }
    Ok(numbers)
}

fn until<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let stop = args.int(0);
    Ok(Value::List(List::ints(count(0, stop, if stop < 0 { -1 } else { 1 })?)))
}

fn until_step<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::List(List::ints(count(args.int(0), args.int(1), args.int(2))?)))
}

/// Like the shell's `seq`: last; first and last; first, step and last.
fn seq<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let (start, end, step) = match args.len() {
        1 => (1, args.int(0), None),
        2 => (args.int(0), args.int(1), None),
        3 => (args.int(0), args.int(2), Some(args.int(1))),
        _ => return Ok(Value::text("")),
    };
    let towards = if end < start { -1 } else { 1 };
    if step.is_some_and(|step| step > 0 && end < start) {
        return Ok(Value::text(""));
    }
    let numbers = count(start, end.saturating_add(towards), step.unwrap_or(towards))?;
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    Ok(Value::text(numbers.join(" ")))
}
