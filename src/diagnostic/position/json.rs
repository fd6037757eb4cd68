//! Places of keys and values in JSON. Written for text that `serde_json` accepts; anything else gives the
//! part before the fault.

use super::scalar;
use super::tree::{Content, Key, NodeId, Style, Tree};

/// A collection that is still open.
struct Open {
    node: NodeId,
    key: Option<Key>,
}

/// The document.
pub(super) fn tree(text: &str) -> Tree {
    let mut tree = Tree::default();
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let skipped = rest.trim_start_matches([' ', '\t', '\n', '\r', ',', ':', '\u{feff}']);
        at += rest.len() - skipped.len();
        let Some(first) = skipped.chars().next() else { break };
        let node = match first {
            '{' | '[' => {
                let content = if first == '{' { Content::Map(Vec::new()) } else { Content::List(Vec::new()) };
                let node = tree.add(at..at + 1, content);
                open.push(Open { node, key: None });
                at += 1;
                continue;
            }
            '}' | ']' => {
                let Some(closed) = open.pop() else { break };
                at += 1;
                if let Some(node) = tree.nodes.get_mut(closed.node) {
                    node.span.end = at;
                }
                closed.node
            }
            '"' => {
                let length = string_length(skipped);
                let raw = skipped.get(..length).unwrap_or_default();
                let span = at..at + length;
                at += length;
                let decoded = scalar::decode(Style::Json, raw).text;
                if let Some(parent) = open.last_mut()
                    && parent.key.is_none()
                    && matches!(tree.nodes.get(parent.node).map(|n| &n.content), Some(Content::Map(_)))
                {
                    parent.key = Some(Key { text: decoded, span });
                    continue;
                }
                tree.add(span, Content::Scalar(Style::Json, decoded))
            }
            _ => {
                let length = skipped.find([' ', '\t', '\n', '\r', ',', ']', '}']).unwrap_or(skipped.len());
                let raw = skipped.get(..length).unwrap_or_default();
                let node = tree.add(at..at + length, Content::Scalar(Style::Plain, raw.to_owned()));
                at += length;
                node
            }
        };
        let Some(parent) = open.last_mut() else { break };
        let key = parent.key.take();
        match (tree.nodes.get_mut(parent.node).map(|n| &mut n.content), key) {
            (Some(Content::Map(entries)), Some(key)) => entries.push((key, node)),
            (Some(Content::List(items)), _) => items.push(node),
            _ => {}
        }
    }
    for left in open {
        if let Some(node) = tree.nodes.get_mut(left.node) {
            node.span.end = text.len();
        }
    }
    tree
}

/// Bytes of the string that begins here, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
