//! What finding the rule for a request costs, and what building the index does:
//! `cargo bench --bench match_rules`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use okgate::matcher::{Hits, Index, Pattern, Strategy};

const COUNTS: [usize; 5] = [10, 100, 1000, 10_000, 100_000];

/// A way in which people write rules.
struct Shape {
    name: &'static str,
    strategy: Strategy,
    pattern: fn(usize) -> String,
    method: fn(usize) -> String,
    /// A URL that the rule of that number matches.
    url: fn(usize) -> String,
    miss: &'static str,
}

const SHAPES: [Shape; 5] = [
    Shape {
        name: "literal",
        strategy: Strategy::Regexp,
        pattern: |i| crud(i, "<[0-9]+>", "<.*>"),
        method: get,
        url: crud_url,
        miss: "https://app3.example.com/api/nothing/users/7",
    },
    Shape {
        name: "literal",
        strategy: Strategy::Glob,
        pattern: |i| crud(i, "<*>", "<**>"),
        method: get,
        url: crud_url,
        miss: "https://app3.example.com/api/nothing/users/7",
    },
    Shape {
        name: "loose",
        strategy: Strategy::Regexp,
        pattern: loose,
        method: get,
        url: crud_url,
        miss: "https://app3.example.com/api/nothing/users/7",
    },
    Shape {
        name: "one-prefix",
        strategy: Strategy::Regexp,
        pattern: |i| format!("https://app.example.com/one/shared/prefix/<[a-z0-9-]+>/r{i}"),
        method: get,
        url: |i| format!("https://app.example.com/one/shared/prefix/a-1/r{i}"),
        miss: "https://app.example.com/one/shared/prefix/a-1/none",
    },
    Shape {
        name: "all-by-method",
        strategy: Strategy::Regexp,
        pattern: |_| "<.*>".to_owned(),
        method: |i| format!("M{i}"),
        url: crud_url,
        miss: "",
    },
];

fn get(_: usize) -> String {
    "GET".to_owned()
}

fn crud(i: usize, number: &str, rest: &str) -> String {
    let service = i / 4;
    let base = format!("https://app{}.example.com/api/svc{service}", service % 20);
    match i % 4 {
        0 => format!("{base}/health"),
        1 => format!("{base}/items/{number}"),
        2 => format!("{base}/users/{number}/posts/{rest}"),
        _ => format!("{base}/files/{rest}"),
    }
}

fn loose(i: usize) -> String {
    let service = i / 4;
    match i % 4 {
        0 => format!("<http|https>://app{}.example.com/api/svc{service}/health<(/.*)?$>", service % 20),
        1 => format!("<https?>://<[a-z0-9-]+>.example.com/api/svc{service}/items/<[0-9]+>"),
        2 => format!("<.*>://<.*>/api/svc{service}/users/<.*>"),
        _ => format!("https://<(app|web)[0-9]+>.example.com/<(?!admin)api>/svc{service}/files/<.*>"),
    }
}

fn crud_url(i: usize) -> String {
    let service = i / 4;
    let path = match i % 4 {
        0 => "health",
        1 => "items/42",
        2 => "users/7/posts/2026",
        _ => "files/a",
    };
    format!("https://app{}.example.com/api/svc{service}/{path}", service % 20)
}

fn patterns(shape: &Shape, count: usize) -> Vec<(String, Pattern)> {
    let compile = |i| match Pattern::compile(shape.strategy, &(shape.pattern)(i)) {
        Ok((pattern, _)) => ((shape.method)(i), pattern),
        Err(finding) => unreachable!("{}", finding.message),
    };
    (0..count).map(compile).collect()
}

fn index(rules: &[(String, Pattern)]) -> Index {
    Index::build(rules.iter().map(|(method, pattern)| ([method], pattern)))
}

fn find(c: &mut Criterion) {
    for shape in &SHAPES {
        let mut group = c.benchmark_group(format!("find/{}-{}", shape.name, shape.strategy.name()));
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        for count in COUNTS {
            let rules = patterns(shape, count);
            let index = index(&rules);
            // Rules from all over the list, the first and the last among them.
            let requests: Vec<(String, String)> = (0..64)
                .map(|k| if k == 0 { count - 1 } else { (k * 7919) % count })
                .map(|i| ((shape.method)(i), (shape.url)(i)))
                .collect();
            let mut hits = Hits::default();
            group.bench_function(BenchmarkId::new("hit", count), |b| {
                let mut next = requests.iter().cycle();
                b.iter(|| {
                    let Some((method, url)) = next.next() else { return };
                    hits.clear();
                    index.find(black_box(method), black_box(url), &mut hits);
                    assert_eq!(hits.matched.len(), 1);
                });
            });
            if shape.miss.is_empty() {
                continue;
            }
            group.bench_function(BenchmarkId::new("miss", count), |b| {
                b.iter(|| {
                    hits.clear();
                    index.find(black_box("GET"), black_box(shape.miss), &mut hits);
                    assert!(hits.is_empty());
                });
            });
        }
        group.finish();
    }
}

fn build(c: &mut Criterion) {
    for shape in &SHAPES {
        let mut group = c.benchmark_group(format!("build/{}-{}", shape.name, shape.strategy.name()));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_secs(2));
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
    let mut group = c.benchmark_group("adversarial-8k");
    group.sample_size(20).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_secs(1));
    let letters = format!("http://a/{}", "a".repeat(8000));
    for source in
        ["http://a/<(a+)+>b", "http://a/<(.*)*>b", "http://a/<(.*a){12}>b", "http://a/<((?!bad)[a-z]+/?)+>!"]
    {
        let Ok((pattern, _)) = Pattern::compile(Strategy::Regexp, source) else { continue };
        group.bench_function(source, |b| b.iter(|| pattern.is_match(black_box(&letters))));
    }
    let shape = &SHAPES[2];
    let rules = patterns(shape, 10_000);
    let index = index(&rules);
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

criterion_group!(benches, find, build, adversarial);
criterion_main!(benches);
