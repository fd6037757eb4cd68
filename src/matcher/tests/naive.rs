//! The index finds what trying every rule finds.

use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Generate;

use super::super::{ANY_METHOD, Hits, Index, Pattern, Strategy, TooCostly};
use super::{compile, regexp};

/// Every rule tried, in order.
fn naive(rules: &[(Vec<String>, Pattern)], method: &str, text: &str) -> Hits {
    let mut hits = Hits::default();
    for (at, (methods, pattern)) in rules.iter().enumerate() {
        if methods.iter().any(|m| m == ANY_METHOD || m.eq_ignore_ascii_case(method)) {
            match pattern.is_match(text) {
                Ok(true) => hits.matched.push(u32::try_from(at).unwrap()),
                Ok(false) => {}
                Err(TooCostly) => hits.undecided.push(u32::try_from(at).unwrap()),
            }
        }
    }
    hits
}

fn build(rules: &[(Vec<String>, Pattern)]) -> Index {
    Index::build(rules.iter().map(|(methods, pattern)| (methods, pattern)))
}

fn find(index: &Index, method: &str, text: &str) -> Hits {
    let mut hits = Hits::default();
    index.find(method, text, &mut hits);
    hits
}

fn rule() -> impl Generate<Value = (Vec<String>, Pattern)> {
    let one_of = prop::sample::select::<&'static str>;
    let methods = prop::collection::vec(
        one_of(vec!["GET", "get", "POST", "X-1", ANY_METHOD]).prop_map(str::to_owned),
        0..3,
    );
    let scheme = one_of(vec!["http", "<https?>", "<http|https>", "<.*>"]);
    let host = one_of(vec!["a.test", "b.test", "<[a-b]+>.test", "<.*>", "<(a|b)[.]test>", "<(?i)A>.test"]);
    let literal = "[abc]{1,2}";
    let fragment = one_of(vec![
        "<[0-9]+>",
        "<[a-c]*>",
        "<.*>",
        "<(ab|c)>",
        "<(?!b)[a-c]+>",
        "<(?i)ab>",
        r"<(?<x>[ab])\k<x>>",
    ]);
    let segment = prop_oneof![2 => literal, 3 => fragment.prop_map(str::to_owned)];
    let path = prop::collection::vec(segment, 0..4);
    (methods, scheme, host, path, one_of(vec!["", "/", "<(/.*)?>"])).prop_map(
        |(methods, scheme, host, path, end)| {
            let path = path.iter().fold(String::new(), |path, segment| path + "/" + segment);
            let source = format!("{scheme}://{host}{path}{end}");
            (methods, regexp(&source))
        },
    )
}

