//! Configurations of gateways.

use super::{okctl, text};

/// Gateway, where it asks, and a header as it writes it.
const GATEWAYS: [(&str, &str, &str); 7] = [
    ("nginx", "http://okgate/nginx;", "proxy_set_header X-{} "),
    ("openresty", "http://okgate/forwarded;", "\"x-{}\""),
    ("traefik", "http://10.0.0.7:4456/forwarded\"", "\"X-{}\""),
    ("caddy", "uri /forwarded", " X-{}"),
    ("envoy", "path_prefix: /envoy", "{ exact: \"x-{}\" }"),
    ("haproxy", "http://10.0.0.7:4456/forwarded\"", "\"x-{}\""),
    ("ingress-nginx", "http://10.0.0.7:4456/ingress-nginx\"", "X-{}"),
];

#[test]
fn every_gateway_names_the_headers_of_the_rules_and_those_to_strip() {
    for (name, endpoint, header) in GATEWAYS {
        let upstream = "http://app:3000";
        let arguments =
            ["gateway", name, "-c", "config.yaml,gateways.yaml", "--okgate", "http://10.0.0.7:4456"];
        let out = okctl(&[&arguments[..], &["--upstream", upstream]].concat());
        let (written, said) = (text(&out.stdout), text(&out.stderr));
        assert_eq!((out.status.code(), said.as_str()), (Some(0), ""), "{name}");
        assert!(written.contains(endpoint), "{name}: {written}");
        for word in ["User", "Team"] {
            let word = if header.contains('X') { word.to_owned() } else { word.to_lowercase() };
            assert!(written.contains(&header.replace("{}", &word)), "{name} {word}: {written}");
        }
        assert!(written.contains("app") && written.contains("3000"), "{name}: {written}");
        assert!(!written.contains("{{") && !written.contains("{%"), "{name}: {written}");
    }
}

#[test]
fn without_an_endpoint_only_gateways_that_take_every_answer_ask_at_decisions() {
    for (name, ..) in GATEWAYS {
        let out = okctl(&["gateway", name, "-c", "config.yaml"]);
        let (written, said) = (text(&out.stdout), text(&out.stderr));
        assert!(said.contains("        dialect: "), "{name}: {said}");
        if ["nginx", "envoy", "ingress-nginx"].contains(&name) {
            assert_eq!((out.status.code(), written.as_str()), (Some(2), ""), "{name}");
        } else {
            assert_eq!(out.status.code(), Some(0), "{name}");
            assert!(written.contains("/decisions"), "{name}: {written}");
        }
    }
}

#[test]
fn an_unknown_gateway_is_answered_with_those_that_are_known() {
    let out = okctl(&["gateway", "apache", "-c", "config.yaml"]);
    assert_eq!(out.status.code(), Some(2));
    for (name, ..) in GATEWAYS {
        assert!(text(&out.stderr).contains(name), "{name}");
    }
}
