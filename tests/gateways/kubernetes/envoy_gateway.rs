//! Real Envoy with what Envoy Gateway makes of `envoy-gateway.yaml`.
//!
//! `egctl`, Envoy Gateway's own program, checks the manifests against the schemas of Gateway API and Envoy Gateway and
//! translates them as the controller does. What it hands to Envoy piece by piece in a cluster is put into one
//! file here, with other addresses.

use super::Manifests;
use super::cluster::{Cluster, manifest};
use crate::example::find;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libtest_mimic::Failed;
use okgate_testkit::process::Process;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

pub const MANIFESTS: Manifests = Manifests {
    name: "envoy-gateway",
    programs: &["egctl", "envoy", "python3"],
    start,
    login: None,
    unmatched: 404,
};

/// Addresses of services in the cluster, which nobody is asked at.
const OKGATE: &str = "10.96.0.56";
const APP: &str = "10.96.0.80";

fn start(cluster: &Cluster, port: u16) -> Result<Process, String> {
    let translated = translate(cluster, "envoy-gateway.yaml")?;
    for pointer in ["/httpRoutes/0/status/parents", "/securityPolicies/0/status/ancestors"] {
        let conditions = translated.pointer(pointer).map(Value::to_string).unwrap_or_default();
        if !conditions.contains(r#""status":"True""#) || conditions.contains(r#""status":"False""#) {
            return Err(format!("{pointer}: {conditions}"));
        }
    }
    let bootstrap = bootstrap(&translated, cluster, port)?;
    fs::write(cluster.dir().join("envoy.json"), bootstrap.to_string()).map_err(|e| e.to_string())?;
    cluster
        .run("envoy", &["-c", "envoy.json", "--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"])
}

/// `gateway-api.yaml` is what the schema of Gateway API wants. Envoy Gateway does not know the filter; once it does,
/// the manifest can be run.
pub fn external_auth_is_valid() -> Result<(), Failed> {
    let cluster = Cluster::start().map_err(|e| e.to_string())?;
    let translated = translate(&cluster, "gateway-api.yaml")?;
    let conditions =
        translated.pointer("/httpRoutes/0/status/parents/0/conditions").cloned().unwrap_or_default();
    if conditions.to_string().contains("unsupported filter type ExternalAuth") {
        return Ok(());
    }
    Err(format!("Envoy Gateway says something new about ExternalAuth: {conditions}").into())
}

