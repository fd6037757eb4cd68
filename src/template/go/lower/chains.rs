//! Chains: what `.a.b.c` means where it can be known before a request.

use super::super::ast::{Name, Operand, Span};
use super::super::members::{self, Member};
use super::super::program::{Expr, Known, UrlPart, What};
use super::super::value::Kind;
use super::{Lowering, Typed, fields_help, kind_of};

impl<'s> Lowering<'s> {
    /// Fields behind a value. Arguments, also one that comes through a pipe, go to the last of them.
    pub(super) fn chain(
        &mut self,
        base: Typed,
        fields: &'s [Name<'s>],
        args: &'s [Operand<'s>],
        last: Option<Typed>,
        whole: Span,
    ) -> Typed {
        let mut value = base;
        let Some((end, before)) = fields.split_last() else { return value };
        for field in before {
            let span = value.expr.span.to(field.span);
            value = self.member(value, *field, &[], None, span);
        }
        self.member(value, *end, args, last, whole)
    }

    fn member(
        &mut self,
        of: Typed,
        field: Name<'s>,
        args: &'s [Operand<'s>],
        last: Option<Typed>,
        span: Span,
    ) -> Typed {
        let name = field.text;
        let has_args = !args.is_empty() || last.is_some();
        match members::of(of.kind, name) {
            Member::Unknown => {
                let help = fields_help(of.kind, name);
                let message = format!("{} has no field `{name}`", of.kind.name());
                self.error("unknown-field", field.span, message).help = help;
                Typed::broken(span)
            }
            Member::Changes => {
                self.error(
                    "not-callable",
                    field.span,
                    format!("`{name}` changes what it belongs to, which a template cannot do"),
                );
                Typed::broken(span)
            }
            Member::Field(_) | Member::Key(_) if has_args => {
                self.error(
                    "not-callable",
                    field.span,
                    format!("`{name}` is no method and takes no arguments"),
                );
                Typed::broken(span)
            }
            Member::Field(kind) | Member::Key(kind) => Self::step(of, name, Box::default(), kind, span),
            Member::Method { takes, rest, gives } => {
                let args = self.method_args(field, takes, rest, args, last);
                Self::step(of, name, args, gives, span)
            }
            Member::Dynamic => {
                // Only methods of made values, such as `now`, take arguments; those of JSON values have none.
                if has_args && matches!(of.known(), Some(Known::Extra(_))) {
                    self.error(
                        "not-callable",
                        field.span,
                        format!("`{name}` is no method and takes no arguments"),
                    );
                    return Typed::broken(span);
                }
                let mut given: Vec<Expr> = args.iter().map(|arg| self.operand(arg).expr).collect();
                given.extend(last.map(|last| last.expr));
                Self::step(of, name, given.into(), Kind::Any, span)
            }
        }
    }

    fn method_args(
        &mut self,
        method: Name<'s>,
        takes: &'static [Kind],
        rest: Option<Kind>,
        args: &'s [Operand<'s>],
        last: Option<Typed>,
    ) -> Box<[Expr]> {
        let count = args.len() + usize::from(last.is_some());
        if count < takes.len() || (count > takes.len() && rest.is_none()) {
            self.error(
                "wrong-argument-count",
                method.span,
                super::calls::count_message(method.text, takes.len(), rest.is_some(), count),
            );
        }
        let kind = |index: usize| takes.get(index).copied().or(rest).unwrap_or(Kind::Any);
        let mut given: Vec<Expr> = args
            .iter()
            .enumerate()
            .map(|(index, arg)| self.argument(arg, kind(index), method.text))
            .collect();
        if let Some(last) = last {
            let wanted = kind(args.len());
            self.check_kind(&last, wanted, method.text);
            given.push(last.expr);
        }
        given.into()
    }

    /// One step of a chain, by the shortest way there is.
    fn step(mut of: Typed, name: &str, args: Box<[Expr]>, kind: Kind, span: Span) -> Typed {
        // In parentheses a missing key is nil without a type, and its members are nil too.
        if let What::Known(Known::Extra(keys)) = &mut of.expr.what
            && (!of.settled || keys.is_empty())
        {
            keys.push(Box::from(name));
            of.expr.span = span;
            return Typed { kind: Kind::Any, settled: false, ..of };
        }
        let constant = match args.first() {
            Some(Expr { what: What::Text(text), .. }) => Some(text.clone()),
            _ => None,
        };
        let known = of.known().and_then(|known| match (known, name, constant) {
            (Known::Session, "Subject", _) => Some(Known::Subject),
            (Known::Session, "Extra", _) => Some(Known::Extra(Vec::new())),
            (Known::Session, "Header", _) => Some(Known::Headers),
            (Known::Session, "MatchContext", _) => Some(Known::Match),
            (Known::Session, "Copy", _) => Some(Known::Session),
            (Known::Match, "RegexpCaptureGroups", _) => Some(Known::Captures),
            (Known::Match, "URL", _) => Some(Known::Url),
            (Known::Match, "Method", _) => Some(Known::Method),
            (Known::Match, "Header", _) => Some(Known::RequestHeaders),
            (Known::Url, "Query", _) => Some(Known::Query),
            (Known::Url, part, _) => UrlPart::named(part).map(Known::UrlPart),
            (Known::RequestHeaders, "Get", Some(name)) => Some(Known::RequestHeader(name)),
            (Known::Headers, "Get", Some(name)) => Some(Known::Header(name)),
            (Known::Query, "Get", Some(name)) => Some(Known::QueryValue(name)),
            _ => None,
        });
        if let Some(known) = known {
            let kind = kind_of(&known);
            Typed::new(span, What::Known(known), kind)
        } else {
            let settled = of.settled;
            let what = What::Member { of: Box::new(of.expr), name: Box::from(name), args, settled };
            Typed::new(span, what, kind)
        }
    }
}
