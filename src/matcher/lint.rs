//! What is legal in a pattern and most likely not meant.

use std::ops::Range;

use super::Fault;
use super::literal::{Oddity, Region};
use super::pattern::Part;
use super::tree::{Chars, Node, Place, meet, span as range};
use crate::diagnostic::Finding;

/// A literal, and what was noticed while it was made canonical.
pub(super) fn literal(text: &str, odd: &[Oddity], span: &Range<usize>, warnings: &mut Vec<Finding>) {
    if let Some(star) = text.find('*') {
        let at = span.start + star;
        let fault = Fault::new("`*` outside of `<…>` matches only itself", at..at + 1);
        warnings.push(
            fault
                .help("wildcards stand in angle brackets, as in `<.*>` or the glob `<**>`")
                .warning("literal-wildcard"),
        );
    }
    for oddity in odd {
        let fault = match oddity {
            Oddity::UpperCase => Fault::new(
                format!("`{text}` may be part of the host, and hosts are compared in lower case"),
                span.clone(),
            )
            .help("write it in lower case, or use a fragment before it that cannot match `/`"),
            Oddity::Dots => {
                Fault::new(format!("`{text}` never matches: paths have their `..` resolved"), span.clone())
            }
            Oddity::Query => {
                let shown = if text.contains('?') { '?' } else { '#' };
                let escaped = if shown == '?' { "%3F" } else { "%23" };
                Fault::new(
                    format!(
                        "`{shown}` matches only an encoded `{escaped}`: a query is never part of what is matched"
                    ),
                    span.clone(),
                )
            }
        };
        let code = if *oddity == Oddity::UpperCase { "uppercase-host" } else { "never-matches" };
        warnings.push(fault.warning(code));
    }
}

/// A fragment where scheme or host stands.
pub(super) fn fragment(node: &Node, region: Region, span: &Range<usize>, warnings: &mut Vec<Finding>) {
    if matches!(region, Region::Scheme | Region::Host) && !node.can_take('/') && needs_upper(node) {
        let fault = Fault::new(
            "only upper case can match here, and scheme and host are compared in lower case",
            span.clone(),
        );
        warnings.push(fault.help("write it in lower case").warning("uppercase-host"));
    }
}

/// Whether every text that matches has an upper-case letter.
fn needs_upper(node: &Node) -> bool {
    let upper = range('A', 'Z');
    match node {
        Node::Text(text) => text.bytes().any(|b| b.is_ascii_uppercase()),
        Node::One(chars) => {
            let mut other = chars.clone();
            other.difference(&upper);
            other.ranges().is_empty()
        }
        Node::Capture(_, part) | Node::Atomic(part) => needs_upper(part),
        Node::Sequence(parts) => parts.iter().any(needs_upper),
        Node::Choice(parts) => parts.iter().all(needs_upper),
        Node::Repeat(part, times) => times.min > 0 && needs_upper(part),
        _ => false,
    }
}

/// A pattern without `://`.
pub(super) fn no_host(source: &str, warnings: &mut Vec<Finding>) {
    let fault =
        Fault::new("the pattern has no `://`, and URLs are matched as `scheme://host/path`", 0..source.len());
    warnings.push(fault.warning("never-matches"));
}

/// A pattern that ends with the host.
pub(super) fn no_path(source: &str, warnings: &mut Vec<Finding>) {
    let fault =
        Fault::new("the pattern has no path, and a request for the root has the path `/`", 0..source.len());
    warnings.push(fault.help("add `/`, or `<(/.*)?>` for every path").warning("no-path"));
}

