//! What a gateway's dialect costs: a yes and a no, read and written: `cargo bench --bench dialects`.

use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use okgate::gateway::DIALECTS;
use okgate_benches::cases::CASES;
use okgate_benches::{Setting, check, event, question};

fn dialects(c: &mut Criterion) {
    let [min, ..] = &CASES;
    let scene = min.scene(Setting::default(), 1, |_| "https://app.example.com/x/<.*>".to_owned());
    let mut group = c.benchmark_group("dialects");
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
    for (what, url) in [("yes", "https://app.example.com/x/1"), ("no", "https://app.example.com/y")] {
        let question = question(url, &[("x-original-method", "GET"), ("x-original-url", url)]);
        for dialect in DIALECTS.iter().map(|dialect| dialect.id()).filter(|dialect| *dialect != "aws_lambda")
        {
            group.bench_function(BenchmarkId::new(what, dialect), |b| {
                b.iter(|| scene.decide_as(dialect, &question));
            });
        }
        for (format, event) in [("1.0", event::rest(url)), ("2.0", event::http(url))] {
            let event = Bytes::from(event);
            group.bench_function(BenchmarkId::new(what, format!("aws_lambda {format}")), |b| {
                b.iter(|| scene.authorize(&event));
            });
        }
        let message = check(url);
        group.bench_function(BenchmarkId::new(what, "envoy_grpc"), |b| b.iter(|| scene.check(&message)));
    }
    group.finish();
}

criterion_group!(benches, dialects);
criterion_main!(benches);
