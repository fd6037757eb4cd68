//! Whom to believe: which peers are gateways, and what address the client has.

use std::net::IpAddr;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::Asked;
use crate::request::{Client, Headers};

/// What stands for a unix socket among networks.
const SOCKET: &str = "unix";

/// The peers whose word about other people's requests counts (`trusted_proxies`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Every peer, as Oathkeeper does it. Then the client's address is the peer's.
    Everybody,
    /// These, and nobody else.
    Peers {
        /// Their networks.
        networks: Vec<IpNet>,
        /// Whether those count who come through a unix socket.
        socket: bool,
    },
}

impl Trust {
    /// Reads a list of networks, addresses and the word `unix`; without a list everybody is believed. What
    /// is none of these (the schema lets nothing else through) is believed by nobody.
    pub fn new(written: Option<&[String]>) -> Self {
        let Some(written) = written else { return Self::Everybody };
        Self::Peers {
            networks: written.iter().filter_map(|text| network(text)).collect(),
            socket: written.iter().any(|text| text == SOCKET),
        }
    }

    /// Whether a text may stand in a list.
    pub fn is_entry(text: &str) -> bool {
        text == SOCKET || network(text).is_some()
    }

    /// Whether what a peer says about a request is believed; none is one behind a unix socket.
    pub fn believes(&self, peer: Option<IpAddr>) -> bool {
        match (self, peer) {
            (Self::Everybody, _) => true,
            (Self::Peers { socket, .. }, None) => *socket,
            (Self::Peers { networks, .. }, Some(peer)) => {
                let peer = peer.to_canonical();
                networks.iter().any(|network| network.contains(&peer))
            }
        }
    }

    /// Who the client is: the last address on the way here that is none of the trusted ones. Of
    /// `X-Forwarded-For` and `Forwarded` (RFC 7239) the first that is there counts.
    pub fn client(&self, asked: &Asked<'_>) -> Client {
        if *self == Self::Everybody {
            return match asked.source {
                Source::Unsaid => Client::Peer,
                Source::Address(source) => Client::Found(Some(source)),
                Source::Nameless => Client::Found(None),
            };
        }
        if !self.believes(asked.peer) {
            return Client::Found(asked.peer);
        }
        let first = first_hop(asked);
        if !self.believes(first) {
            return Client::Found(first);
        }
        let hops = Hops::x_forwarded_for(asked.headers);
        let hops = if hops.is_empty() { Hops::forwarded(asked.headers) } else { hops };
        Client::Found(self.walk(first, &hops))
    }

    /// From the trusted peer towards the client. A hop that gives no address ends it without one: that of
    /// the gateway before it may be one that rules think well of.
    pub(super) fn walk(&self, peer: Option<IpAddr>, hops: &Hops) -> Option<IpAddr> {
        let mut client = peer;
        for hop in hops.0.iter().rev() {
            let address = (*hop)?;
            client = Some(address);
            if !self.believes(client) {
                break;
            }
        }
        client
    }
}

/// Where the way towards the client begins: behind the gateway, where it says who is there.
pub(super) fn first_hop(asked: &Asked<'_>) -> Option<IpAddr> {
    match asked.source {
        Source::Unsaid => asked.peer,
        Source::Address(source) => Some(source),
        Source::Nameless => None,
    }
}

/// Who is at the other end of the gateway's own connection, where the gateway says so apart from header fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// It does not.
    #[default]
    Unsaid,
    /// Somebody with this address.
    Address(IpAddr),
    /// Somebody behind a unix socket, or in the gateway itself.
    Nameless,
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: IpAddr| IpNet::from(address)))
}

/// The addresses that a request went through, the client's first; none where a hop names no address.
pub(super) struct Hops(SmallVec<[Option<IpAddr>; 4]>);

impl Hops {
    /// Those of `X-Forwarded-For`.
    pub(super) fn x_forwarded_for(headers: &dyn Headers) -> Self {
        Self::read(headers, "x-forwarded-for", address)
    }

    /// Those of `Forwarded`. Elements are split at every comma: a quotation mark that a client left open
    /// must not swallow what a gateway wrote after it.
    pub(super) fn forwarded(headers: &dyn Headers) -> Self {
        Self::read(headers, "forwarded", |element| {
            let mut pairs = element.split(|b| *b == b';').map(<[u8]>::trim_ascii);
            let node = pairs.find_map(|pair| {
                let (name, value) = pair.split_at_checked(4)?;
                name.eq_ignore_ascii_case(b"for=").then_some(value)
            })?;
            let quoted = node.strip_prefix(b"\"").and_then(|node| node.strip_suffix(b"\""));
            address(quoted.unwrap_or(node))
        })
    }

    fn read(headers: &dyn Headers, name: &str, hop: impl Fn(&[u8]) -> Option<IpAddr>) -> Self {
        let mut hops = SmallVec::new();
        headers.each(name, &mut |line| {
            if !line.trim_ascii().is_empty() {
                hops.extend(line.split(|b| *b == b',').map(&hop));
            }
        });
        Self(hops)
    }

