//! `http_client.*`: how okgate itself calls out.

use super::Tls;

/// How okgate itself calls out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpClient {
    /// `http_client.tls`
    pub tls: ClientTls,
}

/// `http_client.tls`: whom okgate trusts over TLS, and how it shows who it is. Everything is already read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// PEM texts of certificate authorities to trust.
    pub ca: Vec<Vec<u8>>,
    /// Whether the machine's own certificate authorities are trusted as well.
    pub system_roots: bool,
    /// Certificate and key that are shown to servers which ask for one.
    pub identity: Option<Tls>,
}

impl Default for ClientTls {
    fn default() -> Self {
        Self { ca: Vec::new(), system_roots: true, identity: None }
    }
}
