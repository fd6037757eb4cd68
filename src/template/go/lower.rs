//! Lowering: from a Go template's tree to a program, with everything that can be known before a request.

mod calls;
mod chains;
mod notes;

use std::collections::{HashMap, HashSet};

use regex::Regex;

use super::ast::{self, Branch, Command, Name, Operand, Pipe, Span, Term};
use super::members;
use super::parse::parse;
use super::program::{Body, Expr, Known, Node, Program, What};
use super::value::Kind;
use crate::diagnostic::Finding;
use crate::template::Options;

/// Longer templates are refused.
const MAX_SOURCE: usize = 256 << 10;

/// Reads and checks a template. With an error there is no program, but all that was found.
pub fn compile(options: Options, source: &str) -> Result<(Program, Vec<Finding>), Vec<Finding>> {
    if source.len() > MAX_SOURCE {
        return Err(vec![Finding::error(
            "template-too-long",
            "",
            format!("this template has {} bytes, more than {MAX_SOURCE}", source.len()),
        )]);
    }
    let bodies = parse(source).map_err(|syntax| {
        let (start, end) = syntax.span.range();
        let finding = Finding::error("template-syntax", "", syntax.message).span(start, end);
        vec![match syntax.help {
            Some(help) => finding.help(help),
            None => finding,
        }]
    })?;
    let mut lowering = Lowering::new(options, source, &bodies);
    let mut lowered: Vec<Body> = bodies.iter().map(|body| lowering.body(body)).collect();
    let main = if lowered.is_empty() { Body::default() } else { lowered.remove(0) };
    let Lowering { mut findings, patterns, .. } = lowering;
    findings.sort_by_key(|f| f.span);
    if findings.iter().any(|f| f.severity == crate::diagnostic::Severity::Error) {
        return Err(findings);
    }
    let uses_captures = notes::reaches_captures(&main) || lowered.iter().any(notes::reaches_captures);
    let room = main.nodes.iter().map(|node| match node {
        Node::Text(text) => text.len(),
        _ => 24,
    });
    let room = room.sum();
    let program =
        Program { source: Box::from(source), options, main, defined: lowered, patterns, uses_captures, room };
    Ok((program, findings))
}

/// An expression with what is known of its value.
struct Typed {
    expr: Expr,
    kind: Kind,
    /// It came out of a function or parentheses, where Go forgets that a nil had a type.
    settled: bool,
}

impl Typed {
    fn new(span: Span, what: What, kind: Kind) -> Self {
        Self { expr: Expr { span, what }, kind, settled: false }
    }

    /// Stands for an expression that has a finding already.
    fn broken(span: Span) -> Self {
        Self::new(span, What::Nil, Kind::Any)
    }

    fn known(&self) -> Option<&Known> {
        match &self.expr.what {
            What::Known(known) => Some(known),
            _ => None,
        }
    }
}

/// What the dot is at a place.
#[derive(Clone)]
struct Dot {
    kind: Kind,
    /// The part of the session it stands for, where that is certain.
    known: Option<Known>,
    /// As in `Typed`.
    settled: bool,
}

struct Variable<'s> {
    name: &'s str,
    slot: usize,
    kind: Kind,
}

struct Lowering<'s> {
    source: &'s str,
    options: Options,
    findings: Vec<Finding>,
    patterns: Vec<(Box<str>, Regex)>,
    /// Index of each `{{ define }}`d body.
    defined: HashMap<&'s str, usize>,
    /// Variables that are assigned to somewhere: what they hold is not known.
    assigned: HashSet<&'s str>,
    variables: Vec<Variable<'s>>,
    slots: usize,
    dot: Dot,
    /// What `$` is in this body.
    root: Dot,
    json: notes::JsonText,
}