    /// Whether there were none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An address, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let bare = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, port) = rest.split_once(']')?;
            (port.is_empty() || is_port(port.strip_prefix(':')?)).then_some(inside)?
        }
        None => match text.split_once(':') {
            // One colon is a port's, several are IPv6's.
            Some((host, port)) if !port.contains(':') => is_port(port).then_some(host)?,
            _ => text,
        },
    };
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::headers::HeaderFields;

    fn client(trusted: &[&str], peer: Option<&str>, fields: &[(&str, &str)]) -> Client {
        let trusted: Vec<String> = trusted.iter().map(|t| (*t).to_owned()).collect();
        let headers: HeaderFields = fields.iter().copied().collect();
        let peer = peer.map(|p| p.parse().unwrap());
        Trust::new(Some(&trusted)).client(&Asked { peer, ..Asked::of(&headers) })
    }

    #[test]
    fn the_client_is_the_last_hop_that_is_not_trusted() {
        // peer, then header fields, then the client
        type Row<'t> = (&'t str, &'t [(&'t str, &'t str)], Option<&'t str>);
        let lan: &[&str] = &["10.0.0.0/8", "2001:db8::/32"];
        let xff = "x-forwarded-for";
        let rows: &[Row<'_>] = &[
            ("10.0.0.1", &[], Some("10.0.0.1")),
            ("192.0.2.9", &[(xff, "198.51.100.1")], Some("192.0.2.9")),
            ("::ffff:10.0.0.1", &[(xff, "198.51.100.1")], Some("198.51.100.1")),
            ("10.0.0.1", &[(xff, "203.0.113.7, 198.51.100.1")], Some("198.51.100.1")),
            ("10.0.0.1", &[(xff, "203.0.113.7, 198.51.100.1, 10.2.2.2")], Some("198.51.100.1")),
            (
                "10.0.0.1",
                &[(xff, "203.0.113.7"), (xff, "198.51.100.1"), (xff, "10.2.2.2")],
                Some("198.51.100.1"),
            ),
            ("10.0.0.1", &[(xff, "10.3.3.3,10.2.2.2")], Some("10.3.3.3")),
            ("10.0.0.1", &[(xff, "198.51.100.1:4711")], Some("198.51.100.1")),
            ("10.0.0.1", &[(xff, "[2001:db9::1]:80, [2001:db8::1]")], Some("2001:db9::1")),
            ("10.0.0.1", &[(xff, "2001:db9::1")], Some("2001:db9::1")),
            ("10.0.0.1", &[(xff, "::ffff:198.51.100.1")], Some("198.51.100.1")),
            ("10.0.0.1", &[(xff, "198.51.100.1, unknown")], None),
            ("10.0.0.1", &[(xff, "unknown, 198.51.100.1")], Some("198.51.100.1")),
            ("10.0.0.1", &[(xff, "198.51.100.1,")], None),
            ("10.0.0.1", &[(xff, "\u{0663}.1.1.1")], None),
            ("10.0.0.1", &[(xff, " ")], Some("10.0.0.1")),
            (
                "10.0.0.1",
                &[("forwarded", "for=203.0.113.7, For=198.51.100.1;proto=https")],
                Some("198.51.100.1"),
            ),
            ("10.0.0.1", &[("forwarded", r#"proto=http;for="[2001:db9::1]:80""#)], Some("2001:db9::1")),
            ("10.0.0.1", &[("forwarded", r#"for="open, for=198.51.100.1"#)], Some("198.51.100.1")),
            ("10.0.0.1", &[("forwarded", "for=_hidden")], None),
            ("10.0.0.1", &[("forwarded", "proto=https")], None),
            ("10.0.0.1", &[("forwarded", "for=203.0.113.7"), (xff, "198.51.100.1")], Some("198.51.100.1")),
        ];
        for (peer, fields, want) in rows {
            let want = Client::Found(want.map(|w| w.parse().unwrap()));
            assert_eq!(client(lan, Some(peer), fields), want, "{peer} {fields:?}");
        }
    }

    #[test]
    fn who_comes_through_a_socket_is_trusted_by_name_only() {
        let from = &[("x-forwarded-for", "198.51.100.1")];
        let found = Client::Found(Some([198, 51, 100, 1].into()));
        assert_eq!(client(&["unix"], None, from), found);
        assert_eq!(client(&["0.0.0.0/0", "::/0"], None, from), Client::Found(None));
        assert_eq!(client(&["10.0.0.1"], Some("10.0.0.1"), from), found, "an address is a network of one");
        assert_eq!(client(&[], Some("127.0.0.1"), from), Client::Found(Some([127, 0, 0, 1].into())));
    }

    #[test]
    fn without_a_list_the_client_is_the_other_end() {
        let headers: HeaderFields = [("x-forwarded-for", "198.51.100.1")].into_iter().collect();
        assert_eq!(Trust::new(None).client(&Asked::of(&headers)), Client::Peer);
        assert!(Trust::new(None).believes(None));
    }
}
