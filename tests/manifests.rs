//! The Kubernetes manifests in `examples/kubernetes/`, as files: they are read, what okgate is given loads without a
//! finding, and gateways ask where there is an endpoint for them. `tests/gateways/kubernetes` runs them.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "this is how a test fails")]

use std::fs;
use std::path::Path;

use okgate::config::{self, Config, Sources};
use okgate::pipeline::Shared;
use okgate::rule::Repository;
use serde_json::Value;

/// Every document of a file.
fn documents(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/kubernetes").join(name);
    let text = fs::read_to_string(path).unwrap();
    text.split("\n---\n").map(|document| serde_yaml::from_str(document).unwrap()).collect()
}

fn of_kind(name: &str, kind: &str) -> Value {
    documents(name).into_iter().find(|document| document["kind"] == kind).unwrap()
}

/// The configuration in the ConfigMap, with its rules, loaded as a server does.
fn okgate() -> Config {
    let data = &of_kind("okgate.yaml", "ConfigMap")["data"];
    let folder = tempfile::tempdir().unwrap();
    let text = data["config.yaml"].as_str().unwrap();
    let rules = folder.path().join("rules.yaml");
    fs::write(&rules, data["rules.yaml"].as_str().unwrap()).unwrap();
    let file = folder.path().join("config.yaml");
    fs::write(&file, text.replace("/etc/okgate/rules.yaml", &rules.to_string_lossy())).unwrap();
    let loaded = config::load(&Sources { files: vec![file], environment: Vec::new() });
    let loaded = loaded.unwrap_or_else(|report| panic!("{}", report.to_human(false)));
    assert_eq!(loaded.report.to_human(false), "", "the configuration");
    let config = std::sync::Arc::new(loaded.config);
    let loaded = Repository::new(std::sync::Arc::clone(&config), Shared::new(1 << 20)).reload();
    assert_eq!(loaded.report.to_human(false), "", "the rules");
    assert_eq!(loaded.engine.rules().valid().count(), 3);
    (*config).clone()
}

fn dialect_at(config: &Config, path: &str) -> String {
    let endpoint = config.serve.endpoints.iter().find(|endpoint| endpoint.path == path);
    endpoint.unwrap_or_else(|| panic!("no endpoint at {path}")).dialect.clone()
}

#[test]
fn every_manifest_names_what_it_is() {
    let mut files = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/kubernetes")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy();
        files += 1;
        for document in documents(&name) {
            for key in ["/apiVersion", "/kind", "/metadata/name"] {
                assert!(document.pointer(key).is_some_and(Value::is_string), "{name}: {key} {document}");
            }
        }
    }
    assert_eq!(files, 6);
}

#[test]
fn gateways_ask_where_okgate_answers_them() {
    let config = okgate();
    let port = config.serve.api.port;
    let service = of_kind("okgate.yaml", "Service");
    assert_eq!(service["spec"]["ports"][0]["port"], port);
    let name = service["metadata"]["name"].as_str().unwrap();

    let dialect_at_url = |url: &Value| {
        let authority = format!("http://{name}.default.svc.cluster.local:{port}");
        dialect_at(&config, url.as_str().unwrap().strip_prefix(&authority).unwrap())
    };
    for (file, dialect) in
        [("ingress-nginx.yaml", "ingress_nginx"), ("traefik-ingress-nginx.yaml", "forwarded")]
    {
        let ingress = of_kind(file, "Ingress");
        let url = &ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/auth-url"];
        assert_eq!(dialect_at_url(url), dialect, "{file}");
    }
    let middleware = of_kind("traefik.yaml", "Middleware");
    assert_eq!(dialect_at_url(&middleware["spec"]["forwardAuth"]["address"]), "forwarded");

    let route = of_kind("gateway-api.yaml", "HTTPRoute");
    let auth = &route["spec"]["rules"][0]["filters"][0]["externalAuth"];
    assert_eq!(
        (auth["backendRef"]["name"].as_str(), &auth["backendRef"]["port"]),
        (Some(name), &port.into())
    );
    assert_eq!(dialect_at(&config, auth["http"]["path"].as_str().unwrap()), "envoy_http");

    let policy = of_kind("envoy-gateway.yaml", "SecurityPolicy");
    let auth = &policy["spec"]["extAuth"];
    assert_eq!(auth["failOpen"], false);
    let backend = &auth["http"]["backendRefs"][0];
    assert_eq!((backend["name"].as_str(), &backend["port"]), (Some(name), &port.into()));
    assert_eq!(dialect_at(&config, auth["http"]["path"].as_str().unwrap()), "envoy_http");
}
