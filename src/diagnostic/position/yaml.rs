//! Places of keys and values in YAML, from the parser's events. A broken document gives the part before
//! the fault.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::tree::{Content, Key, NodeId, Style, Tree};

/// A collection that is still open.
struct Open {
    node: NodeId,
    key: Option<Key>,
}

struct Builder<'t> {
    text: &'t str,
    /// Byte offset of each character; empty for ASCII text, where they are the same.
    bytes: Vec<usize>,
    tree: Tree,
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
}

/// The first document of the text.
pub(super) fn tree(text: &str) -> Tree {
    let bytes = if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).collect() };
    let mut builder =
        Builder { text, bytes, tree: Tree::default(), open: Vec::new(), anchors: HashMap::new() };
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        if matches!(event, Event::DocumentEnd | Event::StreamEnd) {
            break;
        }
        builder.event(event, span);
    }
    while builder.close(None).is_some() {}
    builder.tree
}

impl Builder<'_> {
    fn range(&self, span: Span) -> Range<usize> {
        let byte = |index: usize| {
            let byte = if self.bytes.is_empty() { Some(index) } else { self.bytes.get(index).copied() };
            byte.unwrap_or(self.text.len()).min(self.text.len())
        };
        let start = byte(span.start.index());
        start..byte(span.end.index()).max(start)
    }

    fn event(&mut self, event: Event<'_>, span: Span) {
        let range = self.range(span);
        match event {
            Event::Scalar(value, style, anchor, _) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                };
                let range = self.without_properties(range, style);
                let node = self.add(range, Content::Scalar(style, value.into_owned()), anchor);
                self.done(node);
            }
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).copied();
                let node = self.add(range, Content::Alias(target), 0);
                self.done(node);
            }
            Event::SequenceStart(anchor, _) => {
                let node = self.add(range, Content::List(Vec::new()), anchor);
                self.open.push(Open { node, key: None });
            }
            Event::MappingStart(anchor, _) => {
                let node = self.add(range, Content::Map(Vec::new()), anchor);
                self.open.push(Open { node, key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                // Only flow collections have a closing bracket; a block ends where its last value does.
                let end = (!range.is_empty()).then_some(range.end);
                self.close(end);
            }
            _ => {}
        }
    }

    /// Takes anchor and tag off the front of a scalar's range.
    fn without_properties(&self, range: Range<usize>, style: Style) -> Range<usize> {
        if matches!(style, Style::Literal | Style::Folded) {
            return range;
        }
        let mut start = range.start;
        while let Some(rest) = self.text.get(start..range.end) {
            if !rest.starts_with(['&', '!']) {
                break;
            }
            let Some(word) = rest.find(char::is_whitespace) else { break };
            let after = rest.get(word..).unwrap_or_default();
            start += word + (after.len() - after.trim_start().len());
        }
        start..range.end
    }

    fn add(&mut self, range: Range<usize>, content: Content, anchor: usize) -> NodeId {
        let node = self.tree.add(range, content);
        if anchor > 0 {
            self.anchors.insert(anchor, node);
        }
        node
    }

    fn close(&mut self, end: Option<usize>) -> Option<()> {
        let open = self.open.pop()?;
        let last = match self.tree.nodes.get(open.node).map(|node| &node.content) {
            Some(Content::List(items)) => items.last().copied(),
            Some(Content::Map(entries)) => entries.last().map(|(_, value)| *value),
            _ => None,
        };
        let last_end = last.and_then(|id| self.tree.nodes.get(id)).map(|node| node.span.end);
        if let Some(node) = self.tree.nodes.get_mut(open.node) {
            node.span.end = end.or(last_end).unwrap_or(node.span.end).max(node.span.start);
        }
        self.done(open.node);
        Some(())
    }

    /// Hands a finished node to the collection it is in, as a key or as a value.
    fn done(&mut self, node: NodeId) {
        let Some(parent) = self.open.last_mut() else { return };
        let in_map = matches!(self.tree.nodes.get(parent.node).map(|n| &n.content), Some(Content::Map(_)));
        if in_map && parent.key.is_none() {
            let mut written = self.tree.nodes.get(node);
            let span = written.map(|n| n.span.clone()).unwrap_or_default();
            if let Some(Content::Alias(Some(target))) = written.map(|n| &n.content) {
                written = self.tree.nodes.get(*target);
            }
            let text = match written.map(|n| &n.content) {
                Some(Content::Scalar(_, text)) => text.clone(),
                _ => String::new(),
            };
            parent.key = Some(Key { text, span });
            return;
        }
        let key = parent.key.take();
        match (self.tree.nodes.get_mut(parent.node).map(|n| &mut n.content), key) {
            (Some(Content::Map(entries)), Some(key)) => entries.push((key, node)),
            (Some(Content::List(items)), _) => items.push(node),
            _ => {}
        }
    }
}
