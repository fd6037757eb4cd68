//! What real Envoy makes of answers over gRPC, with a filter that lets pass what it cannot check.

use crate::example::find;
use crate::left_out;
use libtest_mimic::{Completion, Failed, Trial};
use okgate_testkit::gate::{Gate, Start};
use okgate_testkit::http::{Reply, Request, exchange};
use okgate_testkit::process::Process;
use okgate_testkit::stub::{Call, Stub};
use okgate_testkit::{ports, wait};
use serde_json::json;
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// The row, left out where Envoy is not installed.
pub fn trial(required: bool) -> Trial {
    Trial::ignorable_test("envoy-grpc::what an answer says comes true", move || match find("envoy") {
        None => left_out("envoy", required),
        Some(_) => comes_true().map(|()| Completion::Completed).map_err(Failed::from),
    })
}

const ENVOY: &str = r#"
static_resources:
  listeners:
    - address: { socket_address: { address: 127.0.0.1, port_value: GATEWAY } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: gateway
                use_remote_address: true
                route_config:
                  virtual_hosts: [{ name: app, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: app } }] }]
                http_filters:
                  - name: envoy.filters.http.ext_authz
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
                      transport_api_version: V3
                      failure_mode_allow: true
                      encode_raw_headers: RAW
                      with_request_body: { max_request_bytes: 100000, allow_partial_message: true, pack_as_bytes: RAW }
                      grpc_service: { envoy_grpc: { cluster_name: okgate }, timeout: 2s }
                  - name: envoy.filters.http.router
                    typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
    - name: app
      load_assignment: { cluster_name: app, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: UPSTREAM } } } }] }] }
    - name: okgate
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }
      load_assignment: { cluster_name: okgate, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: OKGATE } } } }] }] }
"#;

const CONFIG: &str = "
serve:
  api: {host: 127.0.0.1, port: 0}
  grpc: {host: 127.0.0.1, port: GRPC, trusted_proxies: [127.0.0.1], max_message_bytes: 40KiB, strict: true, strip_query_parameters: [token]}
access_rules: {repositories: ['file://rules.yaml'], preflight: answer}
authenticators: {anonymous: {enabled: true, config: {subject: guest}}, unauthorized: {enabled: true}}
authorizers:
  allow: {enabled: true}
  remote: {enabled: true, config: {remote: 'STUB/remote'}}
mutators:
  noop: {enabled: true}
  header: {enabled: true, config: {headers: {}}}
  hydrator: {enabled: true, config: {api: {url: 'STUB/hydrate'}}}
errors:
  fallback: [json]
  handlers: {json: {enabled: true}, www_authenticate: {enabled: true, config: {realm: gate}}}
";

const RULES: &str = "
- id: page
  match: {url: 'http://app.test/page<.*>', methods: [GET, POST]}
  authenticators: [{handler: anonymous}]
  authorizer: {handler: allow}
  mutators: [{handler: hydrator}]
  cors: {allowed_origins: ['http://other.test'], allowed_methods: [POST]}
- id: other
  match: {url: 'http://app.test/other<.*>', methods: [GET, POST]}
  authenticators: [{handler: anonymous}]
  authorizer: {handler: remote}
  mutators: [{handler: header, config: {headers: {X-Other: '{{ .MatchContext.ClientAddress }}', X-None: ''}}}]
- id: closed
  match: {url: 'http://app.test/closed', methods: [GET]}
  authenticators: [{handler: unauthorized}]
  authorizer: {handler: allow}
  mutators: [{handler: noop}]
  errors: [{handler: www_authenticate}]
";

struct Setup {
    port: u16,
    stub: Stub,
    gate: Gate,
    _envoy: Process,
    folder: TempDir,
}

