//! Real nginx with what the controller of ingress-nginx makes of `ingress-nginx.yaml`.
//!
//! The controller itself needs a cluster and an nginx of its own. This is what it says to that nginx about
//! one path of an Ingress with `auth-url`, read off its template (v1.11): the location that asks and its headers, those
//! of the answer, the way to the login page, what goes on to the app. Its Lua, which chooses among the app's pods,
//! is left out, and `set_escape_uri`, of a module that Debian's nginx has not loaded, is a line of Lua.

use super::cluster::{Cluster, manifest};
use super::{HOST, Manifests};
use okgate_testkit::process::Process;
use serde_json::Value;
use std::fmt::Write as _;

pub const AS_WRITTEN: Manifests = Manifests {
    name: "ingress-nginx",
    programs: &["nginx", "python3"],
    start: |cluster, port| start(&example()?, cluster, port),
    login: Some("https://login.example.com/?return_to="),
    unmatched: 403,
};

/// As the manifest advises for APIs.
pub const WITHOUT_SIGNIN: Manifests = Manifests {
    name: "ingress-nginx-without-signin",
    start: |cluster, port| {
        let mut ingress = example()?;
        let annotations = ingress.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
        annotations.ok_or("no annotations")?.retain(|name, _| !name.contains("auth-signin"));
        start(&ingress, cluster, port)
    },
    login: None,
    ..AS_WRITTEN
};

/// With connections to okgate that are kept open, where the controller has Lua ask in the place of `auth_request`.
pub const WITH_KEEPALIVE: Manifests = Manifests {
    name: "ingress-nginx-with-keepalive",
    start: |cluster, port| {
        let mut ingress = example()?;
        let annotations = ingress.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
        let keepalive = ("nginx.ingress.kubernetes.io/auth-keepalive".to_owned(), "10".into());
        annotations.ok_or("no annotations")?.extend([keepalive]);
        start(&ingress, cluster, port)
    },
    ..AS_WRITTEN
};

pub const AS_OKCTL_WRITES_IT: Manifests = Manifests {
    name: "ingress-nginx-as-okctl-writes-it",
    start: |cluster, port| start(&cluster.okctl_writes("ingress-nginx")?, cluster, port),
    ..WITHOUT_SIGNIN
};

fn example() -> Result<Value, String> {
    let documents = manifest("ingress-nginx.yaml").map_err(|e| e.to_string())?;
    documents.into_iter().next().ok_or_else(|| "no Ingress".to_owned())
}

fn start(ingress: &Value, cluster: &Cluster, port: u16) -> Result<Process, String> {
    let file = cluster.dir().join("nginx.conf");
    std::fs::write(file, written(ingress, cluster, port)?).map_err(|e| e.to_string())?;
    cluster.run("nginx", &["-p", ".", "-c", "nginx.conf", "-e", "stderr"])
}

/// The configuration.
fn written(ingress: &Value, cluster: &Cluster, port: u16) -> Result<String, String> {
    let annotation = |name: &str| {
        let path = format!("/metadata/annotations/nginx.ingress.kubernetes.io~1{name}");
        ingress.pointer(&path).and_then(Value::as_str).ok_or_else(|| format!("no `{name}`"))
    };
    let url = annotation("auth-url")?;
    let (authority, path) =
        url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("auth-url")?;
    let auth_host = authority.split(':').next().unwrap_or_default();
    let okgate = format!("127.0.0.1:{}", cluster.okgate_port());
    let names = annotation("auth-response-headers")?;
    let mut asked = Asked::by_auth_request(names, &okgate);
    if let Ok(connections) = annotation("auth-keepalive") {
        asked = Asked::by_lua(names, &okgate, connections);
    }
    let (mut lua, mut login, mut on_401) = (asked.lua, String::new(), String::new());
    if let Ok(page) = annotation("auth-signin") {
        lua = LUA;
        let parameter = annotation("auth-signin-redirect-param")?;
        login = format!(
            "location @login {{
                internal;
                add_header Set-Cookie $auth_cookie;
                return 302 {page}?{parameter}=$pass_access_scheme://$http_host$escaped_request_uri;
            }}"
        );
        "set_by_lua_block $escaped_request_uri { return ngx.escape_uri(ngx.var.request_uri) }
            error_page 401 = @login;"
            .clone_into(&mut on_401);
    }
    Ok(TEMPLATE
        .replace("LUA", lua)
        .replace("PORT", &port.to_string())
        .replace("HOST", HOST)
        .replace("UPSTREAM", &asked.upstream)
        .replace("CONNECTION", asked.connection)
        .replace("AUTH_URL", &format!("http://{}/{path}", asked.authority))
        .replace("AUTH_NAME", auth_host)
        .replace("APP", &cluster.app_port().to_string())
        .replace("ASK", &asked.location)
        .replace("LOGIN", &login)
        .replace("ON_401", &on_401))
}

/// How okgate is asked.
struct Asked {
    /// What has to be loaded.
    lua: &'static str,
    /// A block of its own for okgate.
    upstream: String,
    /// Where it is asked.
    authority: String,
    /// What the location that asks says about connections.
    connection: &'static str,
    /// What the location of the app says.
    location: String,
}

