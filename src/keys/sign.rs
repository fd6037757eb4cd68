//! Signing: a key that is ready to sign.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::JoseError;
use josekit::jwk::Jwk;
use josekit::jws::{self, JwsSigner};
use serde_json::Value;

use super::algorithm::Algorithm;
use crate::json::go_json;

/// Signs with one algorithm and one key. Made once, when the key is read.
pub struct Signer {
    algorithm: Algorithm,
    with: Box<dyn JwsSigner>,
}

/// The key did not sign. OpenSSL's own words are in the log of whoever asks for them.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the signing key failed: {0}")]
pub struct SignError(String);

impl Signer {
    pub(super) fn new(algorithm: Algorithm, jwk: &Jwk) -> Result<Self, JoseError> {
        let with: Box<dyn JwsSigner> = match algorithm {
            Algorithm::Hs256 => Box::new(jws::HS256.signer_from_jwk(jwk)?),
            Algorithm::Hs384 => Box::new(jws::HS384.signer_from_jwk(jwk)?),
            Algorithm::Hs512 => Box::new(jws::HS512.signer_from_jwk(jwk)?),
            Algorithm::Rs256 => Box::new(jws::RS256.signer_from_jwk(jwk)?),
            Algorithm::Rs384 => Box::new(jws::RS384.signer_from_jwk(jwk)?),
            Algorithm::Rs512 => Box::new(jws::RS512.signer_from_jwk(jwk)?),
            Algorithm::Ps256 => Box::new(jws::PS256.signer_from_jwk(jwk)?),
            Algorithm::Ps384 => Box::new(jws::PS384.signer_from_jwk(jwk)?),
            Algorithm::Ps512 => Box::new(jws::PS512.signer_from_jwk(jwk)?),
            Algorithm::Es256 => Box::new(jws::ES256.signer_from_jwk(jwk)?),
            Algorithm::Es384 => Box::new(jws::ES384.signer_from_jwk(jwk)?),
            Algorithm::Es512 => Box::new(jws::ES512.signer_from_jwk(jwk)?),
            Algorithm::EdDsa => Box::new(jws::EdDSA.signer_from_jwk(jwk)?),
        };
        Ok(Self { algorithm, with })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.with.sign(message).map_err(|error| SignError(error.to_string()))
    }

    /// A token in compact form (RFC 7515 section 7.1), from a header that is encoded already.
    pub fn token(&self, header: &str, payload: &[u8]) -> Result<String, SignError> {
        let mut token = String::with_capacity(header.len() + payload.len() * 4 / 3 + 700);
        token.push_str(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

/// The encoded header of a token: `alg`, `kid`, `typ`, in this order.
pub fn header(algorithm: Algorithm, kid: &str) -> String {
    let kid = go_json(&Value::String(kid.to_owned()));
    URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{algorithm}","kid":{},"typ":"JWT"}}"#, Text(&kid)))
}

struct Text<'t>(&'t [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(self.0).unwrap_or_default())
    }
}
