//! Reloads without end under load: every way of writing a file, broken ones too, and a remote source that fails and lies.
//! No decision is ever another one than the rules of that moment make, and no request is dropped.
//!
//! `OKGATE_TORTURE=500` sets the number of reloads; in CI it is 500, otherwise 80.

use crate::given::{CONFIG, rule, with_config};
use okgate_testkit::gate::Gate;
use okgate_testkit::http::{Connection, Request};
use okgate_testkit::stub::Stub;
use okgate_testkit::wait::eventually;
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// A source of rules and the versions of it that may be in force: what is known to be, and what was written last.
struct Versions {
    host: &'static str,
    in_force: AtomicU64,
    written: AtomicU64,
}

impl Versions {
    const fn new(host: &'static str) -> Self {
        Self { host, in_force: AtomicU64::new(0), written: AtomicU64::new(0) }
    }

    fn url(&self) -> String {
        format!("http://{}/x", self.host)
    }

    /// A document of this version. Cut off anywhere, it is no document any more.
    fn document(&self, version: u64) -> String {
        let rule = json!({
            "id": format!("{} {version}", self.host),
            "match": {"url": format!("http://{}/<.*>", self.host), "methods": ["GET"]},
            "authenticators": [{"handler": "anonymous"}],
            "authorizer": {"handler": "allow"},
            "mutators": [{"handler": "header", "config": {"headers": {"X-Version": version.to_string()}}}],
        });
        json!([rule]).to_string()
    }

