//! The numbers of a key (RFC 7518 section 6), checked and brought to their canonical length.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::{Algorithm, Curve, Family};
use super::sign::Signer;
use super::verify::Verifier;

/// Why a key of a set is left out. Never shows key material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable(pub String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Unusable {
    pub(super) fn because(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// The numbers of a key.
pub(super) enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8>, private: Option<Box<RsaPrivate>> },
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8>, d: Option<Vec<u8>> },
    Ed25519 { x: Vec<u8>, d: Option<Vec<u8>> },
    Secret { k: Vec<u8> },
}

/// Private numbers of an RSA key (RFC 7518 section 6.3.2).
pub(super) struct RsaPrivate {
    d: Vec<u8>,
    p: Vec<u8>,
    q: Vec<u8>,
    dp: Vec<u8>,
    dq: Vec<u8>,
    qi: Vec<u8>,
}

impl Material {
    pub(super) fn read(kty: &str, jwk: &Map<String, Value>) -> Result<Self, Unusable> {
        match kty {
            "RSA" => {
                let (n, e) = (number(jwk, "n")?, number(jwk, "e")?);
                Ok(Self::Rsa { private: RsaPrivate::read(jwk)?, n, e })
            }
            "EC" => {
                let name = text(jwk, "crv")?.unwrap_or_default();
                let curve = Curve::from_name(name)
                    .ok_or_else(|| Unusable::because(format!("the curve `{name}` is not supported")))?;
                let d = optional(jwk, "d")?.map(|d| padded("d", &d, curve.size())).transpose()?;
                Ok(Self::Ec {
                    x: padded("x", &number(jwk, "x")?, curve.size())?,
                    y: padded("y", &number(jwk, "y")?, curve.size())?,
                    curve,
                    d,
                })
            }
            "OKP" => {
                let name = text(jwk, "crv")?.unwrap_or_default();
                if name != "Ed25519" {
                    return Err(Unusable::because(format!("the curve `{name}` is not supported")));
                }
                let d = if jwk.contains_key("d") { Some(exactly_32(jwk, "d")?) } else { None };
                Ok(Self::Ed25519 { x: exactly_32(jwk, "x")?, d })
            }
            "oct" => {
                let k = decoded(jwk, "k")?.ok_or_else(|| Unusable::because("`k` is missing"))?;
                Ok(Self::Secret { k })
            }
            _ => Err(Unusable::because(format!("the key type `{kty}` is not supported"))),
        }
    }

    /// The algorithms this kind of key can be for.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        match self {
            Self::Rsa { .. } => Algorithm::ALL.into_iter().filter(|a| a.family() == Family::Rsa).collect(),
            Self::Ec { curve, .. } => vec![curve.algorithm()],
            Self::Ed25519 { .. } => vec![Algorithm::EdDsa],
            Self::Secret { k } => Algorithm::ALL
                .into_iter()
                .filter(|a| a.family() == Family::Symmetric && k.len() >= a.least_secret())
                .collect(),
        }
    }

    /// Checks sizes, and that a point is on its curve.
    pub(super) fn check(&self) -> Result<(), Unusable> {
        match self {
            Self::Rsa { n, e, .. } => {
                let bits = bit_length(n);
                if bits < 2048 {
                    // RFC 7518 section 3.3
                    return Err(Unusable::because(format!("{bits} bits are too few for an RSA key")));
                }
                let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
                if bits > 16384 || e.len() > 8 || !odd(n) || !odd(e) || e.as_slice() == [1] {
                    return Err(Unusable::because("`n` or `e` cannot be those of an RSA key"));
                }
                Ok(())
            }
            Self::Secret { k } if k.len() < Algorithm::Hs256.least_secret() => {
                // RFC 7518 section 3.2
                Err(Unusable::because(format!("{} bits are too few for a shared secret", k.len() * 8)))
            }
            Self::Secret { .. } => Ok(()),
            Self::Ec { curve, .. } => self.verifier(curve.algorithm()).map(drop),
            Self::Ed25519 { .. } => self.verifier(Algorithm::EdDsa).map(drop),
        }
    }

    pub(super) fn is_private(&self) -> bool {
        match self {
            Self::Rsa { private, .. } => private.is_some(),
            Self::Ec { d, .. } | Self::Ed25519 { d, .. } => d.is_some(),
            Self::Secret { .. } => true,
        }
    }

    /// The members that are no secret, in the order they are shown.
    pub(super) fn public(&self) -> Option<Vec<(&'static str, &[u8])>> {
        match self {
            Self::Rsa { n, e, .. } => Some(vec![("n", n), ("e", e)]),
            Self::Ec { x, y, .. } => Some(vec![("x", x), ("y", y)]),
            Self::Ed25519 { x, .. } => Some(vec![("x", x)]),
            Self::Secret { .. } => None,
        }
    }

    /// The key for josekit, with only what it needs: it must not see `use`, `alg` and `key_ops`, which
    /// were looked at already.
    fn josekit(&self, private: bool) -> Result<josekit::jwk::Jwk, Unusable> {
        let mut members: Vec<(&str, &[u8])> = self.public().unwrap_or_default();
        let (kty, crv) = match self {
            Self::Rsa { private: numbers, .. } => {
                if let Some(r) = numbers.as_ref().filter(|_| private) {
                    let names = ["d", "p", "q", "dp", "dq", "qi"];
                    members.extend(names.into_iter().zip([&*r.d, &r.p, &r.q, &r.dp, &r.dq, &r.qi]));
                }
                ("RSA", None)
            }
            Self::Ec { curve, d, .. } => {
                members.extend(d.as_ref().filter(|_| private).map(|d| ("d", d.as_slice())));
                ("EC", Some(curve.name()))
            }
            Self::Ed25519 { d, .. } => {
                members.extend(d.as_ref().filter(|_| private).map(|d| ("d", d.as_slice())));
                ("OKP", Some("Ed25519"))
            }
            Self::Secret { k } => {
                members.push(("k", k));
                ("oct", None)
            }
        };
        let mut map = Map::new();
        map.insert("kty".to_owned(), kty.into());
        if let Some(crv) = crv {
            map.insert("crv".to_owned(), crv.into());
        }
        for (name, bytes) in members {
            map.insert(name.to_owned(), URL_SAFE_NO_PAD.encode(bytes).into());
        }
        josekit::jwk::Jwk::from_map(map).map_err(|_| Unusable::because("its numbers are no key"))
    }

    pub(super) fn verifier(&self, algorithm: Algorithm) -> Result<Verifier, Unusable> {
        // What josekit says may show key material, so it is not repeated.
        Verifier::new(algorithm, &self.josekit(false)?)
            .map_err(|_| Unusable::because("its numbers are no key"))
    }

    /// Signs with the private half; `None` when that is broken or belongs to another public half. One
    /// signature is made now to find that out before a request does.
    pub(super) fn signer(&self, algorithm: Algorithm) -> Option<Signer> {
        let signer = Signer::new(algorithm, &self.josekit(true).ok()?).ok()?;
        let verifier = self.verifier(algorithm).ok()?;
        let signature = signer.sign(b"probe").ok()?;
        verifier.verify(b"probe", &signature).then_some(signer)
    }
}

