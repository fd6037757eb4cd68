//! Notes: what is worth a warning, and what is known of a program as a whole.

use std::collections::HashSet;

use super::super::ast::{self, Name, Operand, Pipe, Term};
use super::super::program::{Body, Expr, Known, Node, What};
use super::{Lowering, Typed};
use crate::template::Purpose;

/// Where in a JSON text the template is, as far as its own text tells.
#[derive(Clone, Copy, Default)]
pub(super) struct JsonText {
    in_string: bool,
    escaped: bool,
}

impl JsonText {
    pub(super) fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ => {}
            }
        }
    }
}

impl<'s> Lowering<'s> {
    /// Text of the client's own choice inside of a JSON string can end that string.
    pub(super) fn note_json(&mut self, value: &Typed) {
        if !self.json.in_string || !matches!(self.options.purpose, Purpose::Claims | Purpose::Payload) {
            return;
        }
        let printed = match &value.expr.what {
            What::Call { function, args } if matches!(function.name, "print" | "toString") => args.first(),
            _ => Some(&value.expr),
        };
        if !printed.is_some_and(is_clients_text) {
            return;
        }
        let span = value.expr.span;
        let expression = span.text(self.source).to_owned();
        self.warning(
            "unescaped-in-json",
            span,
            format!("the client chooses what `{expression}` is, and may end the quotes around it"),
        )
        .help = Some(format!("leave the quotes away and write `{{{{ {expression} | toJson }}}}`"));
    }

    pub(super) fn note_call(&mut self, name: Name<'s>, args: &[Expr]) {
        let Some(function) = crate::template::sprig::function(name.text) else { return };
        let of_session =
            |arg: &Expr| matches!(&arg.what, What::Known(Known::Extra(keys)) if !keys.is_empty());
        if super::calls::compares(function) && args.iter().any(of_session) {
            let literal = args.iter().find_map(|arg| match arg.what {
                What::Int(int) => Some((arg.span, int)),
                _ => None,
            });
            if let Some((span, int)) = literal {
                self.warning(
                    "compares-with-integer",
                    span,
                    format!("numbers of the session are floats, and `{}` fails on `{int}`", name.text),
                )
                .help = Some(format!("write `{int}.0`"));
            }
        }
        let changes = matches!(
            name.text,
            "set" | "unset" | "merge" | "mergeOverwrite" | "mustMerge" | "mustMergeOverwrite"
        );
        let target = args.first().map(|arg| match &arg.what {
            What::Present(inner) => inner,
            _ => arg,
        });
        if changes && let Some(Expr { what: What::Known(Known::Extra(_)), span }) = target {
            self.warning(
                "session-is-read-only",
                *span,
                format!("`{}` gives a changed copy: a template cannot change the session", name.text),
            )
            .help = Some("keep what it gives in a variable".to_owned());
        }
    }
}

/// Whether an expression is text that the client chose and nobody checked.
fn is_clients_text(expr: &Expr) -> bool {
    match &expr.what {
        What::Known(known) => matches!(
            known,
            Known::RequestHeader(_)
                | Known::QueryValue(_)
                | Known::UrlPart(_)
                | Known::Capture { .. }
                | Known::RequestHeaders
                | Known::Query
                | Known::Url
        ),
        What::Member { of, .. } => {
            matches!(&of.what, What::Known(Known::RequestHeaders | Known::Query | Known::Url))
        }
        _ => false,
    }
}

/// The variables that are assigned to with `=`.
pub(super) fn assigned<'s>(nodes: &'s [ast::Node<'s>], found: &mut HashSet<&'s str>) {
    for node in nodes {
        match node {
            ast::Node::Action(pipe) | ast::Node::Template { pipe: Some(pipe), .. } => {
                assigned_in_pipe(pipe, found);
            }
            ast::Node::If(b) | ast::Node::With(b) | ast::Node::Range(b) => {
                assigned_in_pipe(&b.pipe, found);
                assigned(&b.body, found);
                assigned(&b.otherwise, found);
            }
            ast::Node::Template { .. } | ast::Node::Text(_) | ast::Node::Break | ast::Node::Continue => {}
        }
    }
}

fn assigned_in_pipe<'s>(pipe: &'s Pipe<'s>, found: &mut HashSet<&'s str>) {
    if pipe.assigns {
        found.extend(pipe.variables.iter().map(|name| name.text));
    }
    let operands = pipe.commands.iter().flat_map(|c| std::iter::once(&c.first).chain(&c.args));
    for Operand { term, .. } in operands {
        if let Term::Paren(inner) = term {
            assigned_in_pipe(inner, found);
        }
    }
}

/// Whether running a body may look at capture groups.
pub(super) fn reaches_captures(body: &Body) -> bool {
    body.nodes.iter().any(node_reaches)
}

fn node_reaches(node: &Node) -> bool {
    match node {
        Node::Text(_) | Node::Break | Node::Continue => false,
        Node::Emit { expr, .. } | Node::Set { expr, .. } => expr_reaches(expr),
        Node::If { condition: expr, body, otherwise }
        | Node::With { value: expr, body, otherwise }
        | Node::Range { over: expr, body, otherwise, .. } => {
            expr_reaches(expr) || body.iter().any(node_reaches) || otherwise.iter().any(node_reaches)
        }
        Node::Call { dot, .. } => dot.as_ref().is_some_and(expr_reaches),
    }
}

fn expr_reaches(expr: &Expr) -> bool {
    match &expr.what {
        What::Known(known) => {
            matches!(known, Known::Session | Known::Match | Known::Captures | Known::Capture { .. })
        }
        What::Set(_, inner) | What::Present(inner) => expr_reaches(inner),
        What::Member { of, args, .. } => expr_reaches(of) || args.iter().any(expr_reaches),
        What::And(args) | What::Or(args) | What::Call { args, .. } => args.iter().any(expr_reaches),
        // What a dot or a variable holds was named where it got it.
        What::Dot
        | What::Variable(_)
        | What::Nil
        | What::Bool(_)
        | What::Int(_)
        | What::Float(_)
        | What::Text(_) => false,
    }
}
