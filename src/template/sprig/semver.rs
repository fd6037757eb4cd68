//! Semantic versions and constraints on them, by the rules of Masterminds' semver.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::template::go::function::{Args, Function, Scope};
use crate::template::go::value::{Answer, Fault, Kind, Value};

pub const FUNCTIONS: &[Function] = &[
    Function::new("semver", &[Kind::Text], Kind::Version, semver),
    Function::new("semverCompare", &[Kind::Text, Kind::Text], Kind::Bool, semver_compare),
];

/// A version; two are equal when neither comes before the other.
#[derive(Debug, Clone)]
pub struct Version {
    numbers: [u64; 3],
    prerelease: String,
    metadata: String,
    original: String,
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Equal
    }
}

impl Version {
    /// Reads a version; a leading `v`, and minor and patch number, may be left out.
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('v').unwrap_or(text);
        let (rest, metadata) = split_off(rest, '+')?;
        let (core, prerelease) = split_off(rest, '-')?;
        let mut numbers = [0; 3];
        let mut parts = core.split('.');
        for (place, part) in numbers.iter_mut().zip(parts.by_ref()) {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            *place = part.parse().ok().filter(|_| digits)?;
        }
        if parts.next().is_some() {
            return None;
        }
        // Numbers in a pre-release have no leading zero.
        let padded = |p: &str| p.len() > 1 && p.starts_with('0') && p.bytes().all(|b| b.is_ascii_digit());
        if prerelease.split('.').any(padded) {
            return None;
        }
        Some(Self {
            numbers,
            prerelease: prerelease.to_owned(),
            metadata: metadata.to_owned(),
            original: text.to_owned(),
        })
    }

    pub fn text(&self) -> String {
        let [major, minor, patch] = self.numbers;
        let mut out = format!("{major}.{minor}.{patch}");
        for (mark, part) in [('-', &self.prerelease), ('+', &self.metadata)] {
            if !part.is_empty() {
                out.push(mark);
                out.push_str(part);
            }
        }
        out
    }

    /// `SemVer` 2.0.0 section 11.
    fn order(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => order_identifiers(&self.prerelease, &other.prerelease),
            }
        })
    }

    pub fn member<'d>(&self, name: &str, arg: &Value<'d>) -> Value<'d> {
        let [major, minor, patch] = self.numbers;
        let order = match arg {
            Value::Version(other) => self.order(other),
            _ => Ordering::Equal,
        };
        match name {
            "Major" => Value::Uint64(major),
            "Minor" => Value::Uint64(minor),
            "Patch" => Value::Uint64(patch),
            "Prerelease" => Value::text(self.prerelease.clone()),
            "Metadata" => Value::text(self.metadata.clone()),
            "Original" => Value::text(self.original.clone()),
            "Compare" => Value::Int(order as i64),
            "Equal" => Value::Bool(order == Ordering::Equal),
            "LessThan" => Value::Bool(order == Ordering::Less),
            "GreaterThan" => Value::Bool(order == Ordering::Greater),
            _ => Value::text(self.text()),
        }
    }
}

/// What stands before and behind a mark; what is behind has to consist of identifiers.
fn split_off(text: &str, mark: char) -> Option<(&str, &str)> {
    let Some((before, behind)) = text.split_once(mark) else { return Some((text, "")) };
    let identifier =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    behind.split('.').all(identifier).then_some((before, behind))
}