/// What Envoy Gateway makes of a manifest, beside okgate's service and what every cluster with a gateway has.
fn translate(cluster: &Cluster, name: &str) -> Result<Value, String> {
    let pem = |name: &str| fs::read(cluster.dir().join(name)).map(|pem| STANDARD.encode(pem));
    let text = |error: std::io::Error| error.to_string();
    let mut documents = vec![
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "envoy"},
            "spec": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
        }),
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "gateway"},
            "spec": {"gatewayClassName": "envoy", "listeners": [{
                "name": "https", "protocol": "HTTPS", "port": 443, "tls": {"certificateRefs": [{"name": "app-tls"}]},
            }]},
        }),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app-tls"}, "type": "kubernetes.io/tls",
            "data": {"tls.crt": pem("tls.crt").map_err(text)?, "tls.key": pem("tls.key").map_err(text)?},
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "app"},
            "spec": {"clusterIP": APP, "ports": [{"port": 80}]},
        }),
    ];
    for mut document in manifest("okgate.yaml").map_err(text)? {
        if document.get("kind") == Some(&json!("Service"))
            && let Some(spec) = document.get_mut("spec").and_then(Value::as_object_mut)
        {
            spec.insert("clusterIP".to_owned(), json!(OKGATE));
            documents.push(document);
        }
    }
    documents.extend(manifest(name).map_err(text)?);
    for metadata in documents.iter_mut().filter_map(|d| d.get_mut("metadata")?.as_object_mut()) {
        metadata.insert("namespace".to_owned(), json!("default"));
    }
    let input: Vec<String> = documents.iter().map(Value::to_string).collect();
    fs::write(cluster.dir().join("manifests.yaml"), input.join("\n---\n")).map_err(text)?;
    let output = Command::new(find("egctl").ok_or("egctl is not installed")?)
        .args(["x", "translate", "--from", "gateway-api", "--to", "gateway-api,xds"])
        .args(["--output", "json", "--file", "manifests.yaml"])
        .current_dir(cluster.dir())
        .output()
        .map_err(text)?;
    if !output.status.success() {
        return Err(format!("egctl: {}", String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| format!("egctl: {e}"))
}

/// The translation as one file for Envoy: the listener on this port, the services where they are, and what
/// would be asked for later in its place.
fn bootstrap(translated: &Value, cluster: &Cluster, port: u16) -> Result<Value, String> {
    let configs = translated.pointer("/xds/default~1gateway/configs").and_then(Value::as_array);
    let configs = configs.ok_or("no configuration for Envoy")?;
    let dump = |kind: &str, list: &str, item: &str| -> Vec<Value> {
        let of_kind = configs.iter().find(|c| c.get("@type").is_some_and(|t| t.as_str() == Some(kind)));
        let all = of_kind.and_then(|config| config.get(list)?.as_array());
        let mut found: Vec<_> =
            all.into_iter().flatten().filter_map(|entry| entry.pointer(item).cloned()).collect();
        for fields in found.iter_mut().filter_map(Value::as_object_mut) {
            fields.remove("@type");
        }
        found
    };
    let admin = |kind: &str| format!("type.googleapis.com/envoy.admin.v3.{kind}ConfigDump");
    let endpoints = dump(&admin("Endpoints"), "dynamicEndpointConfigs", "/endpointConfig");
    let routes = dump(&admin("Routes"), "dynamicRouteConfigs", "/routeConfig");
    let mut clusters = dump(&admin("Clusters"), "dynamicActiveClusters", "/cluster");
    let mut listeners = dump(&admin("Listeners"), "dynamicListeners", "/activeState/listener");
    // The other one says that Envoy is ready.
    listeners.retain(|listener| listener.get("name") == Some(&json!("default/gateway/https")));

    let named = |all: &[Value], key: &str, name: Option<&Value>| {
        let found = all.iter().find(|one| one.get(key).is_some() && one.get(key) == name).cloned();
        found.ok_or_else(|| format!("nothing is called {name:?}"))
    };
    for service in &mut clusters {
        let load = named(&endpoints, "clusterName", service.pointer("/edsClusterConfig/serviceName"))?;
        let service = service.as_object_mut().ok_or("a cluster")?;
        service.remove("edsClusterConfig");
        service.insert("type".to_owned(), json!("STATIC"));
        service.insert("loadAssignment".to_owned(), load);
    }
    for listener in &mut listeners {
        let manager = listener.pointer_mut("/filterChains/0/filters/0/typedConfig");
        let manager = manager.and_then(Value::as_object_mut).ok_or("no connection manager")?;
        let rds = manager.remove("rds").ok_or("no routes")?;
        manager.insert("routeConfig".to_owned(), named(&routes, "name", rds.get("routeConfigName"))?);
        let secret = listener.pointer_mut(
            "/filterChains/0/transportSocket/typedConfig/commonTlsContext/tlsCertificateSdsSecretConfigs/0",
        );
        secret.and_then(Value::as_object_mut).ok_or("no certificate")?.remove("sdsConfig");
    }
    let mut resources = json!({
        "listeners": listeners,
        "clusters": clusters,
        "secrets": [{"name": "default/app-tls", "tlsCertificate": {
            "certificateChain": {"filename": "tls.crt"}, "privateKey": {"filename": "tls.key"},
        }}],
    });
    let moved = move_to(
        &mut resources,
        &[
            (("0.0.0.0", 10443), port),
            ((OKGATE, 4456), cluster.okgate_port()),
            ((APP, 80), cluster.app_port()),
        ],
    );
    match moved {
        3 => Ok(json!({"staticResources": resources})),
        _ => Err(format!("three addresses wanted, not {moved}: {resources}")),
    }
}

/// Puts ports of this machine in the place of these addresses, and says how often.
fn move_to(value: &mut Value, addresses: &[((&str, u16), u16)]) -> usize {
    let own = addresses.iter().find(|((address, port), _)| {
        value.get("address") == Some(&json!(address)) && value.get("portValue") == Some(&json!(port))
    });
    if let Some((_, own)) = own {
        *value = json!({"address": "127.0.0.1", "portValue": own});
        return 1;
    }
    match value {
        Value::Array(items) => items.iter_mut().map(|item| move_to(item, addresses)).sum(),
        Value::Object(fields) => fields.values_mut().map(|field| move_to(field, addresses)).sum(),
        _ => 0,
    }
}