impl Setup {
    fn start(raw: bool) -> Result<Self, String> {
        let hydrated = json!({"subject": "guest", "header": {"X-Two": ["a", "b"], "X-One": ["é"]}});
        let stub = Stub::with(json!([
            {"path": "/hydrate", "respond": {"status": 200, "body": hydrated}},
            {"path": "/*", "respond": {"status": 200, "body": "upstream"}},
        ]));
        let [gateway, grpc] = ports::free().map_err(|error| error.to_string())?;
        let config = CONFIG.replace("GRPC", &grpc.to_string()).replace("STUB", &stub.url(""));
        let gate = Start::new(env!("CARGO_BIN_EXE_okgate"), config).file("rules.yaml", RULES).run();
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let file = folder.path().join("envoy.yaml");
        let config = ENVOY
            .replace("GATEWAY", &gateway.to_string())
            .replace("UPSTREAM", &stub.port().to_string())
            .replace("OKGATE", &grpc.to_string())
            .replace("RAW", &raw.to_string());
        std::fs::write(&file, config).map_err(|error| error.to_string())?;
        let log = File::create(folder.path().join("envoy.log")).map_err(|error| error.to_string())?;
        let mut command = Command::new(find("envoy").ok_or("envoy is gone")?);
        command.arg("-c").arg(&file).args(["--use-dynamic-base-id", "--concurrency", "1"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let envoy = Process::start(&mut command).map_err(|error| error.to_string())?;
        let setup = Self { port: gateway, stub, gate, _envoy: envoy, folder };
        let public = Request::get("/page");
        wait::until(PATIENCE, || setup.ask(&public).ok().filter(|(reply, _)| reply.status == 200))
            .ok_or_else(|| {
                let log = std::fs::read_to_string(setup.folder.path().join("envoy.log")).unwrap_or_default();
                format!("no public page\n{log}\n{}", setup.gate.stderr())
            })?;
        Ok(setup)
    }

    /// What comes of a request, and what the upstream saw of it.
    fn ask(&self, request: &Request) -> Result<(Reply, Option<Call>), String> {
        self.stub.take_calls();
        let request = request.clone().header("Host", "app.test");
        let reply =
            exchange(self.port, false, &request.to_bytes(), false).map_err(|error| error.to_string())?;
        let seen = self
            .stub
            .take_calls()
            .into_iter()
            .find(|call| !call.path.starts_with("/remote") && call.path != "/hydrate");
        Ok((reply, seen))
    }
}

fn comes_true() -> Result<(), String> {
    for raw in [true, false] {
        let setup = Setup::start(raw)?;
        let wanted = |what: &str, is: bool, got: &dyn std::fmt::Debug| {
            let why = || format!("{what} (raw: {raw}): {got:?}\n{}", setup.gate.stderr());
            if is { Ok(()) } else { Err(why()) }
        };

        let spoofed = ["X-Two", "X-One", "X-Other", "X-None"];
        let request = |target: &str| {
            spoofed.iter().fold(Request::get(target), |request, name| request.header(name, "root"))
        };
        let (_, seen) = setup.ask(&request("/page"))?;
        let seen = seen.ok_or("the page was not reached")?;
        wanted("all values arrive", seen.header("x-two") == Some("a,b"), &seen)?;
        wanted("the value is there", seen.header("x-one").is_some_and(|v| v != "root"), &seen)?;
        wanted("another rule's header is gone", seen.header("x-other").is_none(), &seen)?;
        let (_, seen) = setup.ask(&request("/page?a=1&token=secret&b=2"))?;
        let seen = seen.ok_or("the page with a token was not reached")?;
        wanted("a token in the query is gone", seen.query == "a=1&b=2", &seen)?;
        let (_, seen) = setup.ask(&request("/other"))?;
        let seen = seen.ok_or("the other page was not reached")?;
        let client = seen.header("x-other").and_then(|client| client.parse::<std::net::IpAddr>().ok());
        wanted("who asks is known", client.is_some(), &seen)?;
        wanted("nothing is nothing", seen.header("x-none").is_none_or(str::is_empty), &seen)?;

        let (reply, seen) = setup.ask(&Request::get("/closed"))?;
        let challenge = reply.header("www-authenticate");
        wanted(
            "a no is a no",
            reply.status == 401 && seen.is_none() && challenge.is_some(),
            &reply.summary(),
        )?;
        let preflight = Request::new("OPTIONS", "/page")
            .header("Origin", "http://other.test")
            .header("Access-Control-Request-Method", "POST");
        let (reply, seen) = setup.ask(&preflight)?;
        let allowed = reply.header("access-control-allow-origin");
        wanted("a preflight is answered", reply.status == 204 && seen.is_none(), &reply.summary())?;
        wanted("the page may know", allowed.as_deref() == Some("http://other.test"), &reply.summary())?;

        let post = |size: usize| Request::new("POST", "/other").body(vec![b'x'; size]);
        let (reply, seen) = setup.ask(&post(1000))?;
        wanted("a short body", reply.status == 200 && seen.is_some(), &reply.summary())?;
        for size in [60_000, 200_000] {
            let (reply, seen) = setup.ask(&post(size))?;
            wanted("a long body is a no", reply.status == 413 && seen.is_none(), &reply.summary())?;
        }
        for (name, value) in
            [("x-odd", b"\xff\xfe".as_slice()), ("x-odd", b"a\tb"), ("x-forwarded-host", b"b.test")]
        {
            let (reply, seen) = setup.ask(&Request::get("/closed").header(name, value))?;
            wanted(
                "odd bytes are a no",
                (400..500).contains(&reply.status) && seen.is_none(),
                &reply.summary(),
            )?;
        }
        let targets: [&[u8]; 5] = [
            b"/page/%2e%2e/closed",
            b"/page/..%2fclosed",
            b"/page/..\\closed",
            b"/x\xff",
            b"/page\xff/%2e%2e/x",
        ];
        for target in targets {
            let (reply, seen) = setup.ask(&Request::get(target))?;
            wanted(
                "an odd path is a no",
                (400..500).contains(&reply.status) && seen.is_none(),
                &reply.summary(),
            )?;
        }
    }
    Ok(())
}
