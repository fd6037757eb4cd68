//! A document as keys and values with their places in its text; knows nothing of what they mean.

use std::ops::Range;

/// Index of a node in its [`Tree`].
pub(super) type NodeId = usize;

/// How far `<<` and aliases are followed for one step of a pointer.
const MERGE_DEPTH: usize = 16;

/// How a scalar is written, which decides how its text is found in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// YAML without quotes; JSON and TOML numbers, booleans and the like.
    Plain,
    /// YAML in single quotes.
    Single,
    /// YAML in double quotes.
    Double,
    /// YAML after `|`.
    Literal,
    /// YAML after `>`.
    Folded,
    /// A JSON string.
    Json,
    /// A TOML string of any kind.
    Toml,
}

#[derive(Debug)]
pub(super) enum Content {
    /// The text after decoding.
    Scalar(Style, String),
    List(Vec<NodeId>),
    Map(Vec<(Key, NodeId)>),
    /// Stands for another node (a YAML alias).
    Alias(Option<NodeId>),
}

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub text: String,
    pub span: Range<usize>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub span: Range<usize>,
    pub content: Content,
}

/// A document's nodes; the root is the first.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub nodes: Vec<Node>,
}

/// Where a pointer leads: the node, the key it hangs on, and whether the whole pointer was followed.
pub(super) struct Found<'t> {
    pub node: &'t Node,
    pub key: Option<&'t Key>,
    pub exact: bool,
}

impl Tree {
    pub fn add(&mut self, span: Range<usize>, content: Content) -> NodeId {
        self.nodes.push(Node { span, content });
        self.nodes.len() - 1
    }

    /// The node a pointer leads to, or the deepest one on its way. `None` for an empty document.
    pub fn find(&self, pointer: &str) -> Option<Found<'_>> {
        let mut found = Found { node: self.nodes.first()?, key: None, exact: true };
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let step = match &self.target(found.node).content {
                Content::List(items) => token
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index))
                    .and_then(|id| self.nodes.get(*id))
                    .map(|node| (None, node)),
                Content::Map(_) => {
                    self.entry(found.node, &token, MERGE_DEPTH).map(|(key, node)| (Some(key), node))
                }
                Content::Scalar(..) | Content::Alias(_) => None,
            };
            let Some((key, node)) = step else {
                return Some(Found { exact: false, ..found });
            };
            found = Found { node, key, exact: true };
        }
        Some(found)
    }

    /// The node itself, or what it stands for.
    fn target<'t>(&'t self, node: &'t Node) -> &'t Node {
        let mut node = node;
        for _ in 0..MERGE_DEPTH {
            match node.content {
                Content::Alias(Some(id)) => match self.nodes.get(id) {
                    Some(next) => node = next,
                    None => break,
                },
                _ => break,
            }
        }
        node
    }

    /// A member of a map: its own, else one that `<<` brings in, else one that differs only in case.
    fn entry<'t>(&'t self, map: &'t Node, name: &str, depth: usize) -> Option<(&'t Key, &'t Node)> {
        let Content::Map(entries) = &self.target(map).content else { return None };
        let node = |id: &NodeId| self.nodes.get(*id);
        if let Some((key, id)) = entries.iter().rev().find(|(key, _)| key.text == name) {
            return node(id).map(|node| (key, node));
        }
        let merged = entries.iter().filter(|(key, _)| key.text == "<<" && depth > 0).find_map(|(_, id)| {
            let source = self.target(node(id)?);
            match &source.content {
                Content::List(items) => {
                    items.iter().filter_map(node).find_map(|item| self.entry(item, name, depth - 1))
                }
                _ => self.entry(source, name, depth - 1),
            }
        });
        merged.or_else(|| {
            let (key, id) = entries.iter().rev().find(|(key, _)| key.text.eq_ignore_ascii_case(name))?;
            node(id).map(|node| (key, node))
        })
    }
}
