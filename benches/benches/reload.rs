//! What a reload costs: rules read from a file, checked, compiled and indexed: `cargo bench --bench reload`.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use okgate_benches::Setting;
use okgate_benches::cases::CASES;
use okgate_benches::shapes::SHAPES;

fn reload(c: &mut Criterion) {
    let [min, ..] = &CASES;
    for shape in &SHAPES {
        let mut group = c.benchmark_group(format!("reload/{}-{}", shape.name, shape.strategy.name()));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_secs(1));
        for count in [10, 1000, 10_000] {
            let setting = Setting { strategy: shape.strategy, ..Setting::default() };
            let mut scene = min.scene(setting, count, shape.pattern);
            group.bench_function(BenchmarkId::from_parameter(count), |b| {
                b.iter(|| assert_eq!(scene.reload(), count));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, reload);
criterion_main!(benches);
