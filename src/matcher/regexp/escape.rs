//! What follows a backslash.

use super::super::Fault;
use super::super::tree::{Fold, Node, Place};
use super::Reader;
use super::class::shorthand;
use super::group::Reference;

impl Reader<'_, '_> {
    /// The part after a backslash that stood at `start`.
    pub(super) fn escaped(&mut self, start: usize) -> Result<Node, Fault> {
        let Some(next) = self.peek() else {
            return Err(self.fault("the backslash has nothing after it", start));
        };
        let place = match next {
            'A' | 'G' => Place::Start,
            'Z' => Place::Edge,
            'z' => Place::End,
            'b' => Place::WordEdge,
            'B' => Place::NotWordEdge,
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => {
                self.bump();
                return Ok(shorthand(next).map_or(Node::Empty, Node::One));
            }
            'p' | 'P' => {
                self.bump();
                return self.property(next == 'P', start).map(Node::one);
            }
            'k' => {
                self.bump();
                return self.named_reference(start);
            }
            '1'..='9' => {
                let digits: String = self.rest().chars().take_while(char::is_ascii_digit).collect();
                let number = digits.parse().unwrap_or(u32::MAX);
                let octal = next < '8' && number > 9;
                if !octal || self.text.matches('(').count() >= number as usize {
                    self.at += digits.len();
                    return Ok(self.reference(Reference::Number(number), start));
                }
                let c = self.escaped_char(start)?;
                return Ok(self.letter(c));
            }
            _ => {
                let c = self.escaped_char(start)?;
                return Ok(self.letter(c));
            }
        };
        self.bump();
        Ok(Node::At(place))
    }

    pub(super) fn reference(&mut self, to: Reference, start: usize) -> Node {
        let fold = if self.flags.fold { Fold::Case } else { Fold::Exact };
        let span = self.base + start..self.base + self.at;
        Node::Again(self.groups.refer(to, span), fold)
    }

    /// `<name>` or `'name'` after `\k`.
    fn named_reference(&mut self, start: usize) -> Result<Node, Fault> {
        let close = match self.bump() {
            Some('<') => '>',
            Some('\'') => '\'',
            Some('{') => '}',
            _ => return Err(self.fault("`\\k` needs a group name, as in `\\k<name>`", start)),
        };
        let Some((name, _)) = self.rest().split_once(close) else {
            return Err(self.fault("the group name is never closed", start));
        };
        self.at += name.len() + 1;
        let to = name.parse().map_or_else(|_| Reference::Name(name.to_owned()), Reference::Number);
        Ok(self.reference(to, start))
    }

    /// A character by its escape; the backslash at `start` was taken.
    pub(super) fn escaped_char(&mut self, start: usize) -> Result<char, Fault> {
        let Some(c) = self.bump() else {
            return Err(self.fault("the backslash has nothing after it", start));
        };
        Ok(match c {
            '0'..='7' => {
                let more: String =
                    self.rest().chars().take(2).take_while(|c| matches!(c, '0'..='7')).collect();
                self.at += more.len();
                let value = u32::from_str_radix(&format!("{c}{more}"), 8).unwrap_or_default();
                char::from(u8::try_from(value & 0xFF).unwrap_or_default())
            }
            'x' if self.take("{") => {
                let Some((digits, _)) = self.rest().split_once('}') else {
                    return Err(self.fault("`\\x{` is never closed", start));
                };
                self.at += digits.len() + 1;
                return self.hex(digits, start);
            }
            'x' => return self.fixed_hex(2, start),
            'u' => return self.fixed_hex(4, start),
            'a' => '\x07',
            'b' => '\x08',
            'e' => '\x1B',
            'f' => '\x0C',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0B',
            'c' => match self.bump().map(|c| c.to_ascii_uppercase()) {
                Some(c @ '@'..='_') => char::from(u8::try_from(u32::from(c) - 0x40).unwrap_or_default()),
                _ => return Err(self.fault("`\\c` needs a control letter", start)),
            },
            '_' => '_',
            c if c.is_alphanumeric() => {
                return Err(self.fault(format!("there is no escape `\\{c}`"), start));
            }
            c => c,
        })
    }

    fn fixed_hex(&mut self, len: usize, start: usize) -> Result<char, Fault> {
        let Some(digits) = self.rest().get(..len) else {
            return Err(self.fault(format!("the escape needs {len} hexadecimal digits"), start));
        };
        self.at += len;
        self.hex(digits, start)
    }

    fn hex(&self, digits: &str, start: usize) -> Result<char, Fault> {
        u32::from_str_radix(digits, 16)
            .ok()
            .filter(|_| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(char::from_u32)
            .ok_or_else(|| self.fault("the escape names no character", start))
    }
}
