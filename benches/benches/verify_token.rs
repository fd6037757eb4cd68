//! What a decision with a JSON Web Token costs, seen for the first time and remembered:
//! `cargo bench --bench verify_token`.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use okgate_benches::cases::token_of;

fn verify_token(c: &mut Criterion) {
    let mut group = c.benchmark_group("verify_token");
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
    for algorithm in ["RS256", "ES256", "EdDSA", "HS256"] {
        for (what, remember) in [("cold", false), ("remembered", true)] {
            let (scene, question) = token_of(algorithm, remember);
            assert_eq!(scene.decide(&question).status, 200);
            group.bench_function(BenchmarkId::new(what, algorithm), |b| b.iter(|| scene.decide(&question)));
        }
    }
    group.finish();
}

criterion_group!(benches, verify_token);
criterion_main!(benches);
