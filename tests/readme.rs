//! What the documents say to type is typed, and what they say is seen is seen.
//!
//! In a block marked `console`, a line that begins with `$ ` is a command for the shell, given at the root of the
//! repository; `> ` continues it. The lines behind it are what it prints, standard output first: `...` stands for any
//! lines, `[..]` for any text in a line. A command that serves stays until the end of the document.
//!
//! Commands run in a copy of `examples/` and `rules/` in which every port is a free one. `cargo run` is replaced by
//! the programs that were built with this test, and `cargo test` is left out: this is it. A document that needs a
//! gateway which is not installed is left out too; with `CI=true` or `OKGATE_REQUIRE_GATEWAYS=1` it fails instead.
//! `just gateways` installs the gateways into `.gateways/`, where they are found.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "this is how a test fails"
)]

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use okgate_testkit::ports;
use regex::{Captures, Regex};
use tempfile::TempDir;

/// Longer than any start or reload takes; a command is given again until then.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a command that serves begins with.
const SERVERS: &[&str] =
    &["okgate serve", "nginx ", "traefik ", "caddy ", "envoy ", "haproxy ", "python3 examples/"];

#[test]
fn the_readme_is_true() {
    check("README.md");
}

#[test]
fn the_nginx_example_is_true() {
    check("examples/nginx/README.md");
}

#[test]
fn the_traefik_example_is_true() {
    check("examples/traefik/README.md");
}

#[test]
fn the_caddy_example_is_true() {
    check("examples/caddy/README.md");
}

#[test]
fn the_envoy_example_is_true() {
    check("examples/envoy/README.md");
}

#[test]
fn the_haproxy_example_is_true() {
    check("examples/haproxy/README.md");
}

#[test]
fn the_openresty_example_is_true() {
    check("examples/openresty/README.md");
}

#[test]
fn the_lambda_example_is_true() {
    check("examples/aws-lambda/README.md");
}

#[test]
fn the_proxy_example_is_true() {
    check("examples/proxy/README.md");
}

#[test]
fn the_demo_keys_can_be_made_again() {
    check("examples/demo-keys/README.md");
}

#[test]
fn cargo_run_without_a_name_runs_okgate() {
    let cargo = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let workspace: serde_json::Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let members = workspace["workspace_default_members"].as_array().unwrap();
    let packages = workspace["packages"].as_array().unwrap().iter();
    let of_members = packages.filter(|package| members.contains(&package["id"]));
    let ran: Vec<&str> = of_members.filter_map(|package| package["default_run"].as_str()).collect();
    assert_eq!(ran, ["okgate"]);
}

/// Follows one document.
fn check(document: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join(document)).unwrap();
    let steps: Vec<Step> =
        steps(&text).into_iter().filter(|s| !s.command.starts_with("cargo test")).collect();
    assert!(!steps.is_empty(), "{document} has no console block");
    if let Some(missing) = steps.iter().find_map(Step::missing_program) {
        let required = ["CI", "OKGATE_REQUIRE_GATEWAYS"]
            .iter()
            .any(|name| std::env::var(name).is_ok_and(|value| value == "true" || value == "1"));
        assert!(!required, "{document} needs `{missing}`, which is not installed");
        println!("{document} is left out: `{missing}` is not installed");
        return;
    }
    let place = Place::new(root);
    let mut servers = Vec::new();
    for step in &steps {
        let at = format!("{document}:{}: $ {}", step.line, step.command);
        let command = place.ports.apply(&step.command);
        let expected: Vec<String> = step.expected.iter().map(|line| place.ports.apply(line)).collect();
        if SERVERS.iter().any(|s| command.starts_with(s)) {
            servers.push(Server::start(&place, &command, &expected, servers.len(), &at));
        } else {
            place.run(&command, &expected, &at, &servers);
        }
    }
}

/// A command and what it prints.
struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
}

impl Step {
    fn missing_program(&self) -> Option<&str> {
        let program = self
            .command
            .split(' ')
            .next()
            .filter(|p| matches!(*p, "nginx" | "traefik" | "caddy" | "envoy" | "haproxy"))?;
        (!folders().iter().any(|folder| folder.join(program).is_file())).then_some(program)
    }
}

/// Where programs are looked for: system programs and the gateways of `.ci/run` need not be on the path.
fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin", concat!(env!("CARGO_MANIFEST_DIR"), "/.gateways/venv/bin")];
    std::env::split_paths(&path).chain(more.map(PathBuf::from)).collect()
}

/// The commands of a document's console blocks.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            let command = command
                .replace("cargo run --release -p okctl --", "okctl")
                .replace("cargo run --release --", "okgate");
            steps.push(Step { line: index + 1, command, expected: Vec::new() });
        } else if let Some(step) = steps.last_mut().filter(|_| inside) {
            match line.strip_prefix("> ").filter(|_| step.expected.is_empty()) {
                Some(more) => step.command.extend(["\n", more]),
                None => step.expected.push(line.to_owned()),
            }
        }
    }
    steps
}

/// A copy of what commands work on, with ports of its own.
struct Place {
    folder: TempDir,
    ports: Ports,
}

impl Place {
    fn new(root: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("okgate-readme-").tempdir().unwrap();
        let ports = Ports::default();
        for name in ["examples", "rules"] {
            copy(&root.join(name), &folder.path().join(name), folder.path(), &ports);
        }
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        symlink(env!("CARGO_BIN_EXE_okgate"), bin.join("okgate")).unwrap();
        symlink(okctl(), bin.join("okctl")).unwrap();
        Self { folder, ports }
    }

