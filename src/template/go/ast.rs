//! The tree that a Go template's text is read into, with where each piece stands.

/// A byte range of the template's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// Texts are far shorter than 4 GiB; see `MAX_SOURCE`.
    pub fn new(start: usize, end: usize) -> Self {
        let narrow = |n| u32::try_from(n).unwrap_or(u32::MAX);
        Self { start: narrow(start), end: narrow(end) }
    }

    /// From the beginning of this to the end of `other`.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end.max(self.start) }
    }

    pub fn range(self) -> (usize, usize) {
        (self.start as usize, self.end as usize)
    }

    pub fn text(self, source: &str) -> &str {
        source.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A name with its place.
#[derive(Debug, Clone, Copy)]
pub struct Name<'s> {
    pub text: &'s str,
    pub span: Span,
}

/// A `{{ define }}`d body, or the main one.
#[derive(Debug)]
pub struct Body<'s> {
    pub name: Option<(String, Span)>,
    pub nodes: Vec<Node<'s>>,
}

#[derive(Debug)]
pub enum Node<'s> {
    Text(&'s str),
    Action(Pipe<'s>),
    If(Branch<'s>),
    With(Branch<'s>),
    Range(Branch<'s>),
    Template { name: String, span: Span, pipe: Option<Pipe<'s>> },
    Break,
    Continue,
}

/// `if`, `with` or `range` with its two bodies.
#[derive(Debug)]
pub struct Branch<'s> {
    pub pipe: Pipe<'s>,
    pub body: Vec<Node<'s>>,
    pub otherwise: Vec<Node<'s>>,
}

/// Commands joined by `|`, with the variables they are given to.
#[derive(Debug)]
pub struct Pipe<'s> {
    pub span: Span,
    pub variables: Vec<Name<'s>>,
    /// `=`, not `:=`.
    pub assigns: bool,
    pub commands: Vec<Command<'s>>,
}

/// An operand with its arguments. Never empty.
#[derive(Debug)]
pub struct Command<'s> {
    pub span: Span,
    pub first: Operand<'s>,
    pub args: Vec<Operand<'s>>,
}

/// A term with the fields behind it: `$x.a.b`, `(list 1).Len`, `.Extra.email`.
#[derive(Debug)]
pub struct Operand<'s> {
    pub span: Span,
    pub term: Term<'s>,
    pub fields: Vec<Name<'s>>,
}

#[derive(Debug)]
pub enum Term<'s> {
    Dot,
    Variable(&'s str),
    Function(&'s str),
    Text(String),
    Number(Number),
    Bool(bool),
    Nil,
    Paren(Box<Pipe<'s>>),
}

/// A number as it may be used: Go's constants have no type until something asks for one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    /// Its value where an integer is wanted; `None` when it is not whole or too large.
    pub int: Option<i64>,
    /// Its value where a float is wanted.
    pub float: f64,
    /// Whether it is a float where nothing particular is wanted.
    pub is_float: bool,
}
