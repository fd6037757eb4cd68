//! What asks: tonic, with the messages of envoy-types.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;

use envoy_types::pb::envoy::config::core::v3::address::Address as Kind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, Pipe, SocketAddress};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use envoy_types::pb::google::protobuf::value::Kind as Text;
use hyper_util::rt::TokioIo;
use okgate_testkit::gate::{Gate, Start};
use okgate_testkit::wait;
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio_openssl::SslStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// Every handler that needs no network, and rules from `rules.yaml`.
const CONFIG: &str = "
serve:
  api: {host: 127.0.0.1, port: 0, trusted_proxies: [127.0.0.1]}
  grpc: {host: 127.0.0.1, port: 0, SETTINGS}
access_rules: {repositories: ['file://rules.yaml']}
authenticators:
  anonymous: {enabled: true, config: {subject: guest}}
  unauthorized: {enabled: true}
  bearer_token: {enabled: true, config: {check_session_url: 'http://127.0.0.1:1/'}}
authorizers:
  allow: {enabled: true}
  deny: {enabled: true}
mutators:
  noop: {enabled: true}
  header: {enabled: true, config: {headers: {}}}
errors:
  handlers:
    json: {enabled: true, config: {verbose: true}}
    redirect: {enabled: true, config: {to: 'http://login.test/'}}
    www_authenticate: {enabled: true, config: {realm: gate}}
";

/// okgate with these settings of `serve.grpc` and these rules.
pub fn okgate(settings: &str, rules: &str) -> Start {
    let config = CONFIG.replace("SETTINGS", settings);
    Start::new(env!("CARGO_BIN_EXE_okgate"), config).file("rules.yaml", rules)
}

/// Where a running okgate listens for gRPC.
pub fn address(gate: &mut Gate) -> String {
    let found = wait::until(std::time::Duration::from_secs(10), || {
        let said = gate.stdout();
        said.lines().find_map(|line| line.strip_prefix("okgate: serving grpc on ").map(str::to_owned))
    });
    found.unwrap_or_else(|| panic!("no gRPC: {}", gate.stderr()))
}

/// The port of it.
pub fn port(gate: &mut Gate) -> u16 {
    address(gate).rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}

/// Envoy, as far as it asks.
pub struct Envoy {
    pub runtime: Runtime,
    pub client: AuthorizationClient<Channel>,
}

impl Envoy {
    /// Connects as the address says: in clear text, over TLS, through a unix socket.
    pub fn to(address: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let channel = runtime.block_on(connect(address)).expect("a connection");
        Self { client: AuthorizationClient::new(channel).max_decoding_message_size(16 << 20), runtime }
    }

    /// Asks.
    pub fn try_check(&self, request: CheckRequest) -> Result<CheckResponse, tonic::Status> {
        let mut client = self.client.clone();
        self.runtime.block_on(client.check(request)).map(tonic::Response::into_inner)
    }

    /// Asks; no answer fails the test.
    #[track_caller]
    pub fn check(&self, request: CheckRequest) -> Verdict {
        Verdict(self.try_check(request).unwrap_or_else(|status| panic!("{status:?}")))
    }
}

async fn connect(address: &str) -> Result<Channel, tonic::transport::Error> {
    let address = address.to_owned();
    Endpoint::from_static("http://okgate.test")
        .connect_with_connector(service_fn(move |_: Uri| {
            let address = address.clone();
            async move {
                if let Some(path) = address.strip_prefix("unix:") {
                    let io: Box<dyn Wire> = Box::new(UnixStream::connect(path).await?);
                    return io::Result::Ok(TokioIo::new(io));
                }
                let (scheme, place) = address.split_once("://").expect("a URL");
                let io = TcpStream::connect(place).await?;
                io.set_nodelay(true)?;
                if scheme == "http" {
                    return Ok(TokioIo::new(Box::new(io) as Box<dyn Wire>));
                }
                let mut tls = SslConnector::builder(SslMethod::tls_client()).expect("TLS");
                tls.set_verify(SslVerifyMode::NONE);
                tls.set_alpn_protos(b"\x02h2").expect("ALPN");
                let ssl = tls.build().configure().expect("TLS").into_ssl("localhost").expect("TLS");
                let mut stream = SslStream::new(ssl, io).expect("TLS");
                Pin::new(&mut stream).connect().await.map_err(io::Error::other)?;
                assert_eq!(stream.ssl().selected_alpn_protocol(), Some(b"h2".as_slice()));
                Ok(TokioIo::new(Box::new(stream) as Box<dyn Wire>))
            }
        }))
        .await
}

