//! Places of keys and values in TOML. A broken document gives what the parser could recover.

use toml::de::{DeTable, DeValue};

use super::tree::{Content, Key, NodeId, Style, Tree};

/// Tables can nest as deep as the parser lets them; places are kept down to here.
const DEPTH: usize = 64;

/// The document.
pub(super) fn tree(text: &str) -> Tree {
    let (table, _) = DeTable::parse_recoverable(text);
    let mut tree = Tree::default();
    let root = tree.add(0..text.len(), Content::Map(Vec::new()));
    add_entries(&mut tree, root, table.get_ref(), DEPTH);
    tree
}

fn add_entries(tree: &mut Tree, node: NodeId, table: &DeTable<'_>, depth: usize) {
    if depth == 0 {
        return;
    }
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let text = key.get_ref().to_string();
        let id = add_value(tree, value.get_ref(), value.span(), depth - 1);
        entries.push((Key { text, span: key.span() }, id));
    }
    if let Some(node) = tree.nodes.get_mut(node) {
        node.content = Content::Map(entries);
    }
}

fn add_value(tree: &mut Tree, value: &DeValue<'_>, span: std::ops::Range<usize>, depth: usize) -> NodeId {
    match value {
        DeValue::String(text) => tree.add(span, Content::Scalar(Style::Toml, text.to_string())),
        DeValue::Array(items) if depth > 0 => {
            let node = tree.add(span, Content::List(Vec::new()));
            let ids =
                items.iter().map(|item| add_value(tree, item.get_ref(), item.span(), depth - 1)).collect();
            if let Some(node) = tree.nodes.get_mut(node) {
                node.content = Content::List(ids);
            }
            node
        }
        DeValue::Table(table) => {
            let node = tree.add(span, Content::Map(Vec::new()));
            add_entries(tree, node, table, depth);
            node
        }
        other => tree.add(span, Content::Scalar(Style::Plain, other.type_str().to_owned())),
    }
}
