//! Prints the tables of `docs/PERFORMANCE.md`: `just performance`, or one of them: `just performance wire`.
//!
//! Times are CPU time, so that what else runs on the machine shows little, and the median of many short
//! runs. Rules are loaded in a process of their own, so that its memory
//! is theirs.

#![expect(clippy::print_stdout, reason = "that is its job")]

mod served;

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use okgate::matcher::{Index, Pattern};
use okgate_benches::cases::{CASES, token_of};
use okgate_benches::shapes::{MISS, SHAPES, Shape};
use okgate_benches::{Setting, repository, rule, write};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

/// Tells the process that loads rules which configuration to load.
const LOAD: &str = "OKGATE_FIGURES_LOAD";
/// So long one run of many is.
const RUN: Duration = Duration::from_millis(3);
const RUNS: usize = 41;

fn main() {
    if let Some(config) = env::var_os(LOAD) {
        return load(Path::new(&config));
    }
    // `cargo test --benches` wants to know whether it runs, not what comes out.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    let parts: [(&str, fn()); 5] = [
        ("rules", decisions),
        ("cases", cases),
        ("tokens", tokens),
        ("wire", served::table),
        ("loads", loads),
    ];
    let asked: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    machine();
    for (name, part) in parts {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            part();
        }
    }
    println!("\nLoad of the machine at the end: {}", first_line("/proc/loadavg"));
}

fn first_line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

fn machine() {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or("unknown");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let rustc = Command::new("rustc").arg("--version").output().map(|o| o.stdout).unwrap_or_default();
    println!("| machine | |\n| --- | --- |");
    println!("| processor | {model}, {cores} cores |");
    println!("| kernel | {} |", first_line("/proc/sys/kernel/osrelease"));
    println!("| compiler | {} |", String::from_utf8_lossy(&rustc).trim());
    println!("| load when this began | {} |", first_line("/proc/loadavg"));
}

/// The CPU time that this thread has taken.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// How long something takes: the median.
fn time(mut what: impl FnMut()) -> Duration {
    let mut run = |times: u32| {
        let start = cpu_time();
        for _ in 0..times {
            what();
        }
        cpu_time().saturating_sub(start)
    };
    let mut times = 1;
    while run(times) < RUN {
        times *= 2;
    }
    let mut runs: Vec<Duration> = (0..RUNS).map(|_| run(times) / times).collect();
    runs.sort_unstable();
    runs.get(RUNS / 2).copied().unwrap_or_default()
}

fn micros(time: Duration) -> String {
    format!("{:.2} µs", time.as_secs_f64() * 1e6)
}

fn name(shape: &Shape) -> String {
    format!("{}, {}", shape.name, shape.strategy.name())
}

fn decisions() {
    println!("\n## A decision, by the number of rules\n");
    println!("| rules as written | | 10 | 1,000 | 10,000 | 100,000 | 100,000 : 10 |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let [min, ..] = &CASES;
    for shape in &SHAPES {
        let setting = Setting { strategy: shape.strategy, ..Setting::default() };
        let mut rows = [("first", vec![]), ("last", vec![]), ("all over", vec![]), ("no rule", vec![])];
        for count in [10, 1000, 10_000, 100_000] {
            let scene = min.scene(setting, count, shape.pattern);
            for (what, times) in &mut rows {
                let urls: Vec<String> = match *what {
                    "first" => vec![(shape.url)(0)],
                    "last" => vec![(shape.url)(count - 1)],
                    "no rule" => vec![MISS.to_owned()],
                    _ => (0..64).map(|k| (shape.url)((k * 7919) % count)).collect(),
                };
                let status = if *what == "no rule" { 404 } else { 200 };
                let questions: Vec<_> = urls.iter().map(|url| min.question(scene.files(), url)).collect();
                let mut questions = questions.iter().cycle();
                times.push(time(|| {
                    let Some(question) = questions.next() else { return };
                    assert_eq!(scene.decide(black_box(question)).status, status);
                }));
            }
        }
        for (what, times) in rows {
            let ratio = times.last().zip(times.first()).map(|(l, f)| l.as_secs_f64() / f.as_secs_f64());
            let times: Vec<String> = times.into_iter().map(micros).collect();
            println!(
                "| {} | {what} | {} | {:.2} |",
                name(shape),
                times.join(" | "),
                ratio.unwrap_or_default()
            );
        }
    }
}

fn cases() {
    println!("\n## A decision, by what the rule does\n");
    println!("| rule | 10 rules | 10,000 rules |\n| --- | --- | --- |");
    let [shape, ..] = &SHAPES;
    for case in &CASES {
        let times = [10, 10_000].map(|count| {
            let scene = case.scene(Setting::default(), count, shape.pattern);
            let question = case.question(scene.files(), &(shape.url)(count / 4 * 4 - 2));
            micros(time(|| assert_eq!(scene.decide(black_box(&question)).status, 200)))
        });
        println!("| `{}` | {} |", case.name, times.join(" | "));
    }
}

fn tokens() {
    println!("\n## A decision with a token\n");
    println!("| signed with | for the first time | remembered |\n| --- | --- | --- |");
    for algorithm in ["RS256", "ES256", "EdDSA", "HS256"] {
        let times = [false, true].map(|remember| {
            let (scene, question) = token_of(algorithm, remember);
            micros(time(|| assert_eq!(scene.decide(black_box(&question)).status, 200)))
        });
        println!("| {algorithm} | {} |", times.join(" | "));
    }
}

fn loads() {
    println!("\n## Loading rules\n");
    println!(
        "| rules as written | rules | patterns and index | all of it, from the file | resident memory | at its peak |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for shape in &SHAPES {
        for count in [10_000, 100_000] {
            let sources: Vec<String> = (0..count).map(shape.pattern).collect();
            let mut compiled: Vec<Duration> = (0..3).map(|_| compile(shape, &sources)).collect();
            compiled.sort_unstable();
            let compiled = compiled.get(1).copied().unwrap_or_default();
            let Ok(folder) = tempfile::tempdir() else { return };
            let rules = sources.iter().enumerate().map(|(i, url)| rule(i, url, &json!({}))).collect();
            let config = write(folder.path(), shape.strategy, rules);
            let loaded = env::current_exe().and_then(|own| Command::new(own).env(LOAD, config).output());
            let loaded = loaded.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
            println!(
                "| {} | {count} | {:.0} ms | {} |",
                name(shape),
                compiled.as_secs_f64() * 1e3,
                loaded.unwrap_or_default()
            );
        }
    }
}

fn compile(shape: &Shape, sources: &[String]) -> Duration {
    let start = cpu_time();
    let patterns: Vec<Pattern> = sources
        .iter()
        .filter_map(|source| Pattern::compile(shape.strategy, source).ok())
        .map(|(p, _)| p)
        .collect();
    let index = Index::build(patterns.iter().map(|pattern| (["GET", "POST"], pattern)));
    let time = cpu_time().saturating_sub(start);
    drop(black_box(index));
    assert_eq!(patterns.len(), sources.len());
    time
}

/// Loads the rules of a configuration, and prints the last columns of a row.
fn load(config: &Path) {
    let mut repository = repository(config, 1 << 20);
    let start = cpu_time();
    let loaded = black_box(repository.reload());
    let time = cpu_time().saturating_sub(start);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let megabytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
        format!("{:.1} MB", kilobytes / 1024.0)
    };
    assert_eq!(loaded.report.errors(), 0);
    print!("{:.0} ms | {} | {}", time.as_secs_f64() * 1e3, megabytes("VmRSS:"), megabytes("VmHWM:"));
}