    fn shell(&self, command: &str) -> Command {
        let own = std::iter::once(self.folder.path().join("bin"));
        let path = std::env::join_paths(own.chain(folders())).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(self.folder.path()).env("PATH", path).stdin(Stdio::null());
        shell
    }

    /// Gives a command until it prints what is expected: servers need a moment, reloads too.
    fn run(&self, command: &str, expected: &[String], at: &str, servers: &[Server]) {
        let end = Instant::now() + PATIENCE;
        loop {
            let output = self.shell(command).output().unwrap();
            let printed = [output.stdout, output.stderr].concat();
            let printed = String::from_utf8_lossy(&printed).replace('\r', "");
            if fits(expected, &printed) {
                return;
            }
            if Instant::now() > end {
                let logs: String = servers.iter().map(Server::log).collect();
                let expected = expected.join("\n");
                panic!("{at}\nexpected:\n{expected}\nprinted:\n{printed}\nservers:\n{logs}");
            }
            sleep(Duration::from_millis(200));
        }
    }
}

/// Copies a folder, with every port and temporary path in it replaced.
fn copy(from: &Path, to: &Path, place: &Path, ports: &Ports) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target, place, ports);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            let text = text.replace("/tmp/okgate-example", &place.join("run").to_string_lossy());
            fs::write(target, ports.apply(&text)).unwrap();
        }
    }
}

/// okctl, which is another package: built beside okgate, now if not yet.
fn okctl() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_okgate")).with_file_name("okctl");
    if !program.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "okctl"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(build.status().unwrap().success(), "okctl does not build");
    }
    program
}

/// A free port for every port that is written somewhere.
struct Ports {
    written: Regex,
    free: std::cell::RefCell<HashMap<String, u16>>,
    /// Kept until the end, so that no port is handed out twice.
    spare: std::cell::RefCell<Vec<u16>>,
}

impl Default for Ports {
    fn default() -> Self {
        let spare = ports::free::<64>().unwrap().into();
        let written =
            Regex::new(r"(127\.0\.0\.1(?::|%3A)|port: |port_value: |http://:|echo\.py )([0-9]{4,5})\b")
                .unwrap();
        Self { written, free: HashMap::new().into(), spare: std::cell::RefCell::new(spare) }
    }
}

impl Ports {
    fn apply(&self, text: &str) -> String {
        let replaced = self.written.replace_all(text, |found: &Captures<'_>| {
            let mut free = self.free.borrow_mut();
            let port =
                free.entry(found[2].to_owned()).or_insert_with(|| self.spare.borrow_mut().pop().unwrap());
            format!("{}{port}", &found[1])
        });
        replaced.into_owned()
    }
}

/// A program that serves until it is dropped.
struct Server {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Server {
    /// Starts it, and waits for what it prints.
    fn start(place: &Place, command: &str, expected: &[String], number: usize, at: &str) -> Self {
        let file = |name: &str| place.folder.path().join(format!("{number}.{name}"));
        let (out, err) = (file("out"), file("err"));
        let child = place
            .shell(&format!("exec {command}"))
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        let mut server = Self { child, out, err };
        let end = Instant::now() + PATIENCE;
        while !fits(expected, &fs::read_to_string(&server.out).unwrap()) {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "{at}\n{}", server.log());
            sleep(Duration::from_millis(20));
        }
        server
    }

    fn log(&self) -> String {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let all = read(&self.out) + &read(&self.err);
        let last: Vec<&str> = all.lines().rev().take(10).collect();
        last.into_iter().rev().fold(String::new(), |text, line| text + line + "\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx ends its workers only when it is asked to.
        let _ = Command::new("sh").args(["-c", "kill \"$0\"", &self.child.id().to_string()]).status();
        let end = Instant::now() + Duration::from_secs(10);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether what was printed is what was expected.
fn fits(expected: &[String], printed: &str) -> bool {
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    let printed: Vec<&str> = printed.lines().collect();
    lines_fit(&expected, &printed)
}

fn lines_fit(expected: &[&str], printed: &[&str]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((&"...", rest)) => (0..=printed.len()).any(|skip| lines_fit(rest, &printed[skip..])),
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(p, more)| line_fits(line, p) && lines_fit(rest, more))
        }
    }
}

fn line_fits(expected: &str, printed: &str) -> bool {
    let Some((before, rest)) = expected.split_once("[..]") else { return expected == printed };
    let Some(tail) = printed.strip_prefix(before) else { return false };
    let ends = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
    ends.into_iter().any(|at| line_fits(rest, &tail[at..]))
}

#[test]
fn output_is_compared_with_its_wildcards() {
    for (expected, printed, want) in [
        ("a\nb", "a\nb\n", true),
        ("a", "a\nb\n", false),
        ("a\n...", "a\nb\nc\n", true),
        ("...\nc", "a\nb\nc\n", true),
        ("Date: [..]", "Date: today\n", true),
        ("a[..]c[..]", "abcd\n", true),
        ("a[..]c", "abcd\n", false),
        ("", "\n", true),
    ] {
        let lines: Vec<String> = expected.split('\n').map(str::to_owned).collect();
        assert_eq!(fits(&lines, printed), want, "{expected:?} {printed:?}");
    }
}
