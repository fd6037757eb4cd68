//! A stand-in for the API of a cluster: lists and watches over plain HTTP, of objects that never change.
//!
//! What <https://kubernetes.io/docs/reference/using-api/api-concepts/> says a client may ask for, as far as gateways do.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// Objects by what lists them, such as `networking.k8s.io/v1/ingresses` and `v1/services`.
pub type Objects = BTreeMap<String, Vec<Value>>;

/// Kinds that are listed, whether or not there is one, and how they are called in paths.
const KINDS: &[(&str, &str)] = &[
    ("BackendTLSPolicy", "backendtlspolicies"),
    ("ConfigMap", "configmaps"),
    ("EndpointSlice", "endpointslices"),
    ("GRPCRoute", "grpcroutes"),
    ("Gateway", "gateways"),
    ("GatewayClass", "gatewayclasses"),
    ("HTTPRoute", "httproutes"),
    ("Ingress", "ingresses"),
    ("IngressClass", "ingressclasses"),
    ("IngressRoute", "ingressroutes"),
    ("IngressRouteTCP", "ingressroutetcps"),
    ("IngressRouteUDP", "ingressrouteudps"),
    ("Middleware", "middlewares"),
    ("MiddlewareTCP", "middlewaretcps"),
    ("Namespace", "namespaces"),
    ("Node", "nodes"),
    ("Pod", "pods"),
    ("ReferenceGrant", "referencegrants"),
    ("Secret", "secrets"),
    ("ServersTransport", "serverstransports"),
    ("ServersTransportTCP", "serverstransporttcps"),
    ("Service", "services"),
    ("TCPRoute", "tcproutes"),
    ("TLSOption", "tlsoptions"),
    ("TLSRoute", "tlsroutes"),
    ("TLSStore", "tlsstores"),
    ("TraefikService", "traefikservices"),
];

/// Puts an object where it is asked for, in the namespace `default` and with what a cluster would add to it.
pub fn add(objects: &mut Objects, mut object: Value) {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let plural = KINDS.iter().find(|(known, _)| *known == kind).map_or("", |(_, plural)| plural);
    let count = objects.values().map(Vec::len).sum::<usize>() + 1;
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let cluster_wide = kind.ends_with("Class") || kind == "Namespace";
        for (key, value) in [
            ("namespace", json!(if cluster_wide { "" } else { "default" })),
            ("uid", json!(format!("00000000-0000-4000-8000-{count:012}"))),
            ("resourceVersion", json!("1")),
            ("generation", json!(1)),
            ("creationTimestamp", json!("2026-01-01T00:00:00Z")),
        ] {
            metadata.insert(key.to_owned(), value);
        }
    }
    objects.entry(format!("{version}/{plural}")).or_default().push(object);
}

/// Serves them on a port that it gives back, until the test ends. What a gateway says about them goes to a log.
pub fn serve(objects: Objects, log: File) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let shared = Arc::new((objects, log));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = Arc::clone(&shared);
            // A client that is gone ends its thread.
            std::thread::spawn(move || answer_all(stream, &shared.0, &shared.1));
        }
    });
    Ok(port)
}

fn answer_all(stream: TcpStream, objects: &Objects, mut log: &File) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (method, target) = {
            let mut words = line.split(' ');
            (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned())
        };
        let mut length = 0;
        loop {
            let mut field = String::new();
            reader.read_line(&mut field)?;
            match field.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().unwrap_or(0);
                }
                Some(_) => {}
                None => break,
            }
        }
        let mut body = Vec::new();
        (&mut reader).take(length).read_to_end(&mut body)?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let has = |wanted: &str| query.split('&').any(|parameter| parameter == wanted);
        if method != "GET" {
            // A status that somebody writes: taken, and forgotten.
            let said = serde_json::from_slice::<Value>(&body).unwrap_or_default();
            writeln!(log, "{path} {}", said.get("status").unwrap_or(&said))?;
            write_json(&mut writer, 200, &String::from_utf8_lossy(&body))?;
            continue;
        }
        let Some(asked) = Asked::of(path, objects) else {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404});
            write_json(&mut writer, 404, &status.to_string())?;
            continue;
        };
        if !(has("watch=true") || has("watch=1")) {
            write_json(&mut writer, 200, &asked.answer(query).to_string())?;
            continue;
        }
        writer.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        if has("sendInitialEvents=true") {
            for event in asked.events() {
                let line = format!("{event}\n");
                write!(writer, "{:x}\r\n{line}\r\n", line.len())?;
            }
        }
        writer.flush()?;
        // Nothing ever changes: silent until the client goes.
        return reader.read_to_end(&mut Vec::new()).map(|_| ());
    }
}

fn write_json(writer: &mut TcpStream, status: u16, body: &str) -> io::Result<()> {
    let length = body.len();
    write!(
        writer,
        "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    writer.flush()
}

/// What a path names.
struct Asked<'o> {
    /// `apiVersion`
    version: String,
    kind: &'static str,
    /// One of them only.
    name: Option<String>,
    objects: &'o [Value],
}

impl<'o> Asked<'o> {
    /// `/api/v1/…` and `/apis/GROUP/VERSION/…`, of all namespaces or of one.
    fn of(path: &str, objects: &'o Objects) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/');
        let version = match parts.next()? {
            "api" => parts.next()?.to_owned(),
            "apis" => format!("{}/{}", parts.next()?, parts.next()?),
            _ => return None,
        };
        let mut rest: Vec<&str> = parts.collect();
        if rest.len() > 2 && rest.first() == Some(&"namespaces") {
            rest.drain(..2);
        }
        let plural = *rest.first()?;
        let kind = KINDS.iter().find(|(_, known)| *known == plural)?.0;
        let name = rest.get(1).map(|name| (*name).to_owned());
        let list = objects.get(&format!("{version}/{plural}")).map(Vec::as_slice).unwrap_or_default();
        let asked = Self { version, kind, name, objects: list };
        // One that is not there is an error, none of many is not.
        (asked.name.is_none() || asked.one().is_some()).then_some(asked)
    }

    fn one(&self) -> Option<&'o Value> {
        let name = self.name.as_deref();
        self.objects.iter().find(|object| object.pointer("/metadata/name").and_then(Value::as_str) == name)
    }

    /// An object, or a list, of which a field selector may want one.
    fn answer(&self, query: &str) -> Value {
        if let Some(one) = self.one() {
            return one.clone();
        }
        let wanted =
            query.split('&').find_map(|parameter| parameter.strip_prefix("fieldSelector=metadata.name%3D"));
        let named = |object: &&Value| {
            wanted.is_none_or(|name| object.pointer("/metadata/name").and_then(Value::as_str) == Some(name))
        };
        let items: Vec<_> = self.objects.iter().filter(named).collect();
        json!({"kind": format!("{}List", self.kind), "apiVersion": self.version, "metadata": {"resourceVersion": "1"}, "items": items})
    }

    /// All there is, and then that this was all.
    fn events(&self) -> Vec<Value> {
        let added = self.objects.iter().map(|object| json!({"type": "ADDED", "object": object}));
        let end = json!({"type": "BOOKMARK", "object": {
            "kind": self.kind, "apiVersion": self.version,
            "metadata": {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}},
        }});
        added.chain([end]).collect()
    }
}
