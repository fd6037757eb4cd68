//! Running a program: nodes one after another, text added to the output.

use super::ast::Span;
use super::function::Scope;
use super::program::{Body, Expr, Node, Program};
use super::text::{MAX_TEXT, Sheet};
use super::value::{Fault, Value};
use super::view::View;
use crate::template::{Data, Missing, RenderError};

/// So many expressions and rounds of loops may be gone through in one rendering.
const MAX_STEPS: u32 = 200_000;
/// So deep blocks, expressions and templates may stand within each other while running.
const MAX_DEPTH: u16 = 150;

/// A fault with its place.
#[derive(Debug)]
pub struct Failure {
    pub span: Span,
    pub fault: Fault,
}

/// Most renderings succeed: the way of a failure is a pointer wide.
pub type Outcome<T> = Result<T, Box<Failure>>;

/// What comes after a node.
#[derive(PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// One rendering.
pub struct Run<'d> {
    pub program: &'d Program,
    pub view: &'d View<'d>,
    pub scope: Scope<'d>,
    /// The variables of all bodies that are running.
    variables: Vec<Value<'d>>,
    /// Where those of the current body begin.
    base: usize,
    steps: u32,
    depth: u16,
    /// How much of the output was there before.
    start: usize,
}

impl Program {
    /// Renders behind what `out` holds.
    pub fn render(&self, data: &Data<'_>, out: &mut String) -> Result<(), RenderError> {
        let view = View { data: *data, numbers: self.options.numbers };
        Run::new(self, &view, out.len()).all(out).map_err(|failure| self.describe(&failure))
    }

    /// Where and what, in the template's own text.
    fn describe(&self, failure: &Failure) -> RenderError {
        let before = self.source.get(..failure.span.start as usize).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let mut shown: String = failure.span.text(&self.source).chars().take(80).collect();
        if shown.len() < failure.span.text(&self.source).len() {
            shown.push('…');
        }
        RenderError(format!("template {line}:{column}: `{shown}`: {}", failure.fault.0))
    }
}

impl<'d> Run<'d> {
    fn new(program: &'d Program, view: &'d View<'d>, start: usize) -> Self {
        Self {
            program,
            view,
            scope: Scope::new(view.numbers, &program.patterns),
            variables: Vec::new(),
            base: 0,
            steps: MAX_STEPS,
            depth: 0,
            start,
        }
    }

    fn all(mut self, out: &mut String) -> Outcome<()> {
        let dot = Value::Session(self.view);
        self.body(&self.program.main, &dot, out)
    }

    fn body(&mut self, body: &'d Body, dot: &Value<'d>, out: &mut String) -> Outcome<()> {
        let outer = std::mem::replace(&mut self.base, self.variables.len());
        self.variables.resize(self.base + body.slots, Value::Nil);
        let flow = self.nodes(&body.nodes, dot, out);
        self.variables.truncate(self.base);
        self.base = outer;
        flow.map(|_| ())
    }

    pub fn failure<T>(span: Span, fault: impl Into<Fault>) -> Outcome<T> {
        Err(Box::new(Failure { span, fault: fault.into() }))
    }

    pub fn step(&mut self, span: Span) -> Outcome<()> {
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 { Self::failure(span, "the template does not come to an end") } else { Ok(()) }
    }

