//! What it costs to count a request: `cargo bench --bench metrics`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use okgate::metrics::Metrics;
use okgate::metrics::labels::{Paths, Service};

fn metrics(c: &mut Criterion) {
    let metrics = Metrics::new(Paths::Segment, ["/decisions", "/rules", "/nginx"]);
    let tally = metrics.tally();
    // No more of them are told apart.
    for n in 0..200 {
        tally.begin(Service::Api, "GET", &format!("/{n}")).answered(404);
    }
    let mut group = c.benchmark_group("metrics");
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
    for (what, method, path) in [("decision", "GET", "/decisions/a/b"), ("made up", "VERB", "/unheard-of/x")]
    {
        group.bench_function(BenchmarkId::new("request", what), |b| {
            b.iter(|| tally.begin(Service::Api, black_box(method), black_box(path)).answered(200));
        });
    }
    group.finish();
}

criterion_group!(benches, metrics);
criterion_main!(benches);
