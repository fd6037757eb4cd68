//! Conditions on the items of a list, and patterns of names.

use std::cmp::Ordering;

use serde_json::Value;

use super::JsonPath;
use super::parse::{Nesting, steps};

/// `path op value`, or `path` alone for being there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    path: Box<JsonPath>,
    test: Option<(Operator, Operand)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Differs,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Like,
    Unlike,
}

/// What is compared with.
#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Text(String),
    /// `~true` and so on: what counts as it.
    Truth(Truth),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    True,
    False,
    Null,
    Present,
}

/// Longer ones first: `<=` begins with `<`.
const OPERATORS: [(&str, Operator); 10] = [
    ("==", Operator::Equal),
    ("!=", Operator::Differs),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("!%", Operator::Unlike),
    ("=~", Operator::Like),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("%", Operator::Like),
];

impl Query {
    pub(super) fn read(text: &str, depth: usize) -> Result<Self, String> {
        let mut nesting = Nesting::default();
        let mut at = text.len();
        for (index, c) in text.char_indices() {
            if nesting.is_outside() && matches!(c, '=' | '!' | '<' | '>' | '%') {
                at = index;
                break;
            }
            nesting.pass(c);
        }
        let (path, condition) = text.split_at(at);
        let (path, condition) = (path.trim(), condition.trim());
        let path = if path.is_empty() { JsonPath(Vec::new()) } else { steps(path, depth + 1)? };
        if condition.is_empty() {
            return Ok(Self { path: Box::new(path), test: None });
        }
        let operator =
            OPERATORS.iter().find_map(|(sign, operator)| Some((condition.strip_prefix(sign)?, *operator)));
        let Some((operand, operator)) = operator else {
            return Err(format!("`{condition}` does not begin with an operator"));
        };
        Ok(Self { path: Box::new(path), test: Some((operator, Operand::read(operand.trim()))) })
    }

    pub(super) fn holds(&self, item: &Value) -> bool {
        let found = self.path.follow(item);
        match &self.test {
            None => found.is_some(),
            Some((operator, Operand::Truth(truth))) => {
                let is = truth.is(found.as_deref());
                match operator {
                    Operator::Equal | Operator::AtLeast => is,
                    Operator::Differs => !is,
                    _ => false,
                }
            }
            Some((operator, Operand::Text(text))) => found.is_some_and(|found| operator.holds(&found, text)),
        }
    }
}

impl Operand {
    fn read(text: &str) -> Self {
        match text {
            "~true" => Self::Truth(Truth::True),
            "~false" => Self::Truth(Truth::False),
            "~null" => Self::Truth(Truth::Null),
            "~*" => Self::Truth(Truth::Present),
            text => Self::Text(serde_json::from_str(text).unwrap_or_else(|_| text.to_owned())),
        }
    }
}

impl Truth {
    fn is(self, value: Option<&Value>) -> bool {
        match self {
            Self::Present => value.is_some(),
            Self::Null => value.is_none_or(Value::is_null),
            Self::True => match value {
                Some(Value::Bool(yes)) => *yes,
                Some(Value::Number(number)) => number.as_f64() != Some(0.0),
                Some(Value::String(text)) => text.eq_ignore_ascii_case("true") || text == "1",
                _ => false,
            },
            Self::False => match value {
                None | Some(Value::Null) => true,
                Some(Value::Bool(yes)) => !yes,
                Some(Value::Number(number)) => number.as_f64() == Some(0.0),
                Some(Value::String(text)) => text.eq_ignore_ascii_case("false") || text == "0",
                _ => false,
            },
        }
    }
}

impl Operator {
    fn holds(self, value: &Value, operand: &str) -> bool {
        match value {
            Value::String(text) => match self {
                Self::Like => Pattern::read(operand).matches(text),
                Self::Unlike => !Pattern::read(operand).matches(text),
                _ => self.accepts(text.as_str().cmp(operand)),
            },
            Value::Number(number) => {
                let order = number.as_f64().zip(operand.parse().ok()).and_then(|(a, b)| a.partial_cmp(&b));
                match order {
                    Some(order) => self.accepts(order),
                    None => self == Self::Differs,
                }
            }
            Value::Bool(yes) => match operand {
                "true" => self.accepts(yes.cmp(&true)),
                "false" => self.accepts(yes.cmp(&false)),
                _ => self == Self::Differs,
            },
            _ => false,
        }
    }

    fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Differs => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Like | Self::Unlike => false,
        }
    }
}

/// A name in which `*` stands for anything and `?` for one character; `\` takes a meaning away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Any,
}

impl Pattern {
    pub(super) fn read(text: &str) -> Self {
        let mut tokens = Vec::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '\\' => Token::Char(chars.next().unwrap_or('\\')),
                '?' => Token::One,
                '*' => Token::Any,
                c => Token::Char(c),
            });
        }
        Self(tokens)
    }

    /// The name itself, where nothing in it stands for more.
    pub(super) fn literal(&self) -> Option<String> {
        self.0.iter().map(|token| if let Token::Char(c) = token { Some(*c) } else { None }).collect()
    }

    /// Goes back to the last `*` only, so the time is at most that of both lengths multiplied.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut token, mut at) = (0, 0);
        let mut star = None;
        loop {
            match (self.0.get(token), text.get(at)) {
                (Some(Token::Any), _) => {
                    star = Some((token, at));
                    token += 1;
                }
                (Some(Token::One), Some(_)) => (token, at) = (token + 1, at + 1),
                (Some(Token::Char(want)), Some(c)) if want == c => (token, at) = (token + 1, at + 1),
                (None, None) => return true,
                _ => match star {
                    Some((any, end)) if end < text.len() => {
                        star = Some((any, end + 1));
                        (token, at) = (any + 1, end + 1);
                    }
                    _ => return false,
                },
            }
        }
    }
}