trait Wire: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Wire for T {}

/// What Envoy says of a request of a client at 192.0.2.7.
pub fn http(method: &str, url: &str, headers: &[(&str, &str)]) -> HttpRequest {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let line = [(":method", method), (":scheme", scheme), (":authority", host), (":path", path)];
    let headers: HashMap<String, String> =
        line.iter().chain(headers).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    HttpRequest {
        method: method.to_owned(),
        scheme: scheme.to_owned(),
        host: host.to_owned(),
        path: path.to_owned(),
        headers,
        protocol: "HTTP/1.1".to_owned(),
        size: -1,
        ..HttpRequest::default()
    }
}

/// The question about it.
pub fn about(http: HttpRequest) -> CheckRequest {
    from(Some("192.0.2.7"), http)
}

/// The question about a request of somebody with this address, or behind a unix socket.
pub fn from(source: Option<&str>, http: HttpRequest) -> CheckRequest {
    let address = match source {
        Some(address) => Kind::SocketAddress(SocketAddress {
            address: address.to_owned(),
            port_specifier: Some(PortSpecifier::PortValue(4711)),
            ..SocketAddress::default()
        }),
        None => Kind::Pipe(Pipe { path: "/run/in.sock".to_owned(), mode: 0 }),
    };
    let peer = |address| Peer { address: Some(Address { address: Some(address) }), ..Peer::default() };
    let own = Kind::SocketAddress(SocketAddress {
        address: Ipv4Addr::LOCALHOST.to_string(),
        ..SocketAddress::default()
    });
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(peer(address)),
            destination: Some(peer(own)),
            request: Some(Request { http: Some(http), ..Request::default() }),
            ..AttributeContext::default()
        }),
    }
}

/// `GET` of a URL.
pub fn get(url: &str, headers: &[(&str, &str)]) -> CheckRequest {
    about(http("GET", url, headers))
}

/// What okgate says.
#[derive(Debug)]
pub struct Verdict(pub CheckResponse);

impl Verdict {
    fn code(&self) -> i32 {
        self.0.status.as_ref().map_or(-1, |status| status.code)
    }

    /// The yes.
    #[track_caller]
    pub fn ok(&self) -> &OkHttpResponse {
        match &self.0.http_response {
            Some(HttpResponse::OkResponse(ok)) if self.code() == 0 => ok,
            _ => panic!("no yes: {self:?}"),
        }
    }

    /// The no, with the code of the status and that of HTTP.
    #[track_caller]
    pub fn denied(&self) -> (&DeniedHttpResponse, i32, i32) {
        match &self.0.http_response {
            Some(HttpResponse::DeniedResponse(no)) if self.code() > 0 => {
                (no, self.code(), no.status.as_ref().map_or(0, |status| status.code))
            }
            _ => panic!("no no: {self:?}"),
        }
    }

    /// The status of HTTP: 200 for a yes.
    #[track_caller]
    pub fn status(&self) -> i32 {
        match &self.0.http_response {
            Some(HttpResponse::OkResponse(_)) if self.code() == 0 => 200,
            _ => self.denied().2,
        }
    }

    /// Header fields of either: `name=value`, `name+=value` for what is added to what is there.
    pub fn headers(&self) -> Vec<String> {
        let fields = match &self.0.http_response {
            Some(HttpResponse::OkResponse(ok)) => &ok.headers,
            Some(HttpResponse::DeniedResponse(no)) => &no.headers,
            _ => panic!("{self:?}"),
        };
        let text = fields.iter().map(|field| {
            let header = field.header.as_ref().expect("a header");
            #[expect(deprecated, reason = "what Envoy looks at")]
            let append = field.append.as_ref().is_some_and(|append| append.value);
            assert_eq!(field.append_action, if append { 0 } else { 2 }, "{field:?}");
            format!("{}{}={}", header.key, if append { "+" } else { "" }, header.value)
        });
        text.collect()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers().iter().find_map(|field| field.strip_prefix(&format!("{name}=")).map(str::to_owned))
    }

    /// A text of the dynamic metadata.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        match self.0.dynamic_metadata.as_ref()?.fields.get(name)?.kind.as_ref()? {
            Text::StringValue(text) => Some(text),
            other => panic!("{other:?}"),
        }
    }
}