impl<'s> Lowering<'s> {
    fn new(options: Options, source: &'s str, bodies: &'s [ast::Body<'s>]) -> Self {
        let session = Dot { kind: Kind::Session, known: Some(Known::Session), settled: false };
        let mut lowering = Self {
            source,
            options,
            findings: Vec::new(),
            patterns: Vec::new(),
            defined: HashMap::new(),
            assigned: HashSet::new(),
            variables: Vec::new(),
            slots: 0,
            dot: session.clone(),
            root: session,
            json: notes::JsonText::default(),
        };
        for (index, body) in bodies.iter().skip(1).enumerate() {
            if let Some((name, span)) = &body.name
                && lowering.defined.insert(name, index).is_some()
            {
                lowering.error("template-syntax", *span, format!("`{name}` is defined twice"));
            }
        }
        for body in bodies {
            notes::assigned(&body.nodes, &mut lowering.assigned);
        }
        lowering
    }

    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> &mut Finding {
        self.push(Finding::error(code, "", message), span)
    }

    fn warning(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> &mut Finding {
        self.push(Finding::warning(code, "", message), span)
    }

    #[expect(clippy::expect_used, reason = "something was pushed right before")]
    fn push(&mut self, finding: Finding, span: Span) -> &mut Finding {
        let (start, end) = span.range();
        self.findings.push(finding.span(start, end));
        self.findings.last_mut().expect("just pushed")
    }

    fn body(&mut self, body: &'s ast::Body<'s>) -> Body {
        // A defined body is called with anything as its dot.
        let dot = match body.name {
            None => Dot { kind: Kind::Session, known: Some(Known::Session), settled: false },
            Some(_) => Dot { kind: Kind::Any, known: None, settled: true },
        };
        self.dot = dot.clone();
        self.root = dot;
        self.variables.clear();
        self.slots = 0;
        self.json = notes::JsonText::default();
        if body.name.is_some() {
            // `$` is the dot that the body was called with.
            self.declare("$", Kind::Any);
        }
        let nodes = self.nodes(&body.nodes);
        Body { nodes, slots: self.slots }
    }

    fn declare(&mut self, name: &'s str, kind: Kind) -> usize {
        let slot = self.slots;
        self.slots += 1;
        let kind = if self.assigned.contains(name) { Kind::Any } else { kind };
        self.variables.push(Variable { name, slot, kind });
        slot
    }

    /// The slot of a variable, with a finding when there is none of that name.
    fn slot(&mut self, name: Name<'s>) -> Option<usize> {
        let found = self.variables.iter().rev().find(|v| v.name == name.text).map(|v| v.slot);
        if found.is_none() {
            self.unknown_variable(name.text, name.span);
        }
        found
    }

    fn unknown_variable(&mut self, name: &str, span: Span) {
        let known: Vec<&str> = self.variables.iter().map(|v| v.name).collect();
        let help = super::names::closest(name, known).map(|known| format!("did you mean `{known}`?"));
        self.error("unknown-variable", span, format!("no variable is called `{name}` here")).help = help;
    }

    fn nodes(&mut self, nodes: &'s [ast::Node<'s>]) -> Vec<Node> {
        let mut out: Vec<Node> = Vec::with_capacity(nodes.len());
        for node in nodes {
            let node = self.node(node);
            match (out.last_mut(), node) {
                (Some(Node::Text(before)), Node::Text(text)) => *before = format!("{before}{text}").into(),
                (_, node) => out.push(node),
            }
        }
        out
    }

    fn node(&mut self, node: &'s ast::Node<'s>) -> Node {
        match node {
            ast::Node::Text(text) => {
                self.json.read(text);
                Node::Text(Box::from(*text))
            }
            ast::Node::Action(pipe) => self.action(pipe),
            ast::Node::If(branch) => {
                let (condition, body, otherwise) = self.branch(branch, |lowering, branch| {
                    let condition = lowering.pipe(&branch.pipe);
                    (condition.expr, lowering.nodes(&branch.body))
                });
                Node::If { condition, body, otherwise }
            }
            ast::Node::With(branch) => {
                let (value, body, otherwise) = self.branch(branch, |lowering, branch| {
                    let value = lowering.pipe(&branch.pipe);
                    let dot = Dot { kind: value.kind, known: value.known().cloned(), settled: false };
                    let outer = std::mem::replace(&mut lowering.dot, dot);
                    let body = lowering.nodes(&branch.body);
                    lowering.dot = outer;
                    (value.expr, body)
                });
                Node::With { value, body, otherwise }
            }
            ast::Node::Range(branch) => self.range(branch),
            ast::Node::Template { name, span, pipe } => {
                let dot = pipe.as_ref().map(|pipe| self.pipe(pipe).expr);
                let Some(body) = self.defined.get(name.as_str()).copied() else {
                    let known: Vec<&str> = self.defined.keys().copied().collect();
                    let help = super::names::closest(name, known).map(|n| format!("did you mean `{n}`?"));
                    self.error("unknown-template", *span, format!("no template is called `{name}`")).help =
                        help;
                    return Node::Text(Box::from(""));
                };
                Node::Call { span: *span, body, dot }
            }
            ast::Node::Break => Node::Break,
            ast::Node::Continue => Node::Continue,
        }
    }

    fn action(&mut self, pipe: &'s Pipe<'s>) -> Node {
        let value = self.pipe(pipe);
        if !pipe.variables.is_empty() {
            // The pipe has put the value into its variable already; nothing is printed.
            return match value.expr.what {
                What::Set(slot, expr) => Node::Set { slot, expr: *expr },
                _ => Node::Text(Box::from("")),
            };
        }
        self.note_json(&value);
        match value.expr.what {
            What::Text(text) => Node::Text(text),
            What::Call { function, args } if function.name == "print" && args.len() == 1 => {
                let mut args = args.into_vec();
                match args.pop() {
                    Some(expr) => Node::Emit { expr, nil_is_empty: true },
                    None => Node::Text(Box::from("")),
                }
            }
            what => Node::Emit { expr: Expr { span: value.expr.span, what }, nil_is_empty: false },
        }
    }

    /// Lowers a block: its variables are gone behind it, and its `else` sees the outer dot.
    fn branch<T>(
        &mut self,
        branch: &'s Branch<'s>,
        first: impl FnOnce(&mut Self, &'s Branch<'s>) -> (T, Vec<Node>),
    ) -> (T, Vec<Node>, Vec<Node>) {
        let visible = self.variables.len();
        let json = self.json;
        let (value, body) = first(self, branch);
        let after = std::mem::replace(&mut self.json, json);
        let otherwise = self.nodes(&branch.otherwise);
        self.json = if branch.otherwise.is_empty() { after } else { self.json };
        self.variables.truncate(visible);
        (value, body, otherwise)
    }

    fn range(&mut self, branch: &'s Branch<'s>) -> Node {
        let (parts, body, otherwise) = self.branch(branch, |lowering, branch| {
            let pipe = &branch.pipe;
            let over = lowering.commands(pipe);
            if matches!(over.kind, Kind::Text | Kind::Bool | Kind::Float | Kind::Url | Kind::Session) {
                lowering.error(
                    "wrong-argument",
                    over.expr.span,
                    format!("`range` cannot walk over {}", over.kind.name()),
                );
            }
            let element_kind = match over.known() {
                Some(Known::Captures) => Kind::Text,
                _ => match over.kind {
                    Kind::Headers | Kind::Query => Kind::List,
                    Kind::Texts => Kind::Text,
                    _ => Kind::Any,
                },
            };
            let mut slots = pipe.variables.iter().enumerate().map(|(at, name)| {
                let first_of_two = at == 0 && pipe.variables.len() == 2;
                if pipe.assigns {
                    lowering.slot(*name)
                } else {
                    Some(lowering.declare(name.text, if first_of_two { Kind::Any } else { element_kind }))
                }
            });
            let (first, second) = (slots.next().flatten(), slots.next().flatten());
            drop(slots);
            let (index, element) = if pipe.variables.len() == 2 { (first, second) } else { (None, first) };
            let dot = Dot { kind: element_kind, known: None, settled: false };
            let outer = std::mem::replace(&mut lowering.dot, dot);
            let body = lowering.nodes(&branch.body);
            lowering.dot = outer;
            ((over.expr, index, element), body)
        });
        let (over, index, element) = parts;
        Node::Range { over, index, element, body, otherwise }
    }

    /// A pipe with its variable, if it has one.
    fn pipe(&mut self, pipe: &'s Pipe<'s>) -> Typed {
        let value = self.commands(pipe);
        let Some(name) = pipe.variables.first() else { return value };
        let slot = if pipe.assigns { self.slot(*name) } else { Some(self.declare(name.text, value.kind)) };
        match slot {
            Some(slot) => Typed::new(pipe.span, What::Set(slot, Box::new(value.expr)), value.kind),
            None => Typed::broken(pipe.span),
        }
    }

    fn commands(&mut self, pipe: &'s Pipe<'s>) -> Typed {
        let mut value: Option<Typed> = None;
        for command in &pipe.commands {
            let mut next = self.command(command, value);
            // An error in the pipe is shown from where the pipe begins.
            next.expr.span = pipe.commands.first().map_or(command.span, |first| first.span).to(command.span);
            value = Some(next);
        }
        let mut value = value.unwrap_or_else(|| Typed::broken(pipe.span));
        value.settled = true;
        value
    }

    fn command(&mut self, command: &'s Command<'s>, last: Option<Typed>) -> Typed {
        let first = &command.first;
        if let Term::Function(name) = first.term {
            let at = function_name(name, first.span);
            if first.fields.is_empty() {
                return self.call(at, &command.args, last, command.span);
            }
            let base = self.call(at, &[], None, at.span);
            return self.chain(base, &first.fields, &command.args, last, command.span);
        }
        if first.fields.is_empty() {
            let has_args = !command.args.is_empty() || last.is_some();
            if has_args {
                self.error(
                    "not-callable",
                    first.span,
                    format!("`{}` is no function and takes no arguments", first.span.text(self.source)),
                );
            } else if matches!(first.term, Term::Nil) {
                self.error("template-syntax", first.span, "`nil` alone does nothing");
            }
            return self.term(first);
        }
        let base = self.term(first);
        self.chain(base, &first.fields, &command.args, last, command.span)
    }

    /// An operand that is an argument, so that nothing is given to it.
    fn operand(&mut self, operand: &'s Operand<'s>) -> Typed {
        if let Term::Function(name) = operand.term {
            let at = function_name(name, operand.span);
            let base = self.call(at, &[], None, at.span);
            if operand.fields.is_empty() {
                return base;
            }
            return self.chain(base, &operand.fields, &[], None, operand.span);
        }
        let base = self.term(operand);
        if operand.fields.is_empty() {
            return base;
        }
        self.chain(base, &operand.fields, &[], None, operand.span)
    }

    /// A term without the fields behind it.
    fn term(&mut self, operand: &'s Operand<'s>) -> Typed {
        let span = operand.span;
        match &operand.term {
            Term::Dot => Self::dot(&self.dot, span),
            Term::Variable("$") if self.root.known.is_some() => Self::dot(&self.root, span),
            Term::Variable(name) => {
                if let Some((slot, kind)) =
                    self.variables.iter().rev().find(|v| v.name == *name).map(|v| (v.slot, v.kind))
                {
                    Typed { settled: true, ..Typed::new(span, What::Variable(slot), kind) }
                } else {
                    self.unknown_variable(name, span);
                    Typed::broken(span)
                }
            }
            Term::Text(text) => Typed::new(span, What::Text(Box::from(text.as_str())), Kind::Text),
            Term::Number(number) if number.is_float => {
                Typed::new(span, What::Float(number.float), Kind::Float)
            }
            Term::Number(number) => Typed::new(span, What::Int(number.int.unwrap_or(0)), Kind::Int),
            Term::Bool(b) => Typed::new(span, What::Bool(*b), Kind::Bool),
            Term::Nil => Typed::new(span, What::Nil, Kind::Any),
            Term::Paren(pipe) => {
                let mut inner = self.pipe(pipe);
                inner.expr.span = span;
                inner
            }
            // Reached through `command` and `operand` only.
            Term::Function(_) => Typed::broken(span),
        }
    }

    fn dot(dot: &Dot, span: Span) -> Typed {
        let what = dot.known.clone().map_or(What::Dot, What::Known);
        Typed { settled: dot.settled, ..Typed::new(span, what, dot.kind) }
    }
}

/// A function's name at the beginning of its operand.
fn function_name(name: &str, operand: Span) -> Name<'_> {
    let start = operand.start as usize;
    Name { text: name, span: Span::new(start, start + name.len()) }
}

/// The kind of a part of the session.
fn kind_of(known: &Known) -> Kind {
    match known {
        Known::Session => Kind::Session,
        Known::Extra(keys) if keys.is_empty() => Kind::Dict,
        Known::Extra(_) => Kind::Any,
        Known::Headers | Known::RequestHeaders => Kind::Headers,
        Known::Match => Kind::Match,
        Known::Captures => Kind::List,
        Known::Url => Kind::Url,
        Known::Query => Kind::Query,
        Known::Subject
        | Known::Method
        | Known::UrlPart(_)
        | Known::Capture { .. }
        | Known::RequestHeader(_)
        | Known::Header(_)
        | Known::QueryValue(_) => Kind::Text,
    }
}

/// The names that may stand behind the dot of this kind, as help.
fn fields_help(kind: Kind, name: &str) -> Option<String> {
    let names = members::names(kind);
    if let Some(close) = super::names::closest(name, names.iter().copied()) {
        return Some(format!("did you mean `{close}`?"));
    }
    let (last, others) = names.split_last()?;
    let others: Vec<String> = others.iter().map(|n| format!("`{n}`")).collect();
    Some(format!("there are {} and `{last}`", others.join(", ")))
}