    /// The next version: whatever is served from now on may be it.
    fn next(&self) -> String {
        self.document(self.written.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Waits until the version that was written last is in force.
    #[track_caller]
    fn settle(&self, gate: &Gate) {
        let written = self.written.load(Ordering::SeqCst);
        eventually(&format!("version {written} of {}", self.host), || {
            (version(&gate.decide("GET", &self.url())) == Some(written)).then_some(())
        });
        self.in_force.store(written, Ordering::SeqCst);
        RELOADS.fetch_add(1, Ordering::SeqCst);
    }
}

fn version(reply: &okgate_testkit::http::Reply) -> Option<u64> {
    reply.header("x-version").filter(|_| reply.status == 200)?.parse().ok()
}

/// Changes that were noticed, good ones and broken ones.
static RELOADS: AtomicU64 = AtomicU64::new(0);
static FILE: Versions = Versions::new("file.test");
static MOUNT: Versions = Versions::new("mount.test");
static REMOTE: Versions = Versions::new("remote.test");

/// Asks again and again, and compares each answer with what may be in force.
fn load(port: u16, done: &AtomicBool, pause: Duration) -> u64 {
    let ask = |url: &str| Request::decision("GET", url).header("Connection", "keep-alive").to_bytes();
    let sources = [&FILE, &MOUNT, &REMOTE].map(|source| (source, ask(&source.url())));
    let others =
        [("http://closed.test/x", 403), ("http://unknown.test/x", 404)].map(|(url, want)| (ask(url), want));
    let mut connection = Connection::open(port).unwrap();
    let mut decided = 0;
    while !done.load(Ordering::SeqCst) {
        for (source, ask) in &sources {
            let least = source.in_force.load(Ordering::SeqCst);
            connection.send(ask).unwrap();
            let reply = connection.reply(false).expect("no request is dropped");
            let most = source.written.load(Ordering::SeqCst);
            let found = version(&reply);
            assert!(
                found.is_some_and(|found| (least..=most).contains(&found)),
                "{}: {least} to {most} may be in force, not {found:?}: {}",
                source.host,
                reply.summary()
            );
        }
        for (ask, want) in &others {
            connection.send(ask).unwrap();
            assert_eq!(connection.reply(false).expect("no request is dropped").status, *want);
        }
        decided += 5;
        thread::sleep(pause);
    }
    decided
}

/// Whether this process reads what it may not: then losing a permission is no loss.
fn is_root(gate: &Gate) -> bool {
    let probe = gate.dir().join("probe");
    fs::write(&probe, "").unwrap();
    fs::set_permissions(&probe, fs::Permissions::from_mode(0o000)).unwrap();
    fs::read(&probe).is_ok()
}

/// The failure of a source, as it is told.
fn failure(gate: &Gate, source: usize) -> Option<String> {
    let status = gate.get("/status").json();
    status.pointer(&format!("/sources/{source}/failure"))?.as_str().map(str::to_owned)
}

/// Waits until a source is known to be broken.
#[track_caller]
fn broken(gate: &Gate, source: usize) {
    eventually("a source is known to be broken", || failure(gate, source));
    RELOADS.fetch_add(1, Ordering::SeqCst);
}

/// One way of writing the file, or of breaking it.
fn torture_file(gate: &Gate, way: u64, root: bool) {
    let path = gate.dir().join("rules/web.json");
    match way % 10 {
        0 => fs::write(&path, FILE.next()).unwrap(),
        1 => {
            let new = gate.dir().join("rules/.web.json.new");
            fs::write(&new, FILE.next()).unwrap();
            fs::rename(new, &path).unwrap();
        }
        2 => {
            fs::remove_file(&path).unwrap();
            fs::write(&path, FILE.next()).unwrap();
        }
        3 => {
            fs::remove_file(&path).unwrap();
            broken(gate, 0);
            fs::write(&path, FILE.next()).unwrap();
        }
        4 => {
            // In pieces, with pauses that are longer than a file has to be left alone.
            let text = FILE.next();
            let mut file = fs::File::create(&path).unwrap();
            for piece in text.as_bytes().chunks(text.len() / 3 + 1) {
                file.write_all(piece).unwrap();
                file.sync_data().unwrap();
                thread::sleep(Duration::from_millis(25));
            }
        }
        5 => {
            let target = gate.dir().join(format!("target-{}", way % 3));
            fs::write(&target, FILE.next()).unwrap();
            let link = gate.dir().join("rules/.link");
            symlink(&target, &link).unwrap();
            fs::rename(link, &path).unwrap();
        }
        6 => {
            let text = FILE.document(u64::MAX);
            for broken_text in
                ["", &text[..text.len() / 2], "[{\"id\": 1}]", "\u{0}\u{fffd}garbage: [", "# nothing\n"]
            {
                fs::write(&path, broken_text).unwrap();
            }
            broken(gate, 0);
            FILE.settle(gate);
            fs::write(&path, FILE.next()).unwrap();
        }
        7 => {
            fs::write(&path, FILE.document(u64::MAX).split_at(usize::try_from(way % 60 + 1).unwrap()).0)
                .unwrap();
            broken(gate, 0);
            fs::write(&path, FILE.next()).unwrap();
        }
        8 => {
            let text = FILE.document(FILE.written.load(Ordering::SeqCst));
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
            if !root {
                broken(gate, 0);
            }
            fs::remove_file(&path).unwrap();
            fs::write(&path, FILE.next()).unwrap();
        }
        _ => {
            // An editor: the old file is moved away, a new one written, others come and go beside it.
            let backup = gate.dir().join("rules/web.json~");
            fs::rename(&path, &backup).unwrap();
            fs::write(gate.dir().join("rules/4913"), "").unwrap();
            fs::write(&path, FILE.next()).unwrap();
            fs::remove_file(gate.dir().join("rules/4913")).unwrap();
            fs::remove_file(backup).unwrap();
        }
    }
    FILE.settle(gate);
}

/// The mount of a `ConfigMap`: a new folder of its version, to which `..data` is swapped.
fn torture_mount(gate: &Gate, way: u64) {
    let mount = gate.dir().join("mount");
    let swap = |content: &str, name: &str| {
        fs::create_dir_all(mount.join(name)).unwrap();
        fs::write(mount.join(name).join("rules.json"), content).unwrap();
        symlink(name, mount.join("..data_tmp")).unwrap();
        let old = fs::read_link(mount.join("..data")).ok();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
        if let Some(old) = old.filter(|old| old.as_os_str() != name) {
            fs::remove_dir_all(mount.join(old)).unwrap();
        }
    };
    if way.is_multiple_of(3) {
        swap("[{", &format!("..broken-{way}"));
        broken(gate, 1);
    }
    swap(&MOUNT.next(), &format!("..v{way}"));
    MOUNT.settle(gate);
}

fn serve(stub: &Stub, routes: &Value) {
    stub.set_routes(serde_json::from_value(routes.clone()).unwrap()).unwrap();
}

fn torture_remote(gate: &Gate, stub: &Stub, way: u64) {
    let always = |answer: Value| serve(stub, &json!([{"path": "/*", "respond": answer}]));
    match way % 6 {
        0 => always(json!({"status": 500, "body": REMOTE.document(u64::MAX)})),
        1 => always(json!({"close": true})),
        2 => always(json!({"body": ""})),
        3 => always(json!({"body": "<html>[{</html>", "headers": {"ETag": "\"same\""}})),
        4 => always(json!({"status": 206, "body": REMOTE.document(u64::MAX)})),
        _ => always(json!({"status": 302, "headers": {"Location": "/elsewhere"}})),
    }
    broken(gate, 2);
    let text = REMOTE.next();
    match way % 4 {
        // It changes the document, and not its version.
        0 => always(json!({"body": text, "headers": {"ETag": "\"same\""}})),
        // It says that nothing changed to whoever asks with a condition.
        1 => serve(
            stub,
            &json!([
                {"path": "/*", "match_headers": {"If-None-Match": "."}, "respond": {"status": 304}},
                {"path": "/*", "respond": {"body": text, "headers": {"ETag": "\"same\""}}},
            ]),
        ),
        2 => always(json!({"body": text})),
        _ => always(json!({"body": text, "headers": {"ETag": format!("W/\"{way}\"")}})),
    }
    REMOTE.settle(gate);
}

/// Says that it is over when it goes away.
struct Ended<'d>(&'d AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Kilobytes of memory that the process has.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn no_reload_under_load_makes_a_wrong_decision_or_drops_a_request() {
    let reloads = std::env::var("OKGATE_TORTURE").ok().and_then(|number| number.parse().ok());
    let in_ci = std::env::var_os("OKGATE_REQUIRE_GATEWAYS").is_some() || std::env::var_os("CI").is_some();
    let reloads: u64 = reloads.unwrap_or(if in_ci { 500 } else { 80 });
    let stub = Stub::start().unwrap();
    serve(&stub, &json!([{"path": "/*", "respond": {"body": REMOTE.document(0)}}]));
    let settings = json!({
        "repositories": ["file://rules/web.json", "file://mount/*.json", stub.url("/rules.json"), "file://fixed.yaml"],
        "reload": {"debounce": "10ms", "poll": "10ms"},
    });
    let config = CONFIG.replace("{repositories: ['file://rules.yaml']}", &settings.to_string());
    let closed = rule("closed", "http://closed.test/<.*>", "anonymous", "deny", "{handler: noop}");
    let mut gate = with_config(&format!("{config}\nlog: {{level: warn}}\n"))
        .file("rules/web.json", FILE.document(0))
        .file("mount/rules.json", MOUNT.document(0))
        .file("fixed.yaml", closed)
        .run()
        .ready();
    // The file of the first version becomes the link that all others are behind.
    let mount = gate.dir().join("mount");
    fs::create_dir(mount.join("..first")).unwrap();
    fs::write(mount.join("..first/rules.json"), MOUNT.document(0)).unwrap();
    symlink("..first", mount.join("..data")).unwrap();
    symlink("..data/rules.json", mount.join(".link")).unwrap();
    fs::rename(mount.join(".link"), mount.join("rules.json")).unwrap();
    let pid = gate.process().child().id();
    let root = is_root(&gate);
    let done = AtomicBool::new(false);
    let port = gate.port();
    let (decided, grown) = thread::scope(|scope| {
        // One asks without pause, the other as people do.
        let pauses = [Duration::ZERO, Duration::from_millis(1)];
        let done = &done;
        let clients = pauses.map(|pause| scope.spawn(move || load(port, done, pause)));
        // Ends the clients also where this fails.
        let _ended = Ended(done);
        let mut warm = 0;
        for number in 0.. {
            let reloaded = RELOADS.load(Ordering::SeqCst);
            if reloaded >= reloads || clients.iter().any(thread::ScopedJoinHandle::is_finished) {
                break;
            }
            if warm == 0 && reloaded >= reloads / 3 {
                warm = memory(pid);
            }
            match number % 5 {
                0 => torture_mount(&gate, number / 5),
                1 => torture_remote(&gate, &stub, number / 5),
                _ => torture_file(&gate, number / 5 * 3 + number % 5 - 2, root),
            }
        }
        done.store(true, Ordering::SeqCst);
        let decided: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
        (decided, (warm, memory(pid)))
    });
    assert!(decided > reloads, "{decided} decisions");
    let (warm, end) = grown;
    // A twentieth, and what the machine's allocator may keep for later.
    assert!(end <= warm + warm / 20 + 4096, "memory grew from {warm} to {end} kB");
    assert!(failure(&gate, 0).is_none() && failure(&gate, 1).is_none() && failure(&gate, 2).is_none());
}
