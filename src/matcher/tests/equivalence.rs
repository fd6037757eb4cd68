//! Programs match and capture exactly what the library engines do.

use proptest::prelude::{
    Just, ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_assume, prop_oneof, proptest,
};
use proptest::strategy::Strategy as Generate;

use super::super::engine::Engine;
use super::super::pattern::read;
use super::super::program;
use super::super::tree::{Around, Node, Order, Place, Times, except, single, span};
use super::super::{Captures, Pattern, Strategy};

/// Parts over a small alphabet, so that texts often match.
fn node() -> impl Generate<Value = Node> {
    let leaf = prop_oneof![
        4 => "[ab/é]{1,3}".prop_map(Node::Text),
        2 => Just(Node::One(span('a', 'b'))),
        2 => Just(Node::One(except(&['/']))),
        2 => Just(Node::One(except(&['\n']))),
        1 => Just(Node::One(single('é'))),
        1 => Just(Node::Empty),
        1 => Just(Node::At(Place::Edge)),
        1 => Just(Node::At(Place::Start)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let times = (0_u16..3, prop_oneof![Just(None), (0_u16..3).prop_map(Some)], any::<bool>());
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 1..4).prop_map(Node::sequence),
            2 => prop::collection::vec(inner.clone(), 2..4).prop_map(Node::Choice),
            3 => (inner.clone(), times).prop_map(|(part, (min, more, most))| {
                let order = if most { Order::Most } else { Order::Least };
                Node::Repeat(Box::new(part), Times { min, max: more.map(|m| min + m), order })
            }),
            2 => inner.clone().prop_map(|part| Node::Capture(0, Box::new(part))),
            1 => (inner, any::<bool>()).prop_map(|(part, negative)| {
                Node::Around(Around { behind: false, negative }, Box::new(part))
            }),
        ]
    })
}

/// Numbers the captures in their order.
fn numbered(node: &mut Node, next: &mut u16) {
    if let Node::Capture(slot, _) = node {
        *slot = *next;
        *next += 1;
    }
    match node {
        Node::Capture(_, part) | Node::Repeat(part, _) | Node::Around(_, part) => numbered(part, next),
        Node::Sequence(parts) | Node::Choice(parts) => parts.iter_mut().for_each(|p| numbered(p, next)),
        _ => {}
    }
}

/// Repeated groups of which one round may be empty, and groups in negative looks, are where engines differ.
fn comparable(node: &Node) -> bool {
    !node.any(&mut |part| match part {
        Node::Around(Around { negative: true, .. }, inner) => {
            inner.any(&mut |p| matches!(p, Node::Capture(..)))
        }
        _ => false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn programs_agree_with_the_engines(mut node in node(), text in "[ab/é\n]{0,9}") {
        let mut slots = 0;
        numbered(&mut node, &mut slots);
        prop_assume!(comparable(&node));
        for end in [Some(Place::Edge), Some(Place::End)] {
            let Some(program) = program::compile(&node, usize::from(slots), end) else { continue };
            let Ok(engine) = Engine::compile(&node, usize::from(slots), end) else { continue };
            let Ok(want) = engine.captures(&text) else { continue };
            prop_assert_eq!(program.is_match(&text), Ok(want.is_some()));
            prop_assert_eq!(program.captures(&text), Ok(want));
        }
    }

    #[test]
    fn fragments_mean_what_the_engines_read_in_them(
        fragments in prop::collection::vec(fragment(), 1..3),
        path in "[ab0/.é]{0,8}",
    ) {
        let source = format!("http://h/{}", fragments.iter().map(|f| format!("<{f}>")).collect::<Vec<_>>().join("/"));
        let expression =
            format!(r"\Ahttp://h/{}\n?\z", fragments.iter().map(|f| format!("({f})")).collect::<Vec<_>>().join("/"));
        let text = format!("http://h/{path}");
        let engine = fancy_regex::Regex::new(&expression).unwrap();
        let want = engine.captures(&text).unwrap().map(|found| {
            Captures(
                found.iter().skip(1)
                    .map(|m| m.map(|m| u32::try_from(m.start()).unwrap()..u32::try_from(m.end()).unwrap()))
                    .collect(),
            )
        });
        let (pattern, _) = Pattern::compile(Strategy::Regexp, &source).unwrap();
        prop_assert_eq!(pattern.is_match(&text), Ok(want.is_some()), "{}", source);
        prop_assert_eq!(pattern.captures(&text), Ok(want), "{}", source);
    }

    #[test]
    fn no_source_brings_the_compiler_down(source in "(http://a/)?[<>()a-c|*+?{}\\[\\]\\\\^$.,:=!#\\-12 é]{0,24}") {
        for strategy in [Strategy::Regexp, Strategy::Glob] {
            if let Ok((pattern, warnings)) = Pattern::compile(strategy, &source) {
                let _ = pattern.captures("http://a/b");
                for finding in warnings {
                    let (start, end) = finding.span.unwrap();
                    prop_assert!(source.get(start..end).is_some());
                }
            } else if let Err(finding) = Pattern::compile(strategy, &source) {
                let (start, end) = finding.span.unwrap();
                prop_assert!(source.get(start..end).is_some(), "{} {:?}", source, finding);
            }
        }
    }

    #[test]
    fn whatever_is_matched_has_the_required_texts(
        fragments in prop::collection::vec(fragment(), 1..3),
        path in "[abA0/.é]{0,8}",
    ) {
        let source = format!("http://h/{}", fragments.iter().map(|f| format!("<{f}>")).collect::<Vec<_>>().join("b/"));
        let text = format!("http://h/{path}");
        let (pattern, _) = Pattern::compile(Strategy::Regexp, &source).unwrap();
        if pattern.is_match(&text) == Ok(true) {
            let lower = text.to_ascii_lowercase();
            for mut one in pattern.required().iter() {
                prop_assert!(one.any(|t| lower.contains(std::str::from_utf8(t).unwrap())), "{} {}", source, text);
            }
        }
    }
}

/// Fragments in the syntax that .NET, Perl and the engines share.
fn fragment() -> impl Generate<Value = String> {
    let leaf = prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just(".".to_owned()),
        Just("[^/]".to_owned()),
        Just("[a-b]".to_owned()),
        Just("[0-9]".to_owned()),
        Just(r"\w".to_owned()),
        Just(r"\d".to_owned()),
        Just(r"\.".to_owned()),
        Just("/".to_owned()),
        Just("(?i)A".to_owned()),
        Just("é".to_owned()),
    ];
    let inner = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| parts.concat()),
            prop::collection::vec(inner.clone(), 2..3).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            inner.clone().prop_map(|part| format!("({part})")),
            inner.clone().prop_map(|part| format!("(?:{part}[ab])?")),
            inner.clone().prop_map(|part| format!("(?!{part})")),
            "[ab./]".prop_map(|c| format!(r"[{c}]+")),
            Just(".*".to_owned()),
            Just("[^/]+?".to_owned()),
            Just("[a-z0-9]{1,2}".to_owned()),
        ]
    });
    // A flag in front must not reach what the next part adds.
    inner.prop_map(|text| format!("(?:{text})"))
}

#[test]
fn reading_a_pattern_keeps_its_pieces() {
    let reading = read(Strategy::Regexp, "https://a/<[0-9]+>/<x|y>").unwrap();
    let spans: Vec<_> = reading.parts.iter().map(|p| p.span.clone()).collect();
    assert_eq!(spans, [0..10, 10..18, 18..19, 19..24]);
}
