//! TLS of calls out: whom to trust, and which certificate to show.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVersion};
use openssl::x509::X509;

use crate::config::{ClientTls, Tls};

/// TLS for all workers, as a reload may change it.
#[derive(Default)]
pub struct Outbound(ArcSwap<Trust>);

/// Whom to trust at a time. Certificates are parsed and the machine's own read once, when https is first needed.
#[derive(Default)]
pub(super) struct Trust {
    settings: ClientTls,
    connector: OnceLock<Result<SslConnector, String>>,
}

impl Outbound {
    /// TLS with these settings.
    pub fn new(settings: ClientTls) -> Self {
        Self(ArcSwap::from_pointee(Trust { settings, connector: OnceLock::new() }))
    }

    /// Connections that are opened from now on have these settings; the same ones change nothing.
    pub fn set(&self, settings: &ClientTls) {
        if self.0.load().settings != *settings {
            self.0.store(Arc::new(Trust { settings: settings.clone(), connector: OnceLock::new() }));
        }
    }

    /// What is in force.
    pub(super) fn current(&self) -> Arc<Trust> {
        self.0.load_full()
    }
}

impl Trust {
    /// What makes TLS connections; the error says why there is none.
    pub(super) fn connector(&self) -> Result<&SslConnector, &str> {
        let made =
            self.connector.get_or_init(|| connector(&self.settings).map_err(|error| error.to_string()));
        made.as_ref().map_err(String::as_str)
    }
}

fn connector(settings: &ClientTls) -> Result<SslConnector, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_alpn_protos(b"\x08http/1.1")?;
    if settings.system_roots {
        trust_machine(&mut builder)?;
    } else {
        // The builder knows the places that its OpenSSL was built with.
        builder.set_cert_store(openssl::x509::store::X509StoreBuilder::new()?.build());
    }
    for pem in &settings.ca {
        for certificate in X509::stack_from_pem(pem)? {
            builder.cert_store_mut().add_cert(certificate)?;
        }
    }
    if let Some(identity) = &settings.identity {
        show(&mut builder, identity)?;
    }
    Ok(builder.build())
}

/// The OpenSSL that is built in does not know where this machine keeps its certificates.
fn trust_machine(builder: &mut SslConnectorBuilder) -> Result<(), ErrorStack> {
    let found = openssl_probe::probe();
    let readable = |path: &&std::path::PathBuf| path.to_str().is_some_and(|p| !p.contains('\0'));
    if let Some(file) = found.cert_file.as_ref().filter(readable) {
        builder.load_verify_locations(Some(file), None)?;
    } else if let Some(directory) = found.cert_dir.iter().find(readable) {
        builder.load_verify_locations(None, Some(directory))?;
    }
    Ok(())
}

fn show(builder: &mut SslConnectorBuilder, identity: &Tls) -> Result<(), ErrorStack> {
    let mut chain = X509::stack_from_pem(&identity.cert)?.into_iter();
    if let Some(leaf) = chain.next() {
        builder.set_certificate(&leaf)?;
    }
    for issuer in chain {
        builder.add_extra_chain_cert(issuer)?;
    }
    // The configuration was refused if the key needed a password.
    let key = PKey::private_key_from_pem_callback(identity.key.expose(), |_| Err(ErrorStack::get()))?;
    builder.set_private_key(&key)?;
    builder.check_private_key()
}

#[cfg(test)]
mod tests;