fn order_identifiers(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// One condition on a version, such as `>=1.2` or `^2.x`.
#[derive(Debug)]
struct Condition {
    operator: Operator,
    version: Version,
    /// How many of major, minor and patch number were given.
    given: usize,
}

impl Condition {
    fn parse(operator: &str, version: &str) -> Option<Self> {
        let operator = match operator {
            "" | "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::GreaterEqual,
            "<=" | "=<" => Operator::LessEqual,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            _ => return None,
        };
        let rest = version.strip_prefix('v').unwrap_or(version);
        let (rest, _) = split_off(rest, '+')?;
        let (core, prerelease) = split_off(rest, '-')?;
        let parts: Vec<&str> = core.split('.').collect();
        if parts.len() > 3 {
            return None;
        }
        let open = |part: &&str| matches!(*part, "x" | "X" | "*");
        let given = parts.iter().position(&open).unwrap_or(parts.len());
        let fits = |part: &&str| open(part) || (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        if !parts.iter().all(fits) {
            return None;
        }
        let mut text = parts.get(..given)?.join(".");
        if text.is_empty() {
            text.push('0');
        }
        if !prerelease.is_empty() {
            text.push('-');
            text.push_str(prerelease);
        }
        Some(Self { operator, version: Version::parse(&text)?, given })
    }

    fn allows(&self, version: &Version) -> bool {
        let open = self.given < 3;
        // Pre-releases are only for those who ask for them.
        let prerelease = !version.prerelease.is_empty() && self.version.prerelease.is_empty();
        if prerelease && (open || self.operator != Operator::NotEqual) {
            return false;
        }
        let order = version.order(&self.version);
        let given = |count: usize| version.numbers.get(..count) == self.version.numbers.get(..count);
        match self.operator {
            Operator::Equal if open => self.tilde(version),
            Operator::Equal => order == Ordering::Equal,
            Operator::NotEqual if self.given == 1 => !given(1),
            Operator::NotEqual if self.given == 2 => {
                !given(2) || version.prerelease != self.version.prerelease
            }
            Operator::NotEqual => order != Ordering::Equal,
            Operator::Greater if open => {
                let (a, b) = (version.numbers.get(..self.given), self.version.numbers.get(..self.given));
                if self.given == 0 { order == Ordering::Greater } else { a > b }
            }
            Operator::Greater => order == Ordering::Greater,
            Operator::Less => order == Ordering::Less,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::LessEqual if open => {
                let count = if self.given == 1 { 1 } else { 2 };
                version.numbers.get(..count) <= self.version.numbers.get(..count)
            }
            Operator::LessEqual => order != Ordering::Greater,
            Operator::Tilde => self.tilde(version),
            Operator::Caret => self.caret(version),
        }
    }

    /// The same minor version, or the same major one where only that was given.
    fn tilde(&self, version: &Version) -> bool {
        if version.order(&self.version) == Ordering::Less {
            return false;
        }
        let all_zero = self.version.numbers == [0; 3];
        if all_zero && (self.given == 3 || self.given == 0) {
            return true;
        }
        let same = if self.given <= 1 { 1 } else { 2 };
        version.numbers.get(..same) == self.version.numbers.get(..same)
    }

    /// Nothing changed left of, and including, the first number that is not zero.
    fn caret(&self, version: &Version) -> bool {
        if version.order(&self.version) == Ordering::Less {
            return false;
        }
        let [major, minor, _] = self.version.numbers;
        let same = if major > 0 || self.given == 1 {
            1
        } else if minor > 0 || self.given == 2 {
            2
        } else {
            3
        };
        version.numbers.get(..same) == self.version.numbers.get(..same)
    }
}

/// Whether a version meets constraints: conditions, all of which hold, in groups joined by `||`.
fn meets(constraints: &str, version: &Version) -> Option<bool> {
    let mut met = false;
    for group in constraints.split("||") {
        let conditions = conditions(group)?;
        met |= conditions.iter().all(|condition| condition.allows(version));
    }
    Some(met)
}

fn conditions(group: &str) -> Option<Vec<Condition>> {
    let mut found = Vec::new();
    let mut rest = group.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let operator_len = rest.find(|c| !"=!<>~^".contains(c)).unwrap_or(rest.len());
        let (operator, behind) = rest.split_at_checked(operator_len)?;
        let behind = behind.trim_start();
        let version_len = behind.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(behind.len());
        let (version, behind) = behind.split_at_checked(version_len)?;
        let next = behind.trim_start();
        // `1.2 - 2.3` is a range.
        if let Some(upper) = next.strip_prefix("- ").filter(|_| operator.is_empty()) {
            let upper = upper.trim_start();
            let len = upper.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(upper.len());
            let (upper, behind) = upper.split_at_checked(len)?;
            found.push(Condition::parse(">=", version)?);
            found.push(Condition::parse("<=", upper)?);
            rest = behind.trim_start();
        } else {
            found.push(Condition::parse(operator, version)?);
            rest = next;
        }
        if let Some(behind) = rest.strip_prefix(',') {
            rest = behind.trim_start();
            if rest.is_empty() {
                return None;
            }
        }
    }
    Some(found)
}

fn semver<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let version = Version::parse(args.text(0)).ok_or("this is not a version")?;
    Ok(Value::Version(Rc::new(version)))
}

fn semver_compare<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let version = Version::parse(args.text(1)).ok_or("this is not a version")?;
    let met = meets(args.text(0), &version);
    met.map(Value::Bool).ok_or_else(|| Fault::from("this is not a constraint on versions"))
}