/// `^` after and `$` before something that takes a character.
pub(super) fn anchors(parts: &[Part], warnings: &mut Vec<Finding>) {
    for (index, part) in parts.iter().enumerate() {
        let before = parts.get(..index).unwrap_or_default().iter().any(|p| !p.node.nullable());
        let after = parts.get(index + 1..).unwrap_or_default().iter().any(|p| !p.node.nullable());
        if before && begins_with_start(&part.node) {
            let fault = Fault::new("`^` never matches after other text", part.span.clone());
            warnings.push(fault.help("patterns are anchored at both ends anyway").warning("never-matches"));
        }
        if after && ends_with_end(&part.node) {
            let fault = Fault::new("`$` never matches before other text", part.span.clone());
            warnings.push(fault.help("patterns are anchored at both ends anyway").warning("never-matches"));
        }
    }
}

fn begins_with_start(node: &Node) -> bool {
    match node {
        Node::At(Place::Start) => true,
        Node::Capture(_, part) | Node::Atomic(part) => begins_with_start(part),
        Node::Sequence(parts) => parts.first().is_some_and(begins_with_start),
        Node::Choice(parts) => parts.iter().all(begins_with_start),
        _ => false,
    }
}

fn ends_with_end(node: &Node) -> bool {
    match node {
        Node::At(Place::End | Place::Edge) => true,
        Node::Capture(_, part) | Node::Atomic(part) => ends_with_end(part),
        Node::Sequence(parts) => parts.last().is_some_and(ends_with_end),
        Node::Choice(parts) => parts.iter().all(ends_with_end),
        _ => false,
    }
}

/// Repetitions within repetitions that can share out the same text in many ways, and references that no
/// group can have been set for.
pub(super) fn repetitions(parts: &[Part], backtracks: bool, warnings: &mut Vec<Finding>) {
    for part in parts.iter().filter(|part| part.fragment) {
        if ambiguous(&part.node) {
            let (message, help) = if backtracks {
                (
                    "a repetition within a repetition can match the same text in very many ways",
                    "a request that takes too many steps is refused; without look-behind and back-references the pattern needs no such steps",
                )
            } else {
                (
                    "a repetition within a repetition can match the same text in very many ways",
                    "here it takes no longer for that, but backtracking engines such as Oathkeeper's can be stalled with it",
                )
            };
            warnings.push(Fault::new(message, part.span.clone()).help(help).warning("slow-pattern"));
        }
        if let Some(slot) = own_reference(&part.node, &mut Vec::new()) {
            let fault = Fault::new(
                format!("group {} refers to itself, so this never matches", slot + 1),
                part.span.clone(),
            );
            let fault =
                fault.help("each `<…>` counts as a group; name the group and refer to it with `\\k<name>`");
            warnings.push(fault.warning("never-matches"));
        }
    }
}

/// A repetition whose rounds can end and begin with the same characters, and end in a repetition.
fn ambiguous(node: &Node) -> bool {
    node.any(&mut |part| match part {
        Node::Repeat(inner, times) if times.max.is_none_or(|max| max > 8) => {
            let (first, mut tails) = (inner.first(), Chars::empty());
            loose_ends(inner, &mut tails);
            meet(&first.chars, &tails)
        }
        _ => false,
    })
}

/// The characters of the endless repetitions that `node` can end with.
fn loose_ends(node: &Node, tails: &mut Chars) {
    match node {
        Node::Repeat(inner, times) => {
            if times.max.is_none_or(|max| max > 8) {
                tails.union(&inner.last().chars);
            }
            loose_ends(inner, tails);
        }
        Node::Capture(_, part) => loose_ends(part, tails),
        Node::Choice(parts) => parts.iter().for_each(|part| loose_ends(part, tails)),
        Node::Sequence(parts) => {
            for part in parts.iter().rev() {
                loose_ends(part, tails);
                if !part.nullable() {
                    break;
                }
            }
        }
        _ => {}
    }
}

/// A group with a reference to itself inside.
fn own_reference(node: &Node, open: &mut Vec<u16>) -> Option<u16> {
    match node {
        Node::Again(slot, _) => open.contains(slot).then_some(*slot),
        Node::Capture(slot, part) => {
            open.push(*slot);
            let found = own_reference(part, open);
            open.pop();
            found
        }
        _ => node.parts().into_iter().find_map(|part| own_reference(part, open)),
    }
}
