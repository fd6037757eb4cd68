//! Reads a Go template's tokens into a tree, by the grammar of `text/template/parse`.

use super::ast::{Body, Branch, Command, Name, Node, Operand, Pipe, Span, Term};
use super::token::{Kind, Syntax, Token, tokens};

/// So many blocks, parentheses and pipe stages may stand within each other.
const MAX_NESTING: usize = 60;

/// The main body, then every `{{ define }}`d one.
pub fn parse(source: &str) -> Result<Vec<Body<'_>>, Syntax> {
    let mut parser = Parser { tokens: tokens(source)?, at: 0, nesting: 0, loops: 0, bodies: Vec::new() };
    let (nodes, end) = parser.list(None)?;
    if let Stop::Keyword(word, span) = end {
        return Err(Syntax::new(
            span,
            format!("unexpected `{word}`: nothing is open that it could belong to"),
        ));
    }
    let mut bodies = vec![Body { name: None, nodes }];
    bodies.append(&mut parser.bodies);
    Ok(bodies)
}

struct Parser<'s> {
    tokens: Vec<Token<'s>>,
    at: usize,
    nesting: usize,
    /// How many `range`s are open in the current body.
    loops: usize,
    bodies: Vec<Body<'s>>,
}

/// What ended a list of nodes.
enum Stop<'s> {
    Text,
    /// `end` or `else`, not yet closed with `}}`.
    Keyword(&'s str, Span),
}

