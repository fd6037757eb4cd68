//! Real Traefik, which reads the manifests from the API of a cluster, or from what stands in for it here.

use super::api::{self, Objects};
use super::cluster::{Cluster, manifest};
use super::{Manifests, Setup};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libtest_mimic::Failed;
use okgate_testkit::http::Request;
use okgate_testkit::process::Process;
use serde_json::{Value, json};
use std::fs;

/// Its provider for Ingresses with the annotations of ingress-nginx.
pub const INGRESS_NGINX: Manifests = Manifests {
    name: "traefik-ingress-nginx",
    programs: &["traefik", "python3"],
    start: |cluster, port| {
        run(cluster, port, "traefik-ingress-nginx.yaml", [class()], &["kubernetesIngressNGINX"])
    },
    login: Some("https://login.example.com/?rd="),
    unmatched: 404,
};

/// The same where somebody left the manifest as it was for ingress-nginx.
const UNCHANGED: Manifests = Manifests {
    start: |cluster, port| run(cluster, port, "ingress-nginx.yaml", [class()], &["kubernetesIngressNGINX"]),
    ..INGRESS_NGINX
};

/// Traefik does not say what ingress-nginx says, and hands on what a client says in its place.
pub fn is_not_ingress_nginx() -> Result<(), Failed> {
    let setup = Setup::start_until(&UNCHANGED, 403)?;
    let forged = Request::get("/internal/metrics")
        .header("X-Original-URL", "https://app.example.com/public/x")
        .header("X-Original-Method", "GET")
        .header("X-Sent-From", "nginx-ingress-controller");
    let reply = setup.send(&forged).map_err(|e| format!("no answer: {e}"))?;
    if reply.status == 403 {
        return Ok(());
    }
    Err(format!("{}\n{}", reply.summary(), setup.cluster.logs()).into())
}

/// As a gateway of the Gateway API, with a middleware of its own.
pub const GATEWAY_API: Manifests = Manifests {
    name: "traefik-gateway-api",
    start: |cluster, port| {
        let class = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "traefik"},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        });
        let gateway = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "gateway"},
            "spec": {"gatewayClassName": "traefik", "listeners": [{
                "name": "https", "protocol": "HTTPS", "port": port, "tls": {"mode": "Terminate", "certificateRefs": [{"group": "", "kind": "Secret", "name": "app-tls"}]},
                "allowedRoutes": {"namespaces": {"from": "Same"}},
            }]},
        });
        run(cluster, port, "traefik.yaml", [class, gateway], &["kubernetesGateway", "kubernetesCRD"])
    },
    login: None,
    ..INGRESS_NGINX
};

fn class() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "nginx"},
        "spec": {"controller": "k8s.io/ingress-nginx"},
    })
}

/// The app's service, where its pod is, and the certificate.
fn around(cluster: &Cluster) -> std::io::Result<Objects> {
    let pem = |name: &str| fs::read(cluster.dir().join(name)).map(|pem| STANDARD.encode(pem));
    let mut objects = Objects::new();
    for object in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app-tls"}, "type": "kubernetes.io/tls",
            "data": {"tls.crt": pem("tls.crt")?, "tls.key": pem("tls.key")?},
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "app"},
            "spec": {"clusterIP": "10.96.0.80", "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": cluster.app_port()}]},
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "app-1", "labels": {"kubernetes.io/service-name": "app"}},
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true, "serving": true}}],
            "ports": [{"name": "http", "port": cluster.app_port(), "protocol": "TCP"}],
        }),
    ] {
        api::add(&mut objects, object);
    }
    Ok(objects)
}

/// Runs it with a manifest and what else is in the cluster. In the manifest okgate has another address: there is no
/// DNS of a cluster.
fn run<const N: usize>(
    cluster: &Cluster,
    port: u16,
    name: &str,
    beside: [Value; N],
    providers: &[&str],
) -> Result<Process, String> {
    let mut objects = around(cluster).map_err(|e| e.to_string())?;
    for object in beside {
        api::add(&mut objects, object);
    }
    let here = format!("127.0.0.1:{}", cluster.okgate_port());
    for document in manifest(name).map_err(|e| e.to_string())? {
        let text = document.to_string().replace("okgate.default.svc.cluster.local:4456", &here);
        let mut document = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        fill_in(&mut document);
        api::add(&mut objects, document);
    }
    let log = fs::File::create(cluster.dir().join("api.log")).map_err(|e| e.to_string())?;
    let api = api::serve(objects, log).map_err(|e| e.to_string())?;
    let api = json!({"endpoint": format!("http://127.0.0.1:{api}"), "token": "nobody-asks"});
    let providers: Value = providers.iter().map(|provider| ((*provider).to_owned(), api.clone())).collect();
    let config = json!({
        "global": {"checkNewVersion": false, "sendAnonymousUsage": false},
        "log": {"level": "WARN"},
        "entryPoints": {"websecure": {
            "address": format!("127.0.0.1:{port}"), "http": {"aliasHeadersStrategy": "delete"},
        }},
        "providers": providers,
    });
    fs::write(cluster.dir().join("traefik.yaml"), config.to_string()).map_err(|e| e.to_string())?;
    cluster.run("traefik", &["--configFile=traefik.yaml"])
}

/// What a cluster puts into a route where nothing is said, since the schema of Gateway API has it so.
fn fill_in(document: &mut Value) {
    let gateway = [("group", json!("gateway.networking.k8s.io")), ("kind", json!("Gateway"))];
    let service = [("group", json!("")), ("kind", json!("Service")), ("weight", json!(1))];
    let matches = [("matches", json!([{"path": {"type": "PathPrefix", "value": "/"}}]))];
    if document.get("kind") == Some(&json!("HTTPRoute")) {
        set_missing(document.pointer_mut("/spec/parentRefs"), &gateway);
        set_missing(document.pointer_mut("/spec/rules"), &matches);
        for rule in document.pointer_mut("/spec/rules").and_then(Value::as_array_mut).into_iter().flatten() {
            set_missing(rule.get_mut("backendRefs"), &service);
        }
    }
}

fn set_missing(all: Option<&mut Value>, fields: &[(&str, Value)]) {
    let all = all.and_then(Value::as_array_mut).into_iter().flatten();
    for one in all.filter_map(Value::as_object_mut) {
        for (name, value) in fields {
            one.entry(*name).or_insert_with(|| value.clone());
        }
    }
}
