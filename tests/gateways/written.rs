//! Gateways with the configuration that `okctl gateway` writes, and what each needs around it to run in a test.

use crate::example::{Example, Files};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const EXAMPLES: &[Example] = &[
    Example {
        name: "nginx",
        folder: "nginx",
        port: 18080,
        upstream: 18081,
        programs: &[
            &["python3", "examples/upstream/echo.py", "18081"],
            &["nginx", "-p", ".", "-c", "nginx.conf", "-e", "stderr"],
        ],
        written: Some(nginx),
        unmatched: 403,
    },
    Example {
        name: "openresty",
        folder: "openresty",
        port: 19080,
        upstream: 19081,
        programs: &[
            &["python3", "examples/upstream/echo.py", "19081"],
            &["nginx", "-p", ".", "-c", "nginx.conf", "-e", "stderr"],
        ],
        written: Some(openresty),
        unmatched: 404,
    },
    Example {
        name: "traefik",
        folder: "traefik",
        port: 28080,
        upstream: 28081,
        programs: &[
            &["python3", "examples/upstream/echo.py", "28081"],
            &["traefik", "--configFile=static.yaml"],
        ],
        written: Some(traefik),
        unmatched: 404,
    },
    Example {
        name: "caddy",
        folder: "caddy",
        port: 38080,
        upstream: 38081,
        programs: &[
            &["python3", "examples/upstream/echo.py", "38081"],
            &["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"],
        ],
        written: Some(caddy),
        unmatched: 404,
    },
    Example {
        name: "envoy",
        folder: "envoy",
        port: 48080,
        upstream: 48081,
        programs: &[
            &["python3", "examples/upstream/echo.py", "48081"],
            &["envoy", "-c", "envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1"],
        ],
        written: Some(envoy),
        unmatched: 404,
    },
    Example {
        name: "envoy-grpc",
        folder: "envoy",
        port: 48084,
        upstream: 48081,
        programs: &[
            &["python3", "examples/upstream/echo.py", "48081"],
            &["envoy", "-c", "envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1"],
        ],
        written: Some(envoy),
        unmatched: 404,
    },
    Example {
        name: "haproxy",
        folder: "haproxy",
        port: 58080,
        upstream: 58081,
        programs: &[
            &["python3", "examples/upstream/echo.py", "58081"],
            &["haproxy", "-db", "-f", "haproxy.cfg"],
        ],
        written: Some(haproxy),
        unmatched: 404,
    },
];

/// A `http` block around servers: in the foreground, everything in this folder.
fn http_block(servers: &str) -> String {
    let paths =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|p| format!("{p}_temp_path run-{p};"));
    let paths = paths.join(" ");
    format!(
        "daemon off; pid run.pid; error_log stderr warn;\nevents {{}}\nhttp {{ access_log off; {paths}\n{servers}\n}}\n"
    )
}

fn nginx(text: &str) -> Files {
    vec![("nginx.conf", http_block(text))]
}

fn openresty(text: &str) -> Files {
    let modules = ["ndk_http_module", "ngx_http_lua_module"]
        .map(|module| format!("load_module /usr/lib/nginx/modules/{module}.so;\n"));
    vec![("nginx.conf", modules.concat() + &http_block(text))]
}

fn traefik(text: &str) -> Files {
    let fixed = "global: { checkNewVersion: false, sendAnonymousUsage: false }\n\
        entryPoints: { web: { address: \"127.0.0.1:8000\", http: { aliasHeadersStrategy: delete } } }\n\
        providers: { file: { filename: dynamic.yaml } }\n";
    vec![("static.yaml", fixed.to_owned()), ("dynamic.yaml", text.to_owned())]
}

fn caddy(text: &str) -> Files {
    vec![("Caddyfile", format!("{{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n}}\n{text}"))]
}

fn envoy(text: &str) -> Files {
    vec![("envoy.yaml", text.to_owned())]
}

/// The lines for `haproxy.cfg` are a comment of the script.
fn haproxy(text: &str) -> Files {
    let (_, rest) = text.split_once("--[[").unwrap_or_default();
    let (lines, _) = rest.split_once("]]").unwrap_or_default();
    vec![("haproxy.cfg", lines.to_owned()), ("okgate.lua", text.to_owned())]
}

/// The files for a gateway on `port`, made of what `okctl gateway NAME` writes for a configuration.
pub fn files(example: &Example, folder: &Path, port: u16, upstream: u16) -> io::Result<Files> {
    let Some(files) = example.written else { return Ok(Vec::new()) };
    let mut command = Command::new(okctl()?);
    command.args(["gateway", example.name, "-c", &format!("examples/{}/config.yaml", example.folder)]);
    command.args(["--upstream", &format!("http://127.0.0.1:{upstream}")]);
    let out = command.current_dir(folder).output()?;
    if !out.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&out.stderr).into_owned()));
    }
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    // Each of them listens on 8000 unless somebody changes that.
    let moved = |text: String| {
        [" 8000", ":8000"].iter().fold(text, |text, written| {
            text.replace(written, &format!("{}{port}", written.get(..1).unwrap_or_default()))
        })
    };
    Ok(files(&text).into_iter().map(|(name, text)| (name, moved(text))).collect())
}

/// okctl, which is another package: built beside okgate, now if not yet.
pub fn okctl() -> io::Result<PathBuf> {
    let program = Path::new(env!("CARGO_BIN_EXE_okgate")).with_file_name("okctl");
    if !program.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "okctl"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if !build.status()?.success() {
            return Err(io::Error::other("okctl does not build"));
        }
    }
    Ok(program)
}
