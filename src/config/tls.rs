//! Certificates and keys, of the listeners and of okgate as a client: read once, and only whole pairs that
//! belong together.

use base64::Engine as _;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::x509::X509;
use serde_json::Value;

use super::layers::Documents;
use super::{ClientTls, Secret, Tls};
use crate::diagnostic::text::{one_line, quote};
use crate::diagnostic::{Finding, Report};
use crate::schema::dotted;

/// The pair of the listener at `pointer`; `None` where none is set. Reports a pair that is incomplete,
/// cannot be read, or does not fit.
pub(super) fn read(documents: &Documents, listener: &str, report: &mut Report) -> Option<Tls> {
    let mut problems = Vec::new();
    let tls = pair(&documents.effective, &format!("{listener}/tls"), &mut problems);
    for finding in problems {
        report.push(&documents.source_of(&finding.pointer), None, finding);
    }
    tls
}

/// What okgate trusts and shows when it calls out. Reports what cannot be read.
pub(super) fn read_client(documents: &Documents, report: &mut Report) -> ClientTls {
    const POINTER: &str = "/http_client/tls";
    let config = &documents.effective;
    let mut problems = Vec::new();
    let files = config.pointer(&format!("{POINTER}/ca_files")).and_then(Value::as_array);
    let mut ca = Vec::new();
    for (index, path) in files.into_iter().flatten().enumerate() {
        let pointer = format!("{POINTER}/ca_files/{index}");
        let Some((pointer, pem)) = from_file((pointer, path.as_str().unwrap_or_default()), &mut problems)
        else {
            continue;
        };
        if X509::stack_from_pem(&pem).is_ok_and(|certificates| !certificates.is_empty()) {
            ca.push(pem);
        } else {
            let message =
                format!("the file of {} holds no certificate in PEM form", quote(&dotted(&pointer)));
            problems.push(Finding::error("tls-unreadable", pointer, message));
        }
    }
    let identity = pair(config, POINTER, &mut problems);
    for finding in problems {
        report.push(&documents.source_of(&finding.pointer), None, finding);
    }
    let system_roots = config.pointer(&format!("{POINTER}/system_roots")).and_then(Value::as_bool);
    ClientTls { ca, system_roots: system_roots.unwrap_or(true), identity }
}

fn pair(config: &Value, pointer: &str, problems: &mut Vec<Finding>) -> Option<Tls> {
    let text = |part: &str| {
        let pointer = format!("{pointer}/{part}");
        let text = config.pointer(&pointer).and_then(Value::as_str).filter(|text| !text.is_empty())?;
        Some((pointer, text))
    };
    let (cert, key) = match (text("cert/base64"), text("key/base64"), text("cert/path"), text("key/path")) {
        (Some(cert), Some(key), ..) => (decoded(cert, problems), decoded(key, problems)),
        (_, _, Some(cert), Some(key)) => (from_file(cert, problems), from_file(key, problems)),
        (None, None, None, None) => return None,
        _ => {
            let message = format!(
                "{} needs a certificate and its key, both as `path` or both as `base64`",
                quote(&dotted(pointer))
            );
            problems.push(Finding::error("tls-incomplete", pointer, message));
            return None;
        }
    };
    let ((cert_pointer, cert), (key_pointer, key)) = (cert?, key?);
    let chain = X509::stack_from_pem(&cert).ok().filter(|chain| !chain.is_empty());
    if chain.is_none() {
        let message = format!("{} holds no certificate in PEM form", quote(&dotted(&cert_pointer)));
        problems.push(Finding::error("tls-unreadable", cert_pointer, message));
    }
    // Without a callback OpenSSL asks the terminal for the password of an encrypted key.
    let private = PKey::private_key_from_pem_callback(&key, |_| Err(ErrorStack::get())).ok();
    if private.is_none() {
        let message =
            format!("{} holds no private key in PEM form without a password", quote(&dotted(&key_pointer)));
        problems.push(Finding::error("tls-unreadable", key_pointer.clone(), message));
    }
    let public = chain?.first()?.public_key().ok()?;
    if !private?.public_eq(&public) {
        let message = format!("{} is not the key of the certificate", quote(&dotted(&key_pointer)));
        problems.push(Finding::error("tls-mismatch", key_pointer, message));
        return None;
    }
    Some(Tls { cert, key: Secret::new(key) })
}

type Part = Option<(String, Vec<u8>)>;

fn decoded((pointer, text): (String, &str), problems: &mut Vec<Finding>) -> Part {
    let Ok(pem) = base64::engine::general_purpose::STANDARD.decode(text.trim()) else {
        let message = format!("{} is not base64", quote(&dotted(&pointer)));
        problems.push(Finding::error("tls-unreadable", pointer, message));
        return None;
    };
    Some((pointer, pem))
}

fn from_file((pointer, path): (String, &str), problems: &mut Vec<Finding>) -> Part {
    match std::fs::read(path) {
        Ok(pem) => Some((pointer, pem)),
        Err(error) => {
            let message =
                format!("the file {} cannot be read: {}", quote(path), one_line(&error.to_string()));
            problems.push(Finding::error("tls-unreadable", pointer, message));
            None
        }
    }
}
