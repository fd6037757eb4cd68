//! Functions about types.

use crate::template::go::function::Function;
use crate::template::go::value::{Kind, Value, deep_equal};

const ANY: Kind = Kind::Any;
const TEXT: Kind = Kind::Text;
const BOOL: Kind = Kind::Bool;

pub const FUNCTIONS: &[Function] = &[
    Function::new("typeOf", &[ANY], TEXT, |_, args| Ok(Value::text(args.get(0).type_name()))),
    Function::new("kindOf", &[ANY], TEXT, |_, args| Ok(Value::text(args.get(0).kind_name()))),
    Function::new("typeIs", &[TEXT, ANY], BOOL, |_, args| {
        Ok(Value::Bool(args.text(0) == args.get(1).type_name()))
    }),
    Function::new("typeIsLike", &[TEXT, ANY], BOOL, |_, args| {
        let name = args.get(1).type_name();
        Ok(Value::Bool(args.text(0) == name || name.strip_prefix('*') == Some(args.text(0))))
    }),
    Function::new("kindIs", &[TEXT, ANY], BOOL, |_, args| {
        Ok(Value::Bool(args.text(0) == args.get(1).kind_name()))
    }),
    Function::new("deepEqual", &[ANY, ANY], BOOL, |scope, args| {
        deep_equal(scope, args.get(0), args.get(1), 0).map(Value::Bool)
    }),
];