fn glob_rule() -> impl Generate<Value = (Vec<String>, Pattern)> {
    let one_of = prop::sample::select::<&'static str>;
    let methods = prop::collection::vec(one_of(vec!["GET", "post", "X-1"]).prop_map(str::to_owned), 0..3);
    let scheme = one_of(vec!["http", "<http*>", "<{http,https}>", "<**>"]);
    let host =
        one_of(vec!["a.test", "A.test:443", "<*>.test", "<[ab]>.test", "<{a,b}>.<*>", "<**>", "<?>.test"]);
    let segment = prop_oneof![
        2 => "[abc]{1,2}",
        3 => one_of(vec!["<*>", "<**>", "<[a-c]>", "<{ab,c}>", "<[!b]*>", "<?b>", "%61"]).prop_map(str::to_owned),
    ];
    let path = prop::collection::vec(segment, 0..4);
    (methods, scheme, host, path, one_of(vec!["", "/", "<**>"])).prop_map(
        |(methods, scheme, host, path, end)| {
            let path = path.iter().fold(String::new(), |path, segment| path + "/" + segment);
            (methods, compile(Strategy::Glob, &format!("{scheme}://{host}{path}{end}")))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_index_finds_what_trying_every_rule_finds_in_both_languages_at_once(
        rules in prop::collection::vec(prop_oneof![glob_rule(), rule()], 0..60),
        requests in prop::collection::vec(
            ("GET|POST|x-1|PUT", "https?", "(a|b|A|c)", "test|b|é", "(:8080)?", "(/([abcABC]{1,3}|é|[0-9])){0,4}/?"),
            1..12,
        ),
    ) {
        let index = build(&rules);
        for (method, scheme, host, domain, port, path) in requests {
            let text = format!("{scheme}://{host}.{domain}{port}{path}");
            prop_assert_eq!(find(&index, &method, &text), naive(&rules, &method, &text), "{} {}", method, text);
        }
    }

    #[test]
    fn the_index_finds_what_trying_every_rule_finds(
        rules in prop::collection::vec(rule(), 0..60),
        requests in prop::collection::vec(
            ("GET|POST|x-1|PUT", "https?", "[ab]", "(/([abcABC]{1,3}|[0-9])){0,4}/?"), 1..12),
    ) {
        let index = build(&rules);
        for (method, scheme, host, path) in requests {
            let text = format!("{scheme}://{host}.test{path}");
            prop_assert_eq!(find(&index, &method, &text), naive(&rules, &method, &text), "{} {}", method, text);
        }
    }
}

fn all(
    count: usize,
    url: impl Fn(usize) -> String,
    methods: impl Fn(usize) -> Vec<String>,
) -> Vec<(Vec<String>, Pattern)> {
    (0..count).map(|i| (methods(i), regexp(&url(i)))).collect()
}

fn get(_: usize) -> Vec<String> {
    vec!["GET".to_owned(), "POST".to_owned()]
}

#[test]
fn few_patterns_are_tried_however_many_rules_there_are() {
    let crud = |i: usize| {
        let (svc, base) = (i / 4, format!("https://app{}.example.com/api/svc{}", i / 4 % 20, i / 4));
        match i % 4 {
            0 => format!("{base}/health"),
            1 => format!("{base}/items/<[0-9]+>"),
            2 => format!("{base}/users/<[0-9]+>/posts/<.*>"),
            _ => format!("https://app{}.example.com/api/svc{svc}/files/<.*>", svc % 20),
        }
    };
    let loose = |i: usize| {
        let svc = i / 4;
        match i % 4 {
            0 => format!("<http|https>://app{}.example.com/api/svc{svc}/health<(/.*)?$>", svc % 20),
            1 => format!("<https?>://<[a-z0-9-]+>.example.com/api/svc{svc}/items/<[0-9]+>"),
            2 => format!("<.*>://<.*>/api/svc{svc}/users/<.*>"),
            _ => format!("https://<(app|web)[0-9]+>.example.com/<(?!admin)api>/svc{svc}/files/<.*>"),
        }
    };
    let product = |i: usize| format!("https://<[a-z]+>.h{}.test/<v[0-9]>/p{}/<.*>", i / 50, i % 50);
    let shared = |i: usize| format!("https://a.test/very/long/shared/prefix/<[a-z]+>/r{i}");
    let chosen = |i: usize| format!("https://a.test/<(svc{i}|old{i})>/<.*>");
    for (what, rules, hit) in [
        ("crud", all(2000, crud, get), "https://app3.example.com/api/svc23/users/7/posts/2026"),
        ("loose", all(2000, loose, get), "https://app3.example.com/api/svc23/users/7/posts/2026"),
        ("product", all(2500, product, get), "https://x.h7.test/v1/p9/x"),
        ("shared", all(2000, shared, get), "https://a.test/very/long/shared/prefix/x/r77"),
        ("chosen", all(2000, chosen, get), "https://a.test/old77/x"),
    ] {
        let index = build(&rules);
        let hits = find(&index, "GET", hit);
        assert_eq!(hits, naive(&rules, "GET", hit), "{what}");
        assert_eq!(hits.matched.len(), 1, "{what}");
        for text in [hit, "https://app3.example.com/api/none/users", "http://elsewhere.test/"] {
            assert!(index.tried("GET", text) <= 4, "{what} {text}: {}", index.tried("GET", text));
        }
    }
}

#[test]
fn rules_that_differ_only_in_method_are_told_apart_by_it() {
    let rules = all(2000, |_| "<.*>".to_owned(), |i| vec![format!("M{i}")]);
    let index = build(&rules);
    assert_eq!(find(&index, "m77", "http://a/b").matched.as_slice(), [77]);
    assert_eq!(index.tried("M77", "http://a/b"), 1);
    let rules = all(2000, |i| format!("<.{{{},}}>", i % 500), |i| vec![format!("M{i}")]);
    assert_eq!(build(&rules).tried("M77", "http://a/b"), 1);
}

#[test]
fn ten_thousand_rules_in_each_others_way_are_still_told_apart() {
    let long = |count: usize| "/x1-y".repeat(count);
    let prefix = |i: usize| format!("https://a.test/one/shared/prefix/<[a-z0-9/-]+>/r{i}");
    let rules = all(10_000, prefix, get);
    let index = build(&rules);
    for path in ["/r77".to_owned(), format!("{}/r77", long(1600)), format!("{}/r77/r78", long(1600))] {
        let text = format!("https://a.test/one/shared/prefix/x{path}");
        assert!(index.tried("GET", &text) <= 24, "{}", index.tried("GET", &text));
        assert_eq!(find(&index, "GET", &text).matched.len(), 1, "{text}");
    }
    let rules = all(10_000, |_| "<.*>".to_owned(), |i| vec![format!("M{i}")]);
    let index = build(&rules);
    let text = format!("https://a.test{}", long(1600));
    for number in [0, 77, 9999] {
        assert_eq!(index.tried(&format!("M{number}"), &text), 1);
        assert_eq!(find(&index, &format!("m{number}"), &text).matched.as_slice(), [number]);
    }
    assert_eq!(index.tried("GET", &text), 0);
}

#[test]
fn a_text_that_repeats_is_looked_up_once() {
    let rules = all(40, |i| format!("<.*>/a/<.*>/x{i}"), get);
    let index = build(&rules);
    let text = format!("http://h{}/x7", "/a".repeat(4000));
    assert_eq!(find(&index, "GET", &text).matched.as_slice(), [7]);
}

#[test]
fn an_index_can_be_shared_by_all_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Index>();
    shared::<Pattern>();
}

#[test]
fn methods_are_compared_without_case_and_any_method_is_any() {
    let rules = vec![
        (vec!["get".to_owned()], regexp("http://a/<.*>")),
        (vec![ANY_METHOD.to_owned()], regexp("http://a/<.*>")),
        (vec![], regexp("http://a/<.*>")),
    ];
    let index = build(&rules);
    for (method, want) in
        [("GET", vec![0, 1]), ("Get", vec![0, 1]), ("*", vec![1]), ("POST", vec![1]), ("", vec![1])]
    {
        assert_eq!(find(&index, method, "http://a/b").matched.as_slice(), want, "{method}");
    }
}

#[test]
fn the_default_port_is_tried_only_for_patterns_that_name_it() {
    let rules = vec![
        (vec!["GET".to_owned()], regexp("<https?>://a:443/x")),
        (vec!["GET".to_owned()], regexp("https://a:<[0-9]+>/x")),
    ];
    let index = build(&rules);
    assert!(index.names_default_port());
    let mut hits = Hits::default();
    index.find("GET", "https://a/x", &mut hits);
    assert!(hits.is_empty());
    index.find_with_port("GET", "https://a:443/x", &mut hits);
    assert_eq!(hits.matched.as_slice(), [0]);
}

#[test]
fn a_rule_that_cannot_be_decided_is_reported() {
    let rules = vec![
        (vec!["GET".to_owned()], regexp("http://a/<(?<x>a|b|aa)+c\\k<x>>d")),
        (vec!["GET".to_owned()], regexp("http://a/<.*>")),
    ];
    let text = format!("http://a/{}", "a".repeat(3000));
    let hits = find(&build(&rules), "GET", &format!("{text}cd"));
    assert_eq!((hits.matched.as_slice(), hits.undecided.as_slice()), ([1].as_slice(), [0].as_slice()));
}
