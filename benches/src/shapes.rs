//! Ways in which people write rules: for 20 hosts, four rules for each of a quarter as many services.

use okgate::matcher::Strategy;

/// How many rules there are in benchmarks.
pub const COUNTS: [usize; 5] = [10, 100, 1000, 10_000, 100_000];

/// A way in which people write rules.
pub struct Shape {
    /// For benchmarks.
    pub name: &'static str,
    /// The language of its patterns.
    pub strategy: Strategy,
    /// The pattern of the rule of that number.
    pub pattern: fn(usize) -> String,
    /// A URL that only the rule of that number matches.
    pub url: fn(usize) -> String,
}

/// No rule of any shape matches this.
pub const MISS: &str = "https://app3.example.com/api/nothing/users/7";

/// Every shape. The first is the most common.
pub const SHAPES: [Shape; 4] = [
    Shape { name: "literal", strategy: Strategy::Regexp, pattern: |i| crud(i, "<[0-9]+>", "<.*>"), url },
    Shape { name: "literal", strategy: Strategy::Glob, pattern: |i| crud(i, "<*>", "<**>"), url },
    Shape { name: "loose", strategy: Strategy::Regexp, pattern: loose, url },
    Shape { name: "loose", strategy: Strategy::Glob, pattern: loose_glob, url },
];

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

/// Without a literal start: scheme alternations, wildcard hosts, lookaheads.
fn loose(i: usize) -> String {
    let service = i / 4;
    match i % 4 {
        0 => format!("<http|https>://app{}.example.com/api/svc{service}/health<(/.*)?$>", service % 20),
        1 => format!("<https?>://<[a-z0-9-]+>.example.com/api/svc{service}/items/<[0-9]+>"),
        2 => format!("<.*>://<.*>/api/svc{service}/users/<.*>"),
        _ => format!("https://<(app|web)[0-9]+>.example.com/<(?!admin)api>/svc{service}/files/<.*>"),
    }
}

/// The same as globs can say it.
fn loose_glob(i: usize) -> String {
    let service = i / 4;
    match i % 4 {
        0 => format!("<{{http,https}}>://app{}.example.com/api/svc{service}/health", service % 20),
        1 => format!("<http*>://<*>.example.com/api/svc{service}/items/<[0-9]*>"),
        2 => format!("<**>://<**>/api/svc{service}/users/<**>"),
        _ => format!("https://<{{app,web}}*>.example.com/<[!b]pi>/svc{service}/files/<**>"),
    }
}

fn url(i: usize) -> String {
    let service = i / 4;
    let path = match i % 4 {
        0 => "health",
        1 => "items/42",
        2 => "users/7/posts/2026",
        _ => "files/a",
    };
    format!("https://app{}.example.com/api/svc{service}/{path}", service % 20)
}
