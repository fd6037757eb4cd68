//! What would be right: for each finding, and where the gateway is known, in its own words.

use super::Code;
use crate::gateway::Gateway::{self, Caddy, Envoy, Haproxy, IngressNginx, Nginx, Openresty, Traefik};

/// What to do about a finding.
pub fn help(code: Code, gateway: Option<Gateway>) -> &'static str {
    // What is said of one Envoy goes for the other.
    let gateway = gateway.map(|gateway| if gateway == Gateway::EnvoyGrpc { Envoy } else { gateway });
    let fits = |codes: &[Code], of: &[Gateway]| {
        codes.contains(&code) && (of.is_empty() || gateway.is_some_and(|gateway| of.contains(&gateway)))
    };
    HELP.iter().find(|(codes, of, _)| fits(codes, of)).map_or("", |(_, _, text)| text)
}

/// Codes, gateways (none for all others), and what to do. The first line that fits counts.
const HELP: &[(&[Code], &[Gateway], &str)] = &[
    (
        &[Code::OpenGateway, Code::PerhapsOpen, Code::RefusedPasses],
        &[Nginx],
        "the location that proxies needs `auth_request`; a location of its own for some paths needs it too",
    ),
    (
        &[Code::OpenGateway, Code::PerhapsOpen, Code::RefusedPasses],
        &[Traefik],
        "every router needs the forwardAuth middleware in `middlewares`",
    ),
    (
        &[Code::OpenGateway, Code::PerhapsOpen, Code::RefusedPasses],
        &[Caddy],
        "`forward_auth` has to stand in the same site or `handle` as `reverse_proxy`, with no matcher that leaves requests out",
    ),
    (
        &[Code::OpenGateway, Code::PerhapsOpen, Code::RefusedPasses],
        &[Envoy],
        "the listener needs the filter `ext_authz` before the router, with `failure_mode_allow: false`, and no route may switch it off",
    ),
    (
        &[Code::OpenGateway, Code::PerhapsOpen, Code::RefusedPasses],
        &[Haproxy],
        "the frontend needs `http-request lua.okgate` without a condition, before every `use_backend`",
    ),
    (
        &[Code::OpenGateway, Code::PerhapsOpen, Code::RefusedPasses],
        &[],
        "the gateway has to ask okgate about every request: `okctl gateway` writes a configuration that does",
    ),
    (
        &[Code::NoDecision],
        &[],
        "the gateway gets no decision: is okgate running, and is its address right? `trusted_proxies` has to hold the gateway's address, or its questions are not believed",
    ),
    (
        &[Code::NothingPasses],
        &[Nginx, Openresty],
        "okgate's log has in `http.url` what it was asked about: `X-Forwarded-Uri $request_uri` (in the location that asks, `$uri` is that location's own), `X-Forwarded-Host` and `X-Forwarded-Proto` have to be the client's",
    ),
    (
        &[Code::GrantedRefused, Code::NothingPasses],
        &[],
        "okgate's log has in `http.url` what it was asked about: scheme, host and port have to be the client's; if okgate was not asked, the gateway refused by itself, or (502, 504) its upstream is not there. Rules with `remote_ip` count with the address that this machine has",
    ),
    (
        &[Code::StatusSwallowed, Code::RedirectLost, Code::StatusChanged],
        &[Nginx, IngressNginx],
        "`auth_request` understands 2xx, 401 and 403 only: ask at an endpoint with `dialect: nginx` (for ingress-nginx `ingress_nginx`), and redirect with `error_page 401` and `X-Auth-Redirect`",
    ),
    (
        &[Code::StatusSwallowed, Code::RedirectLost, Code::StatusChanged],
        &[Envoy],
        "Envoy takes 5xx for a check that failed: ask at an endpoint with `dialect: envoy_http`, where that is all that 5xx is for",
    ),
    (
        &[Code::StatusSwallowed, Code::RedirectLost, Code::StatusChanged],
        &[],
        "the gateway makes something else of okgate's answer: ask at an endpoint with the dialect for it (`nginx` for auth_request, `envoy_http` for ext_authz), and pass the answer on as it is",
    ),
    (
        &[Code::WrongDialect],
        &[],
        "this gateway shows all of okgate's answer to visitors: it needs an endpoint with `dialect: forwarded`, in which every status is the one that is meant",
    ),
    (
        &[Code::ChallengeLost],
        &[Haproxy, Openresty],
        "the script has to hand `WWW-Authenticate` on: `TO_VISITOR`",
    ),
    (&[Code::ChallengeLost], &[], "the gateway has to hand `WWW-Authenticate` on"),
    (
        &[Code::LocationChanged],
        &[Nginx, Openresty],
        "`X-Forwarded-Host $host:$server_port`, `X-Forwarded-Proto $scheme` and `X-Forwarded-Uri $request_uri` say what the client asked for; `$host` alone loses the port",
    ),
    (&[Code::LocationChanged], &[Traefik], "`preserveLocationHeader: true` at the forwardAuth middleware"),
    (
        &[Code::LocationChanged],
        &[],
        "okgate has to be told scheme, host with port, path and query as the client sent them",
    ),
    (
        &[Code::MethodIgnored],
        &[],
        "okgate decides on another method than the upstream gets: the gateway has to write `X-Forwarded-Method` (Envoy: ask with the client's method)",
    ),
    (
        &[Code::QueryChanged, Code::MethodChanged],
        &[],
        "the gateway writes the request anew before it passes it on: okgate should be asked about what the upstream gets",
    ),
    (
        &[Code::PathEscape],
        &[Nginx, Openresty],
        "okgate has to be told the path as the client sent it: `X-Forwarded-Uri $request_uri`, not `$uri`; and what goes to the upstream must not be decoded: `proxy_pass http://app;` without a path",
    ),
    (
        &[Code::PathEscape],
        &[Envoy],
        "`path_with_escaped_slashes_action: REJECT_REQUEST`, `normalize_path: true` and `merge_slashes: true` at the connection manager, and no rewriting of paths after `ext_authz`",
    ),
    (
        &[Code::PathEscape],
        &[],
        "the gateway sends another path on than the one that okgate decided on, or told okgate another one: rewrite paths before okgate is asked, and not after",
    ),
    (
        &[Code::Spoofable],
        &[Nginx, Openresty],
        "the location that asks needs `proxy_set_header` for X-Forwarded-Method, -Proto, -Host, -Uri and -For: what is not set there is the client's own; `$host`, and not `$http_host`, is the host of the request; and it takes an endpoint whose dialect does not read other gateways' headers",
    ),
    (
        &[Code::Spoofable],
        &[Traefik],
        "`trustForwardHeader: false` at the middleware, and no `forwardedHeaders.insecure` at the entry point",
    ),
    (
        &[Code::Spoofable],
        &[Caddy],
        "`trusted_proxies` of Caddy's servers must not hold clients: from those it names, X-Forwarded-Host and -Proto pass",
    ),
    (
        &[Code::Spoofable],
        &[Envoy],
        "`use_remote_address: true`, unless trusted proxies are before Envoy; and no X-Forwarded-Uri, -Method, -Host in `allowed_headers`, with `dialect: envoy_http`",
    ),
    (
        &[Code::Spoofable],
        &[],
        "the gateway has to replace what clients send under the names that okgate reads; and name the gateway, and nobody else, in `trusted_proxies`",
    ),
    (
        &[Code::IdentitySpoofable],
        &[Nginx],
        "the location that proxies needs `auth_request_set` and `proxy_set_header` for each of them, set to nothing where okgate says nothing: `okctl gateway nginx` writes them",
    ),
    (
        &[Code::IdentitySpoofable],
        &[Traefik],
        "name them in `authResponseHeaders`: Traefik removes the client's own then",
    ),
    (
        &[Code::IdentitySpoofable],
        &[Caddy],
        "name them in `copy_headers`, or remove them with `request_header -NAME` before",
    ),
    (
        &[Code::IdentitySpoofable],
        &[Envoy],
        "ask at an endpoint with `dialect: envoy_http`, or over gRPC: okgate says there what Envoy takes away",
    ),
    (
        &[Code::IdentitySpoofable],
        &[Haproxy, Openresty],
        "the script has to remove each of them, whatever okgate says: `TO_UPSTREAM`",
    ),
    (
        &[Code::IdentitySpoofable],
        &[],
        "the gateway has to remove them from what clients send, whatever okgate says",
    ),
    (&[Code::IdentityAlias], &[Nginx, Openresty], "`underscores_in_headers off`, which is nginx's default"),
    (
        &[Code::IdentityAlias],
        &[Traefik],
        "`aliasHeadersStrategy: delete` at the entry point (Traefik 3.7.12 and later)",
    ),
    (&[Code::IdentityAlias], &[Caddy], "`request_header -*_*` in the site"),
    (
        &[Code::IdentityAlias],
        &[Envoy],
        "`common_http_protocol_options: { headers_with_underscores_action: DROP_HEADER }`",
    ),
    (
        &[Code::IdentityAlias],
        &[Haproxy],
        "`http-request del-header _ -m sub` and `http-request del-header . -m sub` in the frontend",
    ),
    (&[Code::IdentityAlias], &[], "the gateway should drop headers whose names have `_`"),
    (
        &[Code::IdentityMissing],
        &[Nginx],
        "`auth_request_set $v $upstream_http_NAME;` and `proxy_set_header NAME $v;` in the location that proxies",
    ),
    (&[Code::IdentityMissing], &[Traefik], "name it in `authResponseHeaders`"),
    (&[Code::IdentityMissing], &[Caddy], "name it in `copy_headers`"),
    (&[Code::IdentityMissing], &[Envoy], "name it in `authorization_response.allowed_upstream_headers`"),
    (&[Code::IdentityMissing], &[IngressNginx], "name it in `auth-response-headers`"),
    (
        &[Code::IdentityMissing],
        &[],
        "the gateway has to copy it from okgate's answer: `okctl gateway` writes the list",
    ),
    (
        &[Code::IdentityLeaked],
        &[],
        "the gateway should copy okgate's headers to the request, not to the answer",
    ),
    (
        &[Code::LargeHeadersRefused],
        &[Nginx, Openresty, IngressNginx],
        "`large_client_header_buffers`, and `proxy_buffer_size` in the location that asks",
    ),
    (&[Code::LargeHeadersRefused], &[Haproxy], "`tune.bufsize`"),
    (
        &[Code::LargeHeadersRefused],
        &[],
        "the gateway's or okgate's limit (`serve.api.max_header_bytes`) is lower than what cookies and tokens need",
    ),
    (&[Code::OkgateNotReady], &[], "`okctl health ready` says why"),
    (
        &[Code::OtherRules],
        &[],
        "what this run takes for right is not what okgate decides by: reload okgate, or name its configuration with `-c`",
    ),
];

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn there_is_help_for_every_finding_behind_every_gateway() {
        for code in Code::value_variants().iter().copied() {
            for gateway in Gateway::value_variants().iter().copied().map(Some).chain([None]) {
                assert!(!help(code, gateway).is_empty(), "{code:?} {gateway:?}");
            }
        }
    }
}
