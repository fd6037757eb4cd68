//! The program a Go template is turned into: names resolved, functions found, patterns compiled.

use regex::Regex;

use super::ast::Span;
use super::function::Function;
use crate::template::Options;

/// A template, ready to run.
pub struct Program {
    /// For excerpts in errors.
    pub source: Box<str>,
    pub options: Options,
    pub main: Body,
    /// Bodies of `{{ define }}`, by index.
    pub defined: Vec<Body>,
    /// Constant patterns of regex functions.
    pub patterns: Vec<(Box<str>, Regex)>,
    pub uses_captures: bool,
    /// How much room the text is likely to take, in bytes.
    pub room: usize,
}

/// Nodes with the number of variables they need.
#[derive(Default)]
pub struct Body {
    pub nodes: Vec<Node>,
    pub slots: usize,
}

pub enum Node {
    Text(Box<str>),
    /// Prints a value. With `print` around it nil is nothing.
    Emit {
        expr: Expr,
        nil_is_empty: bool,
    },
    /// `$x := …` and `$x = …`
    Set {
        slot: usize,
        expr: Expr,
    },
    If {
        condition: Expr,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    With {
        value: Expr,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Range {
        over: Expr,
        index: Option<usize>,
        element: Option<usize>,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Call {
        span: Span,
        body: usize,
        dot: Option<Expr>,
    },
    Break,
    Continue,
}

/// An expression with its place.
pub struct Expr {
    pub span: Span,
    pub what: What,
}

pub enum What {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    Dot,
    Variable(usize),
    /// `$x := …` in parentheses: its value is the variable's.
    Set(usize, Box<Expr>),
    /// A value that must not be nil.
    Present(Box<Expr>),
    /// A part of the session whose place is known.
    Known(Known),
    /// A field, key or method of something.
    Member {
        of: Box<Expr>,
        name: Box<str>,
        args: Box<[Expr]>,
        /// What it belongs to came out of a variable, a function or parentheses, where nil has lost its
        /// type: its members are nil too, not an error.
        settled: bool,
    },
    And(Box<[Expr]>),
    Or(Box<[Expr]>),
    Call {
        function: &'static Function,
        args: Box<[Expr]>,
    },
}

/// Parts of the session that are read without looking anything up by name.
#[derive(Clone, PartialEq, Eq)]
pub enum Known {
    Session,
    Subject,
    /// `.Extra` and the keys behind it.
    Extra(Vec<Box<str>>),
    Headers,
    Match,
    Captures,
    Method,
    RequestHeaders,
    Url,
    UrlPart(UrlPart),
    Query,
    /// `printIndex .MatchContext.RegexpCaptureGroups n`, or with `index`, to which a group that is not
    /// there is an error.
    Capture {
        index: usize,
        strict: bool,
    },
    /// `.MatchContext.Header.Get "…"`
    RequestHeader(Box<str>),
    /// `.Header.Get "…"`
    Header(Box<str>),
    /// `.MatchContext.URL.Query.Get "…"`
    QueryValue(Box<str>),
}

/// Fields and methods of the request's URL that need no arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlPart {
    Scheme,
    Host,
    Path,
    RawQuery,
    Hostname,
    Port,
    Text,
    EscapedPath,
    RequestUri,
}

impl UrlPart {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Scheme" => Self::Scheme,
            "Host" => Self::Host,
            "Path" => Self::Path,
            "RawQuery" => Self::RawQuery,
            "Hostname" => Self::Hostname,
            "Port" => Self::Port,
            // Without user info there is nothing to redact.
            "String" | "Redacted" => Self::Text,
            "EscapedPath" => Self::EscapedPath,
            "RequestURI" => Self::RequestUri,
            _ => return None,
        })
    }
}

impl Program {
    /// The text itself, where nothing is to be run.
    pub fn into_literal(self) -> Result<Box<str>, Box<Self>> {
        match self.main.nodes.as_slice() {
            [] => Ok(Box::from("")),
            [Node::Text(text)] => Ok(text.clone()),
            _ => Err(Box::new(self)),
        }
    }

    pub fn room(&self) -> usize {
        self.room
    }

    pub fn uses_captures(&self) -> bool {
        self.uses_captures
    }
}