impl Asked {
    fn by_auth_request(names: &str, okgate: &str) -> Self {
        let mut location = "auth_request /_external-auth-Lw-Prefix;
            auth_request_set $auth_cookie $upstream_http_set_cookie;
            add_header Set-Cookie $auth_cookie;\n"
            .to_owned();
        for (n, name) in names.split(',').map(str::trim).enumerate() {
            let variable = name.to_lowercase().replace('-', "_");
            let _ = writeln!(location, "auth_request_set $authHeader{n} $upstream_http_{variable};");
            let _ = writeln!(location, "proxy_set_header '{name}' $authHeader{n};");
        }
        Self { lua: "", upstream: String::new(), authority: okgate.to_owned(), connection: "", location }
    }

    /// Header names of the answer are looked up as they are written in the annotation, capitals and all.
    fn by_lua(names: &str, okgate: &str, connections: &str) -> Self {
        let mut location = "set $auth_cookie ''; add_header Set-Cookie $auth_cookie;\n".to_owned();
        let mut taken = String::new();
        for (n, name) in names.split(',').map(str::trim).enumerate() {
            let _ = writeln!(location, "set $authHeader{n} ''; proxy_set_header '{name}' $authHeader{n};");
            let _ = writeln!(taken, "ngx.var.authHeader{n} = answer.header['{name}']");
        }
        let _ = writeln!(
            location,
            "access_by_lua_block {{
                local question = {{ method = ngx.HTTP_GET, body = '', share_all_vars = false }}
                local answer = ngx.location.capture('/_external-auth-Lw-Prefix', question)
                if answer.status == 200 then
                    ngx.var.auth_cookie = answer.header['Set-Cookie']
                    {taken}
                    return
                end
                local known = answer.status == 401 or answer.status == 403
                return ngx.exit(known and answer.status or 500)
            }}"
        );
        Self {
            lua: LUA,
            upstream: format!("upstream auth_app {{ server {okgate}; keepalive {connections}; }}"),
            authority: "auth_app".to_owned(),
            connection: "proxy_set_header Connection \"\";",
            location,
        }
    }
}

const LUA: &str = "load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
";

const TEMPLATE: &str = r#"
LUA
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {}
http {
    access_log off;
    client_body_temp_path run-body; proxy_temp_path run-proxy; fastcgi_temp_path run-fastcgi;
    uwsgi_temp_path run-uwsgi; scgi_temp_path run-scgi;
    underscores_in_headers off;
    ignore_invalid_headers on;
    uninitialized_variable_warn off;

    map '' $pass_access_scheme { default $scheme; }
    map '' $pass_port { default $server_port; }
    map $http_host $best_http_host { default $http_host; '' $host; }
    map $http_x_request_id $req_id { default $http_x_request_id; '' $request_id; }
    map $http_upgrade $connection_upgrade { default upgrade; '' ''; }

    UPSTREAM
    upstream upstream_balancer { server 127.0.0.1:APP; keepalive 320; }

    server {
        listen 127.0.0.1:PORT ssl;
        server_name HOST;
        ssl_certificate tls.crt;
        ssl_certificate_key tls.key;

        location = /_external-auth-Lw-Prefix {
            internal;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Forwarded-Proto "";
            proxy_set_header X-Request-ID $req_id;
            proxy_set_header Host AUTH_NAME;
            proxy_set_header X-Original-URL $scheme://$http_host$request_uri;
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Sent-From "nginx-ingress-controller";
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Auth-Request-Redirect $request_uri;
            proxy_buffering off;
            proxy_buffer_size 4k;
            proxy_buffers 4 4k;
            proxy_request_buffering on;
            proxy_ssl_server_name on;
            proxy_pass_request_headers on;
            client_max_body_size 1m;
            proxy_http_version 1.1;
            CONNECTION
            set $target AUTH_URL;
            proxy_pass $target;
        }

        LOGIN

        location / {
            ASK
            ON_401
            client_max_body_size 1m;
            proxy_set_header Host $best_http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Request-ID $req_id;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Host $best_http_host;
            proxy_set_header X-Forwarded-Port $pass_port;
            proxy_set_header X-Forwarded-Proto $pass_access_scheme;
            proxy_set_header X-Forwarded-Scheme $pass_access_scheme;
            proxy_set_header X-Scheme $pass_access_scheme;
            proxy_set_header X-Original-Forwarded-For $http_x_forwarded_for;
            proxy_set_header Proxy "";
            proxy_connect_timeout 5s;
            proxy_send_timeout 60s;
            proxy_read_timeout 60s;
            proxy_buffering off;
            proxy_buffer_size 4k;
            proxy_buffers 4 4k;
            proxy_max_temp_file_size 1024m;
            proxy_request_buffering on;
            proxy_http_version 1.1;
            proxy_next_upstream error timeout;
            proxy_next_upstream_tries 3;
            proxy_pass http://upstream_balancer;
            proxy_redirect off;
        }
    }
}
"#;
