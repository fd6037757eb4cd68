//! What a whole decision costs, from the question as actix hands it over to the answer before it is put on
//! the wire: `cargo bench --bench decide`.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use okgate_benches::Setting;
use okgate_benches::cases::CASES;
use okgate_benches::shapes::{MISS, SHAPES};

const COUNTS: [usize; 2] = [10, 10_000];

fn short(c: &mut Criterion, name: String) -> criterion::BenchmarkGroup<'_, criterion::measurement::WallTime> {
    let mut group = c.benchmark_group(name);
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
    group
}

/// What rules let a request do.
fn cases(c: &mut Criterion) {
    let [shape, ..] = &SHAPES;
    for case in &CASES {
        let mut group = short(c, format!("decide/{}", case.name));
        for count in COUNTS {
            let scene = case.scene(Setting::default(), count, shape.pattern);
            // Its pattern has groups.
            let question = case.question(scene.files(), &(shape.url)(count / 4 * 4 - 2));
            assert_eq!(scene.decide(&question).status, 200);
            group.bench_function(BenchmarkId::from_parameter(count), |b| b.iter(|| scene.decide(&question)));
        }
        group.finish();
    }
}

/// How rules are written.
fn shapes(c: &mut Criterion) {
    let [min, ..] = &CASES;
    for shape in &SHAPES {
        let mut group = short(c, format!("decide/{}-{}", shape.name, shape.strategy.name()));
        for count in COUNTS {
            let setting = Setting { strategy: shape.strategy, ..Setting::default() };
            let scene = min.scene(setting, count, shape.pattern);
            for (what, url, status) in [("hit", (shape.url)(count - 1), 200), ("miss", MISS.to_owned(), 404)]
            {
                let question = min.question(scene.files(), &url);
                assert_eq!(scene.decide(&question).status, status);
                group.bench_function(BenchmarkId::new(what, count), |b| b.iter(|| scene.decide(&question)));
            }
        }
        group.finish();
    }
}

criterion_group!(benches, cases, shapes);
criterion_main!(benches);
