//! Listeners: addresses, TLS and timeouts.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};

use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslAcceptorBuilder, SslMethod};
use openssl::x509::X509;

use crate::config::{Listener, Tls};

/// The address to bind. An empty host means all interfaces: both IP versions where the machine has both.
pub fn address(listener: &Listener) -> (String, u16) {
    let host = match listener.host.as_str() {
        "" if TcpListener::bind(("::", 0)).is_ok() => "::",
        "" => "0.0.0.0",
        host => host.trim_matches(['[', ']']),
    };
    (host.to_owned(), listener.port)
}

/// An acceptor for a certificate chain and its key: TLS 1.2 and later, Mozilla's intermediate ciphers.
pub fn acceptor(tls: &Tls) -> Result<SslAcceptorBuilder, openssl::error::ErrorStack> {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    let chain = X509::stack_from_pem(&tls.cert)?;
    let mut certificates = chain.into_iter();
    if let Some(leaf) = certificates.next() {
        acceptor.set_certificate(&leaf)?;
    }
    for certificate in certificates {
        acceptor.add_extra_chain_cert(certificate)?;
    }
    acceptor.set_private_key(PKey::private_key_from_pem(tls.key.expose())?.as_ref())?;
    acceptor.check_private_key()?;
    Ok(acceptor)
}

/// Tells on standard output where a listener accepts connections: with port 0 nobody could know.
pub fn announce(name: &str, scheme: &str, addresses: &[SocketAddr]) {
    let mut out = io::stdout().lock();
    for address in addresses {
        // A closed standard output is no reason to stop serving.
        let _ = writeln!(out, "okgate: serving {name} on {scheme}://{address}");
    }
    let _ = out.flush();
}
