//! Calls: functions found by name, arguments counted and checked as far as they are known.

use super::super::ast::{Name, Operand, Span, Term};
use super::super::function::Function;
use super::super::program::{Expr, Known, What};
use super::super::value::Kind;
use super::{Lowering, Typed};
use crate::template::sprig::{self, pattern};

impl<'s> Lowering<'s> {
    /// A function with its arguments; what comes through a pipe is the last of them.
    pub(super) fn call(
        &mut self,
        name: Name<'s>,
        args: &'s [Operand<'s>],
        last: Option<Typed>,
        span: Span,
    ) -> Typed {
        if matches!(name.text, "and" | "or") {
            return self.logic(name, args, last, span);
        }
        let Some(function) = sprig::function(name.text) else {
            self.unknown_function(name);
            // What is wrong with the arguments is worth knowing all the same.
            for arg in args {
                self.operand(arg);
            }
            return Typed::broken(span);
        };
        let count = args.len() + usize::from(last.is_some());
        if !function.accepts(count) {
            self.error(
                "wrong-argument-count",
                name.span,
                count_message(name.text, function.takes.len(), function.rest.is_some(), count),
            );
            for arg in args {
                self.operand(arg);
            }
            return Typed::broken(span);
        }
        let mut given: Vec<Expr> = Vec::with_capacity(count);
        for (index, arg) in args.iter().enumerate() {
            let kind = function.kind_of(index).unwrap_or(Kind::Any);
            given.push(self.argument(arg, kind, name.text));
        }
        if let Some(last) = last {
            let kind = function.kind_of(args.len()).unwrap_or(Kind::Any);
            self.check_kind(&last, kind, name.text);
            given.push(last.expr);
        }
        self.note_call(name, &given);
        self.compile_pattern(name, &given);
        if let Some(known) = self.capture(name, &given) {
            return Typed::new(span, What::Known(known), Kind::Text);
        }
        let mut value = Typed::new(span, What::Call { function, args: given.into() }, function.gives);
        value.settled = true;
        value
    }

    fn logic(&mut self, name: Name<'s>, args: &'s [Operand<'s>], last: Option<Typed>, span: Span) -> Typed {
        let mut given: Vec<Expr> = args.iter().map(|arg| self.operand(arg).expr).collect();
        given.extend(last.map(|last| last.expr));
        if given.is_empty() {
            self.error("wrong-argument-count", name.span, count_message(name.text, 1, true, 0));
        }
        let what = if name.text == "and" { What::And(given.into()) } else { What::Or(given.into()) };
        Typed::new(span, what, Kind::Any)
    }

    fn unknown_function(&mut self, name: Name<'s>) {
        if let Some(why) = sprig::not_offered(name.text) {
            self.error(
                "function-not-offered",
                name.span,
                format!("`{}` is not offered to templates: {why}", name.text),
            );
            return;
        }
        let help = super::super::names::closest(name.text, sprig::names())
            .map(|known| format!("did you mean `{known}`?"));
        self.error("unknown-function", name.span, format!("no function is called `{}`", name.text)).help =
            help;
    }

    /// An argument that has to be of a kind. Constants take the type that is asked for, as in Go.
    pub(super) fn argument(&mut self, operand: &'s Operand<'s>, wanted: Kind, function: &str) -> Expr {
        let span = operand.span;
        if let (Term::Number(number), Kind::Int | Kind::Int64 | Kind::Float, true) =
            (&operand.term, wanted, operand.fields.is_empty())
        {
            if wanted == Kind::Float {
                return Expr { span, what: What::Float(number.float) };
            }
            if let Some(int) = number.int {
                return Expr { span, what: What::Int(int) };
            }
        }
        if matches!(operand.term, Term::Nil) && !matches!(wanted, Kind::Any | Kind::Dict) {
            self.error(
                "wrong-argument",
                span,
                format!("`{function}` takes {} here, not `nil`", wanted.name()),
            );
            return Expr { span, what: What::Nil };
        }
        let value = self.operand(operand);
        self.check_kind(&value, wanted, function);
        if wanted == Kind::Dict && !value.settled && !matches!(operand.term, Term::Nil) {
            // Go takes a missing key for a map only behind a pipe or parentheses.
            return Expr { span, what: What::Present(Box::new(value.expr)) };
        }
        value.expr
    }

    /// A finding when a value is known to be of another kind than the one asked for.
    pub(super) fn check_kind(&mut self, value: &Typed, wanted: Kind, function: &str) {
        if wanted == Kind::Any || value.kind == Kind::Any || value.kind == wanted {
            return;
        }
        let help = match (wanted, value.kind) {
            (Kind::Int, Kind::Int64 | Kind::Float | Kind::Text) => Some("make it one with `| int`"),
            (Kind::Text, _) => Some("make it one with `| toString`"),
            _ => None,
        };
        let message = format!("`{function}` takes {} here, not {}", wanted.name(), value.kind.name());
        self.error("wrong-argument", value.expr.span, message).help = help.map(str::to_owned);
    }

    /// Compiles the constant pattern of a regex function.
    fn compile_pattern(&mut self, name: Name<'s>, args: &[Expr]) {
        if !pattern::is_taken_by(name.text) {
            return;
        }
        let Some(Expr { span, what: What::Text(text) }) = args.first() else { return };
        if self.patterns.iter().any(|(known, _)| known == text) {
            return;
        }
        match pattern::compile(text) {
            Ok(regex) => self.patterns.push((text.clone(), regex)),
            Err(why) => {
                self.error("invalid-pattern", *span, format!("this pattern does not compile: {why}"));
            }
        }
    }

    /// `index` and `printIndex` with the capture groups and a constant.
    fn capture(&mut self, name: Name<'s>, args: &[Expr]) -> Option<Known> {
        let strict = match name.text {
            "index" => true,
            "printIndex" => false,
            _ => return None,
        };
        let [list, Expr { what: What::Int(index), span }] = args else { return None };
        let Ok(index) = usize::try_from(*index) else {
            self.error("wrong-argument", *span, "positions are counted from 0 on");
            return None;
        };
        matches!(list.what, What::Known(Known::Captures)).then_some(Known::Capture { index, strict })
    }
}

/// Says how many arguments are due.
pub(super) fn count_message(name: &str, takes: usize, more: bool, given: usize) -> String {
    let wanted = match (takes, more) {
        (0, false) => "no arguments".to_owned(),
        (1, false) => "1 argument".to_owned(),
        (n, false) => format!("{n} arguments"),
        (1, true) => "at least 1 argument".to_owned(),
        (n, true) => format!("at least {n} arguments"),
    };
    format!("`{name}` takes {wanted}, not {given}")
}

/// Whether a function is one of Go's comparisons.
pub(super) fn compares(function: &Function) -> bool {
    matches!(function.name, "eq" | "ne" | "lt" | "le" | "gt" | "ge")
}
