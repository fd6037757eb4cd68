//! `okctl doctor` behind gateways as they should be, where it finds nothing, and behind ones with one line wrong, where
//! it finds that.

use crate::example::{EXAMPLES, Edit, Example, Setup};
use crate::{left_out, written};
use libtest_mimic::{Completion, Failed, Trial};
use std::collections::BTreeSet;

/// A gateway with something wrong, and what is found.
struct Wrong {
    what: &'static str,
    gateway: &'static str,
    edits: &'static [Edit],
    found: &'static [&'static str],
}

const WRONG: &[Wrong] = &[
    Wrong {
        what: "asks at an endpoint in another dialect",
        gateway: "nginx",
        edits: &[("nginx.conf", "http://okgate/nginx;", "http://okgate/decisions;")],
        found: &["status-swallowed"],
    },
    Wrong {
        what: "asks nobody",
        gateway: "nginx",
        edits: &[("nginx.conf", "auth_request /_okgate;", "")],
        found: &["open-gateway"],
    },
    Wrong {
        what: "has a location that hands no identity on",
        gateway: "nginx",
        edits: &[("nginx.conf", "proxy_set_header X-User     $okgate_user;", "")],
        found: &["identity-missing", "identity-spoofable"],
    },
    Wrong {
        what: "has a location that does not clear what other rules set",
        gateway: "nginx",
        edits: &[(
            "nginx.conf",
            "        location @login_or_401 {",
            "        location = /login { auth_request /_okgate; proxy_set_header Host $host:$server_port; proxy_pass http://app; }\n        location @login_or_401 {",
        )],
        found: &["identity-spoofable"],
    },
    Wrong {
        what: "tells the path of its own location",
        gateway: "nginx",
        edits: &[("nginx.conf", "X-Forwarded-Uri    $request_uri", "X-Forwarded-Uri $uri")],
        found: &["nothing-passes"],
    },
    Wrong {
        what: "tells a path that is decoded",
        gateway: "nginx",
        edits: &[
            ("nginx.conf", "X-Forwarded-Uri    $request_uri", "X-Forwarded-Uri $decoded"),
            ("nginx.conf", "        location / {", "        location / {\n            set $decoded $uri;"),
        ],
        found: &["location-changed", "path-escape"],
    },
    Wrong {
        what: "tells no port",
        gateway: "nginx",
        edits: &[("nginx.conf", "X-Forwarded-Host   $host:$server_port", "X-Forwarded-Host $host")],
        found: &["location-changed"],
    },
    Wrong {
        what: "tells the host that the client writes into `Host`",
        gateway: "nginx",
        edits: &[("nginx.conf", "X-Forwarded-Host   $host:$server_port", "X-Forwarded-Host $http_host")],
        found: &["spoofable"],
    },
    Wrong {
        what: "leaves the method to the client",
        gateway: "nginx",
        edits: &[("nginx.conf", "proxy_set_header X-Forwarded-Method $request_method;", "")],
        found: &["method-ignored", "spoofable"],
    },
    Wrong {
        what: "does not redirect",
        gateway: "nginx",
        edits: &[("nginx.conf", "error_page 401 = @login_or_401;", "")],
        found: &["redirect-lost"],
    },
    Wrong {
        what: "believes its clients",
        gateway: "traefik",
        edits: &[
            ("dynamic.yaml", "trustForwardHeader: false", "trustForwardHeader: true"),
            ("traefik.yaml", "    http:\n", "    forwardedHeaders: { insecure: true }\n    http:\n"),
        ],
        found: &["spoofable"],
    },
    Wrong {
        what: "has a router without the middleware",
        gateway: "traefik",
        edits: &[("dynamic.yaml", "      middlewares: [okgate]\n", "")],
        found: &["open-gateway"],
    },
    Wrong {
        what: "takes redirects for okgate's own",
        gateway: "traefik",
        edits: &[("dynamic.yaml", "preserveLocationHeader: true", "preserveLocationHeader: false")],
        found: &["location-changed"],
    },
    Wrong {
        what: "lets aliases of headers pass",
        gateway: "traefik",
        edits: &[("traefik.yaml", "aliasHeadersStrategy: delete", "aliasHeadersStrategy: keep")],
        found: &["identity-alias"],
    },
    Wrong {
        what: "asks in the dialect of nginx, and shows all of the answer",
        gateway: "caddy",
        edits: &[("config.yaml", "dialect: forwarded", "dialect: nginx")],
        found: &["wrong-dialect"],
    },
    Wrong {
        what: "believes its clients",
        gateway: "caddy",
        edits: &[(
            "Caddyfile",
            "\tauto_https off\n",
            "\tauto_https off\n\tservers {\n\t\ttrusted_proxies static 127.0.0.1/8\n\t}\n",
        )],
        found: &["spoofable"],
    },
    Wrong {
        what: "copies a part of the headers",
        gateway: "caddy",
        edits: &[("Caddyfile", "copy_headers X-User X-Api-Path", "copy_headers X-User")],
        found: &["identity-missing", "identity-spoofable"],
    },
    Wrong {
        what: "asks at an endpoint that names nothing to remove",
        gateway: "envoy",
        edits: &[("envoy.yaml", "path_prefix: /envoy", "path_prefix: /decisions")],
        found: &["identity-spoofable"],
    },
    Wrong {
        what: "lets aliases of headers pass",
        gateway: "envoy",
        edits: &[("envoy.yaml", "DROP_HEADER", "ALLOW")],
        found: &["identity-alias"],
    },
    // What okgate looks at in both ways needs nobody to tidy it up.
    Wrong {
        what: "leaves paths as they are",
        gateway: "envoy",
        edits: &[
            ("envoy.yaml", "normalize_path: true", "normalize_path: false"),
            ("envoy.yaml", "merge_slashes: true", "merge_slashes: false"),
            ("envoy.yaml", "REJECT_REQUEST", "KEEP_UNCHANGED"),
        ],
        found: &[],
    },
    Wrong {
        what: "does not ask about some paths",
        gateway: "haproxy",
        edits: &[(
            "haproxy.cfg",
            "http-request lua.okgate",
            "http-request lua.okgate unless { path_beg /internal }",
        )],
        found: &["refused-passes"],
    },
    Wrong {
        what: "leaves the client's own headers where okgate says nothing",
        gateway: "haproxy",
        edits: &[("okgate.lua", "txn.http:req_del_header(name)", "")],
        found: &["identity-spoofable"],
    },
    Wrong {
        what: "is not among those that okgate believes",
        gateway: "haproxy",
        edits: &[("config.yaml", "trusted_proxies: [127.0.0.1]", "trusted_proxies: [192.0.2.1]")],
        found: &["nothing-passes"],
    },
    Wrong {
        what: "finds nobody at okgate's address",
        gateway: "openresty",
        edits: &[("nginx.conf", "server 127.0.0.1:19082;", "server 127.0.0.1:1;")],
        found: &["no-decision"],
    },
];

