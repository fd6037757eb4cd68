//! Verifying: a token in compact form (RFC 7515 section 7.1), taken apart and checked against a key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::JoseError;
use josekit::jwk::Jwk;
use josekit::jws::{self, JwsVerifier};
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::Algorithm;
use super::sign::Signer;

/// Verifies signatures of one algorithm with one key. Made once, when the key is read.
pub struct Verifier {
    algorithm: Algorithm,
    with: With,
}

enum With {
    PublicKey(Box<dyn JwsVerifier>),
    Secret(Signer),
}

impl Verifier {
    pub(super) fn new(algorithm: Algorithm, jwk: &Jwk) -> Result<Self, JoseError> {
        let with: Box<dyn JwsVerifier> = match algorithm {
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                return Ok(Self { algorithm, with: With::Secret(Signer::new(algorithm, jwk)?) });
            }
            Algorithm::Rs256 => Box::new(jws::RS256.verifier_from_jwk(jwk)?),
            Algorithm::Rs384 => Box::new(jws::RS384.verifier_from_jwk(jwk)?),
            Algorithm::Rs512 => Box::new(jws::RS512.verifier_from_jwk(jwk)?),
            Algorithm::Ps256 => Box::new(jws::PS256.verifier_from_jwk(jwk)?),
            Algorithm::Ps384 => Box::new(jws::PS384.verifier_from_jwk(jwk)?),
            Algorithm::Ps512 => Box::new(jws::PS512.verifier_from_jwk(jwk)?),
            Algorithm::Es256 => Box::new(jws::ES256.verifier_from_jwk(jwk)?),
            Algorithm::Es384 => Box::new(jws::ES384.verifier_from_jwk(jwk)?),
            Algorithm::Es512 => Box::new(jws::ES512.verifier_from_jwk(jwk)?),
            Algorithm::EdDsa => Box::new(jws::EdDSA.verifier_from_jwk(jwk)?),
        };
        Ok(Self { algorithm, with: With::PublicKey(with) })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` is one over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.with {
            With::PublicKey(key) => key.verify(message, signature).is_ok(),
            // josekit compares codes byte by byte, which shows in the time it takes.
            With::Secret(secret) => secret
                .sign(message)
                .is_ok_and(|code| code.len() == signature.len() && openssl::memcmp::eq(&code, signature)),
        }
    }
}

/// A longer header, encoded, is refused unread.
const LONGEST_HEADER: usize = 16 << 10;

/// Why a token is refused before its claims are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Not three parts of base64url without padding.
    Encoding,
    /// The header is not a JSON object, names a parameter twice, or is very long.
    Header,
    /// The header has no `alg`.
    NoAlgorithm,
    /// The header has `crit`: nothing critical is understood here (RFC 7515 section 4.1.11).
    Critical,
}

/// A token, taken apart. Nothing in it can be trusted before [`Token::is_signed_by`].
pub struct Token<'t> {
    signed: &'t [u8],
    header: Header,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: Option<Value>,
    kid: Option<Value>,
    crit: Option<Value>,
}

impl<'t> Token<'t> {
    /// Takes a token apart.
    pub fn parse(token: &'t [u8]) -> Result<Self, Malformed> {
        let mut parts = token.split(|byte| *byte == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Malformed::Encoding);
        };
        if header.len() > LONGEST_HEADER {
            return Err(Malformed::Header);
        }
        let decode = |part: &[u8]| URL_SAFE_NO_PAD.decode(part).map_err(|_| Malformed::Encoding);
        let signed = token.get(..header.len() + 1 + payload.len()).unwrap_or_default();
        let header = serde_json::from_slice::<Header>(&decode(header)?).map_err(|_| Malformed::Header)?;
        if header.crit.is_some() {
            return Err(Malformed::Critical);
        }
        if !matches!(header.alg, Some(Value::String(_))) {
            return Err(Malformed::NoAlgorithm);
        }
        Ok(Self { signed, header, payload: decode(payload)?, signature: decode(signature)? })
    }

    /// `alg` as it is written.
    pub fn algorithm(&self) -> &str {
        self.header.alg.as_ref().and_then(Value::as_str).unwrap_or_default()
    }

    /// `kid`, if it is text that is not empty.
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_ref().and_then(Value::as_str).filter(|kid| !kid.is_empty())
    }

    /// Whether there is any `kid`, of whatever type.
    pub fn has_kid(&self) -> bool {
        self.header.kid.is_some()
    }

    /// The decoded payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Whether the token carries a valid signature of this key.
    pub fn is_signed_by(&self, verifier: &Verifier) -> bool {
        self.algorithm() == verifier.algorithm().name() && verifier.verify(self.signed, &self.signature)
    }
}

/// When a JSON Web Token says that it ends (seconds since 1970). Nobody vouches for it, so it only ever
/// shortens how long an answer is remembered.
pub fn stated_expiry(token: &[u8]) -> Option<u64> {
    let mut parts = token.split(|byte| *byte == b'.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let exp = claims.get("exp")?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is too large saturates"
    )]
    exp.as_u64().or_else(|| exp.as_f64().map(|exp| exp as u64))
}
