//! What finding the rule for a request costs, and what building the index does:
//! `cargo bench --bench match_rules`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use okgate::matcher::{Hits, Index, Pattern, Strategy};
use okgate_benches::shapes::{COUNTS, MISS, SHAPES, Shape};

/// Rules that get in each other's way as much as rules can.
struct Crowd {
    name: &'static str,
    pattern: fn(usize) -> String,
    method: fn(usize) -> String,
    url: fn(usize) -> String,
}

const CROWDS: [Crowd; 2] = [
    Crowd {
        name: "one-prefix",
        pattern: |i| format!("https://app.example.com/one/shared/prefix/<[a-z0-9-]+>/r{i}"),
        method: |_| "GET".to_owned(),
        url: |i| format!("https://app.example.com/one/shared/prefix/a-1/r{i}"),
    },
    Crowd {
        name: "all-by-method",
        pattern: |_| "<.*>".to_owned(),
        method: |i| format!("M{i}"),
        url: |i| format!("https://app.example.com/{i}"),
    },
];

fn compile(strategy: Strategy, source: &str) -> Pattern {
    match Pattern::compile(strategy, source) {
        Ok((pattern, _)) => pattern,
        Err(finding) => unreachable!("{}", finding.message),
    }
}

fn patterns(shape: &Shape, count: usize) -> Vec<Pattern> {
    (0..count).map(|i| compile(shape.strategy, &(shape.pattern)(i))).collect()
}

fn index(rules: &[Pattern]) -> Index {
    Index::build(rules.iter().map(|pattern| (["GET"], pattern)))
}

fn short(c: &mut Criterion, name: String) -> criterion::BenchmarkGroup<'_, criterion::measurement::WallTime> {
    let mut group = c.benchmark_group(name);
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400));
    group
}

/// Rules from all over the list.
fn spread(count: usize) -> impl Iterator<Item = usize> + Clone {
    (0..64).map(move |k| (k * 7919) % count)
}

fn find(c: &mut Criterion) {
    for shape in &SHAPES {
        let mut group = short(c, format!("find/{}-{}", shape.name, shape.strategy.name()));
        for count in COUNTS {
            let index = index(&patterns(shape, count));
            let url = |i| (shape.url)(i);
            for (what, urls, matched) in [
                ("hit", spread(count).map(url).collect::<Vec<String>>(), 1),
                ("first", vec![url(0)], 1),
                ("last", vec![url(count - 1)], 1),
                ("miss", vec![MISS.to_owned()], 0),
            ] {
                let mut hits = Hits::default();
                let mut urls = urls.iter().cycle();
                group.bench_function(BenchmarkId::new(what, count), |b| {
                    b.iter(|| {
                        let Some(url) = urls.next() else { return };
                        hits.clear();
                        index.find(black_box("GET"), black_box(url), &mut hits);
                        assert_eq!(hits.matched.len(), matched);
                    });
                });
            }
        }
        group.finish();
    }
}

fn find_in_a_crowd(c: &mut Criterion) {
    for crowd in &CROWDS {
        let mut group = short(c, format!("find/{}", crowd.name));
        for count in COUNTS {
            let rules: Vec<(String, Pattern)> = (0..count)
                .map(|i| ((crowd.method)(i), compile(Strategy::Regexp, &(crowd.pattern)(i))))
                .collect();
            let index = Index::build(rules.iter().map(|(method, pattern)| ([method], pattern)));
            let requests: Vec<(String, String)> =
                spread(count).map(|i| ((crowd.method)(i), (crowd.url)(i))).collect();
            let mut hits = Hits::default();
            let mut requests = requests.iter().cycle();
            group.bench_function(BenchmarkId::new("hit", count), |b| {
                b.iter(|| {
                    let Some((method, url)) = requests.next() else { return };
                    hits.clear();
                    index.find(black_box(method), black_box(url), &mut hits);
                    assert_eq!(hits.matched.len(), 1);
                });
            });
        }
        group.finish();
    }
}

fn build(c: &mut Criterion) {
    for shape in &SHAPES {
        let mut group = short(c, format!("build/{}-{}", shape.name, shape.strategy.name()));
        group.sample_size(10).measurement_time(Duration::from_secs(1));
        for count in [10_000, 100_000] {
            group.bench_function(BenchmarkId::new("patterns", count), |b| b.iter(|| patterns(shape, count)));
            let rules = patterns(shape, count);
            group.bench_function(BenchmarkId::new("index", count), |b| b.iter(|| index(&rules)));
        }
        group.finish();
    }
}

/// Patterns and paths that are made to be slow.
fn adversarial(c: &mut Criterion) {
    let mut group = short(c, "adversarial-8k".to_owned());
    let letters = format!("http://a/{}", "a".repeat(8000));
    for source in
        ["http://a/<(a+)+>b", "http://a/<(.*)*>b", "http://a/<(.*a){12}>b", "http://a/<((?!bad)[a-z]+/?)+>!"]
    {
        let pattern = compile(Strategy::Regexp, source);
        group.bench_function(source, |b| b.iter(|| pattern.is_match(black_box(&letters))));
    }
    let [_, _, loose, _] = &SHAPES;
    let index = index(&patterns(loose, 10_000));
    let url = (0..700).fold("https://h".to_owned(), |url, i| url + "/api/svc" + &i.to_string());
    let mut hits = Hits::default();
    group.bench_function("a path full of words", |b| {
        b.iter(|| {
            hits.clear();
            index.find("GET", black_box(&url), &mut hits);
        });
    });
    group.finish();
}

criterion_group!(benches, find, find_in_a_crowd, build, adversarial);
criterion_main!(benches);
