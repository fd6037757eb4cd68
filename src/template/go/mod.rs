//! Go's `text/template`, as Oathkeeper uses it.
//!
//! The way of a template: [`token`] cuts the text, [`parse`] makes a tree of it ([`ast`]), [`lower`] turns
//! the tree into a [`program`], resolving names and checking what can be checked, and [`run`] and [`eval`]
//! run it over the data of a request, reading values where they lie.
//!
//! The text is read by our own parser: findings need the end of every piece as well as its beginning, and
//! what follows a stray `{{ end }}` must be an error, not be left away.

pub mod ast;
pub mod builtin;
pub mod dict;
mod eval;
pub mod fields;
pub mod function;
pub mod json;
pub mod list;
mod lower;
mod members;
mod names;
pub mod number;
mod parse;
pub mod printf;
mod program;
pub mod query;
mod run;
pub mod text;
mod token;
pub mod url;
pub mod value;
mod view;

pub use lower::compile;
pub use names::closest;
pub use program::Program;