impl<'s> Parser<'s> {
    fn peek(&self) -> &Token<'s> {
        const END: Token<'static> = Token { kind: Kind::End, span: Span { start: 0, end: 0 }, spaced: false };
        self.tokens.get(self.at).or(self.tokens.last()).unwrap_or(&END)
    }

    fn next(&mut self) -> Token<'s> {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn enter(&mut self, at: Span) -> Result<(), Syntax> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(Syntax::new(at, format!("more than {MAX_NESTING} levels stand within each other")));
        }
        Ok(())
    }

    fn close(&mut self, after: &str) -> Result<(), Syntax> {
        let token = self.next();
        match token.kind {
            Kind::Close => Ok(()),
            _ => Err(unexpected(&token, after)),
        }
    }

    /// Nodes up to the end of the text, or to an `end` or `else` that belongs to `open`.
    fn list(&mut self, open: Option<(&str, Span)>) -> Result<(Vec<Node<'s>>, Stop<'s>), Syntax> {
        let mut nodes = Vec::new();
        loop {
            let token = self.next();
            match token.kind {
                Kind::Text(text) => nodes.push(Node::Text(text)),
                Kind::End => {
                    return match open {
                        None => Ok((nodes, Stop::Text)),
                        Some((what, span)) => Err(Syntax::new(
                            span,
                            format!("this `{what}` is not closed with `{{{{ end }}}}`"),
                        )),
                    };
                }
                _ => {
                    let keyword = match self.peek().kind {
                        Kind::Word(word) => word,
                        _ => "",
                    };
                    let span = self.peek().span;
                    if matches!(keyword, "end" | "else") {
                        self.at += 1;
                        return Ok((nodes, Stop::Keyword(keyword, span)));
                    }
                    self.action(keyword, span, open.is_none(), &mut nodes)?;
                }
            }
        }
    }

    fn action(
        &mut self,
        keyword: &'s str,
        span: Span,
        at_top: bool,
        nodes: &mut Vec<Node<'s>>,
    ) -> Result<(), Syntax> {
        if !matches!(
            keyword,
            "if" | "with" | "range" | "define" | "block" | "template" | "break" | "continue"
        ) {
            let pipe = self.pipe("an action", &Kind::Close)?;
            nodes.push(Node::Action(pipe));
            return Ok(());
        }
        self.at += 1;
        match keyword {
            "if" => nodes.push(Node::If(self.branch("if", span)?)),
            "with" => nodes.push(Node::With(self.branch("with", span)?)),
            "range" => nodes.push(Node::Range(self.branch("range", span)?)),
            "break" | "continue" => {
                self.close(keyword)?;
                if self.loops == 0 {
                    return Err(Syntax::new(span, format!("`{keyword}` stands outside of any `range`")));
                }
                nodes.push(if keyword == "break" { Node::Break } else { Node::Continue });
            }
            "template" => {
                let (name, name_span) = self.template_name("template")?;
                let pipe = if self.peek().kind == Kind::Close {
                    self.at += 1;
                    None
                } else {
                    Some(self.pipe("template", &Kind::Close)?)
                };
                nodes.push(Node::Template { name, span: name_span, pipe });
            }
            "define" if !at_top => {
                return Err(Syntax::new(span, "`define` has to stand outside of other blocks"));
            }
            "define" => {
                let name = self.template_name("define")?;
                self.close("define")?;
                self.body(name, "define", span)?;
            }
            _ => {
                let (name, name_span) = self.template_name("block")?;
                let pipe = self.pipe("block", &Kind::Close)?;
                self.body((name.clone(), name_span), "block", span)?;
                nodes.push(Node::Template { name, span: name_span, pipe: Some(pipe) });
            }
        }
        Ok(())
    }

    fn template_name(&mut self, what: &str) -> Result<(String, Span), Syntax> {
        let token = self.next();
        match token.kind {
            Kind::Quoted(name) => Ok((name, token.span)),
            _ => {
                Err(unexpected(&token, what)
                    .help(format!("a name in quotes is due, as in `{what} \"name\"`")))
            }
        }
    }

    fn body(&mut self, name: (String, Span), what: &'static str, open: Span) -> Result<(), Syntax> {
        self.enter(open)?;
        let loops = std::mem::take(&mut self.loops);
        let (nodes, stop) = self.list(Some((what, open)))?;
        self.loops = loops;
        if let Stop::Keyword("else", span) = stop {
            return Err(Syntax::new(span, format!("`else` has no meaning in `{what}`")));
        }
        self.close("end")?;
        self.nesting -= 1;
        self.bodies.push(Body { name: Some(name), nodes });
        Ok(())
    }

    fn branch(&mut self, what: &'static str, open: Span) -> Result<Branch<'s>, Syntax> {
        self.enter(open)?;
        let pipe = self.pipe(what, &Kind::Close)?;
        let in_loop = usize::from(what == "range");
        self.loops += in_loop;
        let (body, stop) = self.list(Some((what, open)))?;
        self.loops -= in_loop;
        let mut otherwise = Vec::new();
        match stop {
            Stop::Keyword("else", _) => {
                let (again, span) = match self.peek().kind {
                    Kind::Word(word @ ("if" | "with")) if what != "range" => (word, self.peek().span),
                    _ => ("", open),
                };
                if !again.is_empty() && again == what {
                    // `else if` shares the `end` of the `if` it belongs to.
                    self.at += 1;
                    let inner = self.branch(what, span)?;
                    otherwise.push(if what == "if" { Node::If(inner) } else { Node::With(inner) });
                    self.nesting -= 1;
                    return Ok(Branch { pipe, body, otherwise });
                }
                self.close("else")?;
                let (nodes, stop) = self.list(Some((what, open)))?;
                if let Stop::Keyword("else", span) = stop {
                    return Err(Syntax::new(span, format!("a second `else` for the same `{what}`")));
                }
                otherwise = nodes;
                self.close("end")?;
            }
            _ => self.close("end")?,
        }
        self.nesting -= 1;
        Ok(Branch { pipe, body, otherwise })
    }

    /// Commands up to `end`, which is taken too.
    fn pipe(&mut self, context: &str, end: &Kind<'static>) -> Result<Pipe<'s>, Syntax> {
        let start = self.peek().span;
        let (variables, assigns) = self.declarations(context)?;
        let mut commands: Vec<Command<'s>> = Vec::new();
        loop {
            let token = self.peek().clone();
            if token.kind == *end {
                self.at += 1;
                let Some(last) = commands.last() else {
                    return Err(Syntax::new(start.to(token.span), format!("{context} has no value")));
                };
                let span = start.to(last.span);
                return Ok(Pipe { span, variables, assigns, commands });
            }
            if commands.len() > MAX_NESTING {
                return Err(Syntax::new(token.span, format!("more than {MAX_NESTING} commands in one pipe")));
            }
            if !commands.is_empty()
                && matches!(
                    token.kind,
                    Kind::Dot | Kind::Quoted(_) | Kind::Number(_) | Kind::Word("nil" | "true" | "false")
                )
            {
                return Err(Syntax::new(token.span, "a function has to follow `|`, not a value"));
            }
            commands.push(self.command(context)?);
        }
    }

    /// `$x :=`, `$x =` and, for `range`, `$i, $x :=`.
    fn declarations(&mut self, context: &str) -> Result<(Vec<Name<'s>>, bool), Syntax> {
        let mut variables = Vec::new();
        let back = self.at;
        while let Kind::Variable(text) = self.peek().kind {
            let span = self.next().span;
            variables.push(Name { text, span });
            let token = self.peek().clone();
            match token.kind {
                Kind::Declare | Kind::Assign => {
                    self.at += 1;
                    return Ok((variables, token.kind == Kind::Assign));
                }
                Kind::Comma if context == "range" && variables.len() < 2 => self.at += 1,
                Kind::Comma => {
                    return Err(Syntax::new(
                        token.span,
                        if context == "range" {
                            "`range` takes at most two variables".to_owned()
                        } else {
                            format!("{context} takes only one variable")
                        },
                    ));
                }
                _ if variables.len() > 1 => return Err(unexpected(&token, "the variables of `range`")),
                _ => break,
            }
        }
        self.at = back;
        Ok((Vec::new(), false))
    }

    fn command(&mut self, context: &str) -> Result<Command<'s>, Syntax> {
        let first = self.operand(context)?;
        let mut span = first.span;
        let mut args: Vec<Operand<'s>> = Vec::new();
        loop {
            let token = self.peek().clone();
            match token.kind {
                Kind::Close | Kind::RightParen | Kind::End => break,
                // Nothing need follow a pipe, oddly.
                Kind::Pipe => {
                    self.at += 1;
                    break;
                }
                _ if !token.spaced => return Err(unexpected(&token, "an operand")),
                _ => {
                    let arg = self.operand(context)?;
                    span = span.to(arg.span);
                    args.push(arg);
                }
            }
        }
        Ok(Command { span, first, args })
    }

    fn operand(&mut self, context: &str) -> Result<Operand<'s>, Syntax> {
        let token = self.next();
        let mut span = token.span;
        let mut fields = Vec::new();
        let term = match token.kind {
            Kind::Dot => Term::Dot,
            Kind::Field(text) => {
                fields.push(Name { text, span });
                Term::Dot
            }
            Kind::Variable(name) => Term::Variable(name),
            Kind::Word("true") => Term::Bool(true),
            Kind::Word("false") => Term::Bool(false),
            Kind::Word("nil") => Term::Nil,
            Kind::Word(
                "if" | "else" | "end" | "with" | "range" | "define" | "block" | "template" | "break"
                | "continue",
            ) => return Err(unexpected(&token, context)),
            Kind::Word(name) => Term::Function(name),
            Kind::Quoted(text) => Term::Text(text),
            Kind::Number(number) => Term::Number(number),
            Kind::LeftParen => {
                self.enter(span)?;
                let pipe = self.pipe("a parenthesis", &Kind::RightParen)?;
                self.nesting -= 1;
                span = span.to(self.tokens.get(self.at - 1).map_or(span, |t| t.span));
                Term::Paren(Box::new(pipe))
            }
            _ => return Err(unexpected(&token, context)),
        };
        while let Token { kind: Kind::Field(text), span: at, spaced: false } = *self.peek() {
            if matches!(term, Term::Text(_) | Term::Number(_) | Term::Bool(_) | Term::Nil)
                || (matches!(term, Term::Dot) && fields.is_empty())
            {
                return Err(Syntax::new(at, "a field cannot follow here"));
            }
            self.at += 1;
            fields.push(Name { text, span: at });
            span = span.to(at);
        }
        Ok(Operand { span, term, fields })
    }
}

fn unexpected(token: &Token<'_>, context: &str) -> Syntax {
    let what = match &token.kind {
        Kind::Text(_) => "text".to_owned(),
        Kind::Open => "`{{`".to_owned(),
        Kind::Close => "`}}`".to_owned(),
        Kind::Dot => "`.`".to_owned(),
        Kind::Field(name) => format!("`.{name}`"),
        Kind::Variable(name) | Kind::Word(name) => format!("`{name}`"),
        Kind::Quoted(_) => "a text".to_owned(),
        Kind::Number(_) => "a number".to_owned(),
        Kind::Pipe => "`|`".to_owned(),
        Kind::Comma => "`,`".to_owned(),
        Kind::Assign => "`=`".to_owned(),
        Kind::Declare => "`:=`".to_owned(),
        Kind::LeftParen => "`(`".to_owned(),
        Kind::RightParen => "`)`".to_owned(),
        Kind::End => "the end of the template".to_owned(),
    };
    Syntax::new(token.span, format!("unexpected {what} in {context}"))
}
