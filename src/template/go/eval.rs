//! Evaluating expressions.

use std::rc::Rc;

use serde_json::Value as Json;
use smallvec::SmallVec;

use super::fields::Fields;
use super::function::{Args, Function};
use super::members::{self, Member};
use super::program::{Expr, Known, UrlPart, What};
use super::query;
use super::run::{Outcome, Run};
use super::url::{self, Url};
use super::value::{Kind, Value};
use crate::template::Missing;

impl<'d> Run<'d> {
    /// What an expression comes to.
    pub fn value(&mut self, expr: &'d Expr, dot: &Value<'d>) -> Outcome<Value<'d>> {
        match &expr.what {
            What::Known(known) => self.known(known, expr),
            What::Text(text) => Ok(Value::text(&**text)),
            What::Nil => Ok(Value::Nil),
            What::Bool(b) => Ok(Value::Bool(*b)),
            What::Int(n) => Ok(Value::Int(*n)),
            What::Float(f) => Ok(Value::Float(*f)),
            What::Dot => Ok(dot.clone()),
            What::Variable(slot) => Ok(self.variable(*slot)),
            What::Set(slot, inner) => {
                let value = self.nested(inner, dot)?;
                self.set(*slot, value.clone());
                Ok(value)
            }
            What::Present(inner) => {
                let value = self.nested(inner, dot)?;
                if matches!(value, Value::Nil) {
                    return Self::failure(inner.span, "there is no such value");
                }
                Ok(value)
            }
            What::Member { of, name, args, settled } => {
                self.step(expr.span)?;
                let of = self.nested(of, dot)?;
                if of.is_nil() && (*settled || matches!(of, Value::Lost)) {
                    return self.member_of_nothing(expr);
                }
                self.member(expr, &of, name, args, dot)
            }
            What::And(args) => self.logic(args, dot, false),
            What::Or(args) => self.logic(args, dot, true),
            What::Call { function, args } => self.call_function(expr, function, args, dot),
        }
    }

    fn nested(&mut self, expr: &'d Expr, dot: &Value<'d>) -> Outcome<Value<'d>> {
        self.down(expr.span)?;
        let value = self.value(expr, dot)?;
        self.up();
        Ok(value)
    }

    /// The first argument whose truth is `until`, or the last.
    fn logic(&mut self, args: &'d [Expr], dot: &Value<'d>, until: bool) -> Outcome<Value<'d>> {
        let mut value = Value::Nil;
        for arg in args {
            value = self.nested(arg, dot)?;
            if value.is_true() == until {
                break;
            }
        }
        Ok(value)
    }

    fn call_function(
        &mut self,
        expr: &'d Expr,
        function: &'static Function,
        args: &'d [Expr],
        dot: &Value<'d>,
    ) -> Outcome<Value<'d>> {
        self.step(expr.span)?;
        let mut values: SmallVec<[Value<'d>; 4]> = SmallVec::with_capacity(args.len());
        for (index, arg) in args.iter().enumerate() {
            let value = self.nested(arg, dot)?;
            let wanted = function.kind_of(index).unwrap_or(Kind::Any);
            values.push(self.fit(arg, value, wanted, function.name)?);
        }
        let answer = (function.run)(&mut self.scope, &mut Args(&mut values));
        let checked = answer.and_then(|value| self.scope.charge(&value).map(|()| value));
        checked.or_else(|fault| Self::failure(expr.span, fault))
    }

    /// A value as an argument of a kind. What a chain lost on its way is an empty text where a text is
    /// wanted, and nil is a map without entries.
    fn fit(&self, arg: &Expr, value: Value<'d>, wanted: Kind, function: &str) -> Outcome<Value<'d>> {
        let value = match value {
            Value::Lost if !self.program.options.nil_in_chain_is_empty() => Value::Nil,
            value => value,
        };
        if wanted == Kind::Any || value.is(wanted) {
            return Ok(value);
        }
        match (value, wanted) {
            (Value::Lost, Kind::Text) => Ok(Value::text("")),
            (Value::Nil | Value::Lost, Kind::Dict) => Ok(Value::Dict(super::dict::Dict::Nil)),
            (value, _) => {
                let found = members::kind_of(&value).map_or("nil", Kind::name);
                Self::failure(arg.span, format!("`{function}` takes {} here, not {found}", wanted.name()))
            }
        }
    }

    fn member(
        &mut self,
        expr: &'d Expr,
        of: &Value<'d>,
        name: &str,
        args: &'d [Expr],
        dot: &Value<'d>,
    ) -> Outcome<Value<'d>> {
        let Some(kind) = members::kind_of(of) else { return self.nil_in_chain(expr) };
        let (takes, rest): (&'static [Kind], Option<Kind>) = match members::of(kind, name) {
            Member::Method { takes, rest, .. } => (takes, rest),
            Member::Field(_) | Member::Key(_) => (&[], None),
            Member::Changes => {
                return Self::failure(expr.span, "a template cannot change what it is given");
            }
            Member::Unknown | Member::Dynamic => {
                return Self::failure(expr.span, format!("{} has no field `{name}`", kind.name()));
            }
        };
        if args.len() < takes.len() || (args.len() > takes.len() && rest.is_none()) {
            return Self::failure(expr.span, format!("`{name}` does not take so many arguments"));
        }
        let mut values: SmallVec<[Value<'d>; 2]> = SmallVec::with_capacity(args.len());
        for (index, arg) in args.iter().enumerate() {
            let value = self.nested(arg, dot)?;
            let wanted = takes.get(index).copied().or(rest).unwrap_or(Kind::Any);
            values.push(self.fit(arg, value, wanted, name)?);
        }
        let answer = members::get(of, name, &Args(&mut values));
        let checked = answer.and_then(|value| self.scope.charge(&value).map(|()| value));
        checked.or_else(|fault| Self::failure(expr.span, fault))
    }

    /// A field of nil: an error to Oathkeeper, let through where the template is for a header.
    fn nil_in_chain(&self, expr: &Expr) -> Outcome<Value<'d>> {
        if self.program.options.nil_in_chain_is_empty() {
            Ok(Value::Lost)
        } else {
            Self::failure(expr.span, "something on the way of this chain is not there")
        }
    }

    /// A field of a nil without a type: nothing, unless nothing is to be an error.
    fn member_of_nothing(&self, expr: &Expr) -> Outcome<Value<'d>> {
        if self.program.options.missing == Missing::Error {
            return self.nil_in_chain(expr);
        }
        Ok(Value::Lost)
    }

    fn known(&mut self, known: &'d Known, expr: &'d Expr) -> Outcome<Value<'d>> {
        let view = self.view;
        let data = &view.data;
        Ok(match known {
            Known::Subject => Value::text(data.subject),
            Known::Extra(keys) => return self.extra(keys, expr),
            Known::Capture { index, strict } => match data.capture(*index) {
                Some(text) => Value::Text(text),
                None if *strict => return Self::failure(expr.span, "there are not so many capture groups"),
                None => Value::text(""),
            },
            Known::RequestHeader(name) => Value::Text(data.request_header(name)),
            Known::Header(name) => Value::Text(data.session_header(name).unwrap_or_default()),
            Known::QueryValue(name) => Value::Text(query::value(data.request.query(), name)),
            Known::Method => Value::text(data.request.method()),
            Known::UrlPart(part) => match part {
                UrlPart::Scheme => Value::text(data.request.scheme()),
                UrlPart::Host => Value::text(data.request.host()),
                UrlPart::Path => Value::Text(data.request.path()),
                UrlPart::RawQuery => Value::text(data.request.query()),
                UrlPart::Hostname => Value::text(url::split_port(data.request.host()).0),
                UrlPart::Port => Value::text(url::split_port(data.request.host()).1),
                UrlPart::Text => Value::text(Url::of(data).text()),
                UrlPart::EscapedPath => Value::text(Url::of(data).escaped_path().into_owned()),
                UrlPart::RequestUri => Value::text(Url::of(data).request_uri()),
            },
            Known::Url => Value::Url(view.url()),
            Known::Query => Value::Fields(Fields::Query(Rc::new(query::parse(data.request.query())))),
            Known::Headers => Value::Fields(Fields::Session(view)),
            Known::RequestHeaders => Value::Fields(Fields::Request(view)),
            Known::Captures => Value::List(view.captures()),
            Known::Match => Value::Match(view),
            Known::Session => Value::Session(view),
        })
    }

    /// `.Extra.a.b`, walked along the JSON document itself.
    fn extra(&mut self, keys: &'d [Box<str>], expr: &'d Expr) -> Outcome<Value<'d>> {
        let Some((first, rest)) = keys.split_first() else { return Ok(self.view.extra()) };
        let mut json: Option<&'d Json> = self.view.data.extra.and_then(|extra| extra.get(&**first));
        for key in rest {
            match json {
                None | Some(Json::Null) => return self.nil_in_chain(expr),
                Some(Json::Object(map)) => json = map.get(&**key),
                Some(other) => {
                    let kind = match other {
                        Json::Array(_) => Kind::List,
                        Json::String(_) => Kind::Text,
                        Json::Bool(_) => Kind::Bool,
                        _ => Kind::Float,
                    };
                    return Self::failure(expr.span, format!("{} has no field `{key}`", kind.name()));
                }
            }
        }
        Ok(json.map_or(Value::Nil, |json| Value::json(json, self.view.numbers)))
    }
}