    pub fn down(&mut self, span: Span) -> Outcome<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Self::failure(span, "too much stands within each other") } else { Ok(()) }
    }

    pub fn up(&mut self) {
        self.depth -= 1;
    }

    pub fn variable(&self, slot: usize) -> Value<'d> {
        self.variables.get(self.base + slot).cloned().unwrap_or(Value::Nil)
    }

    pub fn set(&mut self, slot: usize, value: Value<'d>) {
        if let Some(variable) = self.variables.get_mut(self.base + slot) {
            *variable = value;
        }
    }

    fn nodes(&mut self, nodes: &'d [Node], dot: &Value<'d>, out: &mut String) -> Outcome<Flow> {
        for node in nodes {
            let flow = match node {
                Node::Text(text) => {
                    if out.len() - self.start + text.len() > MAX_TEXT {
                        return Self::failure(Span::default(), "the text grows too long");
                    }
                    out.push_str(text);
                    Flow::Next
                }
                Node::Emit { expr, nil_is_empty } => {
                    self.emit(expr, *nil_is_empty, dot, out)?;
                    Flow::Next
                }
                Node::Set { slot, expr } => {
                    let value = self.value(expr, dot)?;
                    self.set(*slot, value);
                    Flow::Next
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
                block => self.block(block, dot, out)?,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn block(&mut self, node: &'d Node, dot: &Value<'d>, out: &mut String) -> Outcome<Flow> {
        match node {
            Node::If { condition, body, otherwise } => {
                self.down(condition.span)?;
                let branch = if self.value(condition, dot)?.is_true() { body } else { otherwise };
                let flow = self.nodes(branch, dot, out)?;
                self.up();
                Ok(flow)
            }
            Node::With { value, body, otherwise } => {
                self.down(value.span)?;
                let inner = self.value(value, dot)?;
                let flow = if inner.is_true() {
                    self.nodes(body, &inner, out)?
                } else {
                    self.nodes(otherwise, dot, out)?
                };
                self.up();
                Ok(flow)
            }
            Node::Range { over, .. } => {
                self.down(over.span)?;
                let flow = self.range(node, dot, out)?;
                self.up();
                Ok(flow)
            }
            Node::Call { span, body, dot: argument } => {
                self.down(*span)?;
                self.step(*span)?;
                let inner = match argument {
                    Some(expr) => self.value(expr, dot)?,
                    None => Value::Nil,
                };
                if let Some(body) = self.program.defined.get(*body) {
                    self.call(body, &inner, out)?;
                }
                self.up();
                Ok(Flow::Next)
            }
            Node::Text(_) | Node::Emit { .. } | Node::Set { .. } | Node::Break | Node::Continue => {
                Ok(Flow::Next)
            }
        }
    }

    /// A defined body; its first variable is `$`.
    fn call(&mut self, body: &'d Body, dot: &Value<'d>, out: &mut String) -> Outcome<()> {
        let outer = std::mem::replace(&mut self.base, self.variables.len());
        self.variables.resize(self.base + body.slots, Value::Nil);
        self.set(0, dot.clone());
        self.nodes(&body.nodes, dot, out)?;
        self.variables.truncate(self.base);
        self.base = outer;
        Ok(())
    }

    fn range(&mut self, node: &'d Node, dot: &Value<'d>, out: &mut String) -> Outcome<Flow> {
        let Node::Range { over, index, element, body, otherwise } = node else { return Ok(Flow::Next) };
        let value = self.value(over, dot)?;
        let mut rounds: Box<dyn Iterator<Item = (Value<'d>, Value<'d>)> + '_> = match &value {
            Value::Nil | Value::Lost => Box::new(std::iter::empty()),
            Value::List(list) => Box::new((0_i64..).map(Value::Int).zip(list.iter())),
            Value::Dict(dict) => {
                Box::new(dict.entries().into_iter().map(|(key, value)| (Value::Text(key), value)))
            }
            Value::Fields(fields) => {
                Box::new(fields.entries().into_iter().map(|(key, value)| (Value::Text(key), value)))
            }
            Value::Int(_) | Value::Int64(_) | Value::Byte(_) | Value::Uint64(_) => {
                if index.is_some() {
                    return Self::failure(over.span, "a number gives only one variable to `range`");
                }
                let wide = matches!(value, Value::Int64(_));
                let count = value.as_int().unwrap_or(i64::MAX);
                Box::new(
                    (0..count).map(move |n| (Value::Nil, if wide { Value::Int64(n) } else { Value::Int(n) })),
                )
            }
            _ => return Self::failure(over.span, "`range` cannot walk over this"),
        };
        let mut any = false;
        for (key, item) in rounds.by_ref() {
            any = true;
            self.step(over.span)?;
            if let Some(slot) = index {
                self.set(*slot, key);
            }
            if let Some(slot) = element {
                self.set(*slot, item.clone());
            }
            if self.nodes(body, &item, out)? == Flow::Break {
                break;
            }
        }
        drop(rounds);
        if any { Ok(Flow::Next) } else { self.nodes(otherwise, dot, out) }
    }

    fn emit(&mut self, expr: &'d Expr, nil_is_empty: bool, dot: &Value<'d>, out: &mut String) -> Outcome<()> {
        let value = self.value(expr, dot)?;
        match &value {
            Value::Text(text) => out.push_str(text),
            Value::Nil | Value::Lost if nil_is_empty => {}
            Value::Lost if self.program.options.nil_in_chain_is_empty() => {}
            Value::Nil | Value::Lost => match self.program.options.missing {
                Missing::Oathkeeper => out.push_str("<no value>"),
                Missing::Empty => {}
                Missing::Error => return Self::failure(expr.span, "there is no such value"),
            },
            other => {
                let mut sheet = Sheet::new(out);
                let written = match other {
                    // A pointer prints as what it points to, but not within `print`.
                    Value::Session(view) if !nil_is_empty => sheet.session(view),
                    other => sheet.value(other),
                };
                if let Err(fault) = written {
                    return Self::failure(expr.span, fault);
                }
            }
        }
        if out.len() - self.start > MAX_TEXT {
            return Self::failure(expr.span, "the text grows too long");
        }
        Ok(())
    }
}