/// A row for each gateway.
pub fn trials(required: bool) -> Vec<Trial> {
    let good = EXAMPLES.iter().chain(written::EXAMPLES).map(|example| {
        let name = format!("doctor::{} as it should be", example.title());
        trial(name, example, &[], &[], required)
    });
    let wrong = WRONG.iter().filter_map(|wrong| {
        let example = EXAMPLES.iter().find(|example| example.name == wrong.gateway)?;
        let name = format!("doctor::{} that {}", wrong.gateway, wrong.what);
        Some(trial(name, example, wrong.edits, wrong.found, required))
    });
    good.chain(wrong).collect()
}

fn trial(
    name: String,
    example: &'static Example,
    edits: &'static [Edit],
    found: &'static [&'static str],
    required: bool,
) -> Trial {
    Trial::ignorable_test(name, move || match example.missing_program() {
        Some(program) => left_out(program, required),
        None => check(example, edits, found).map(|()| Completion::Completed),
    })
}

fn check(example: &'static Example, edits: &[Edit], wanted: &[&str]) -> Result<(), Failed> {
    let setup = Setup::without_upstream(example, edits)?;
    let out = setup.doctor(&["--format", "json", "--require-all"]).map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&out.stdout);
    let why = |what: &str| {
        let stderr = String::from_utf8_lossy(&out.stderr);
        Failed::from(format!("{what}\n{said}{stderr}\n{}", setup.logs()))
    };
    let json: serde_json::Value = serde_json::from_str(&said).map_err(|_| why("no JSON"))?;
    let checks = json.get("checks").and_then(|checks| checks.as_array()).cloned().unwrap_or_default();
    let findings = checks.iter().filter_map(|check| check.get("findings")?.as_array()).flatten();
    let codes: BTreeSet<&str> = findings.filter_map(|finding| finding.get("code")?.as_str()).collect();
    if codes != wanted.iter().copied().collect() {
        return Err(why(&format!("wanted {wanted:?}, found {codes:?}")));
    }
    if out.status.code() == Some(i32::from(!wanted.is_empty())) {
        Ok(())
    } else {
        Err(why("another exit code"))
    }
}