impl RsaPrivate {
    fn read(jwk: &Map<String, Value>) -> Result<Option<Box<Self>>, Unusable> {
        let Some(d) = optional(jwk, "d")? else { return Ok(None) };
        let (p, q) = (number(jwk, "p")?, number(jwk, "q")?);
        let [dp, dq, qi] = match (optional(jwk, "dp")?, optional(jwk, "dq")?, optional(jwk, "qi")?) {
            (Some(dp), Some(dq), Some(qi)) => [dp, dq, qi],
            _ => remainders(&d, &p, &q).map_err(|_| Unusable::because("`p` and `q` are no primes"))?,
        };
        Ok(Some(Box::new(Self { d, p, q, dp, dq, qi })))
    }
}

/// What a private key that only has its primes leaves to be worked out: `dp`, `dq` and `qi`.
fn remainders(d: &[u8], p: &[u8], q: &[u8]) -> Result<[Vec<u8>; 3], openssl::error::ErrorStack> {
    use openssl::bn::{BigNum, BigNumContext};
    let mut context = BigNumContext::new()?;
    let [d, p, q] = [BigNum::from_slice(d)?, BigNum::from_slice(p)?, BigNum::from_slice(q)?];
    let one = BigNum::from_u32(1)?;
    let (mut dp, mut dq, mut qi) = (BigNum::new()?, BigNum::new()?, BigNum::new()?);
    for (result, prime) in [(&mut dp, &p), (&mut dq, &q)] {
        let mut less = BigNum::new()?;
        less.checked_sub(prime, &one)?;
        result.nnmod(&d, &less, &mut context)?;
    }
    qi.mod_inverse(&q, &p, &mut context)?;
    Ok([dp.to_vec(), dq.to_vec(), qi.to_vec()])
}

/// A member that is text, or absent.
pub(super) fn text<'j>(jwk: &'j Map<String, Value>, name: &str) -> Result<Option<&'j str>, Unusable> {
    match jwk.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Unusable::because(format!("`{name}` is not a string"))),
    }
}

/// A member that is base64url. Padding, which RFC 7515 forbids, is put up with.
fn decoded(jwk: &Map<String, Value>, name: &str) -> Result<Option<Vec<u8>>, Unusable> {
    let Some(text) = text(jwk, name)? else { return Ok(None) };
    URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map(Some)
        .map_err(|_| Unusable::because(format!("`{name}` is not base64url")))
}

/// A number without leading zeros, or nothing.
fn optional(jwk: &Map<String, Value>, name: &str) -> Result<Option<Vec<u8>>, Unusable> {
    let Some(mut bytes) = decoded(jwk, name)? else { return Ok(None) };
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    if bytes.is_empty() { Err(Unusable::because(format!("`{name}` is empty"))) } else { Ok(Some(bytes)) }
}

/// A number without leading zeros.
fn number(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Unusable> {
    optional(jwk, name)?.ok_or_else(|| Unusable::because(format!("`{name}` is missing")))
}

fn exactly_32(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Unusable> {
    decoded(jwk, name)?
        .filter(|bytes| bytes.len() == 32)
        .ok_or_else(|| Unusable::because(format!("`{name}` is not 32 bytes long")))
}

/// A number at the fixed length of its curve.
fn padded(name: &str, number: &[u8], size: usize) -> Result<Vec<u8>, Unusable> {
    let zeros = size
        .checked_sub(number.len())
        .ok_or_else(|| Unusable::because(format!("`{name}` is too long for its curve")))?;
    let mut bytes = vec![0; zeros];
    bytes.extend_from_slice(number);
    Ok(bytes)
}

fn bit_length(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}
