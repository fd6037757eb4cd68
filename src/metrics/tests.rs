//! Workers count apart and are read together.

use super::labels::{Paths, Service};
use super::*;

#[test]
fn what_workers_count_is_one_number() {
    let metrics = Metrics::new(Paths::Segment, ["/decisions"]);
    let tallies = [metrics.tally(), metrics.tally()];
    for (worker, path, status) in
        [(0, "/decisions/a", 200), (1, "/decisions", 200), (1, "/decisions", 403), (0, "/rules", 200)]
    {
        tallies[worker].begin(Service::Api, "GET", path).answered(status);
    }
    let counts: Vec<_> = metrics
        .requests()
        .into_iter()
        .map(|(named, total)| format!("{} {} {}", named.request, named.status, total.count()))
        .collect();
    assert_eq!(counts, ["/decisions 200 2", "/decisions 403 1", "/rules 200 1"]);
}

#[test]
fn a_request_that_is_given_up_counts_too() {
    let metrics = Metrics::new(Paths::Segment, []);
    let tally = metrics.tally();
    let running = tally.begin(Service::Proxy, "GET", "/slow");
    assert_eq!((metrics.running(Service::Proxy), metrics.running(Service::Api)), (1, 0));
    drop(running);
    assert_eq!(metrics.running(Service::Proxy), 0);
    let [(named, _)] = &metrics.requests()[..] else { panic!("one") };
    assert_eq!(named.status, "499");
}

#[test]
fn many_threads_count_with_one_counter() {
    let counter = Counter::default();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| (0..1000).for_each(|_| counter.add()));
        }
    });
    assert_eq!(counter.get(), 20_000);
}
