//! One JSON Web Key (RFC 7517), checked, and made ready to verify, to sign and to be shown.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::{Algorithm, Curve, Family};
use super::sign::Signer;
use super::verify::Verifier;

/// What a key says it is for (RFC 7517 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// `sig`
    Signature,
    /// Nothing is said.
    Unsaid,
    /// `enc`, or anything else.
    Other,
}

/// A key of a set.
pub struct Key {
    kid: Option<String>,
    usage: Use,
    verifiers: Vec<Verifier>,
    private: Private,
    public: Option<Map<String, Value>>,
}

/// What a key can sign with.
pub(super) enum Private {
    /// It is a public key.
    Absent,
    /// It signs; `true` for a shared secret.
    Ready(Arc<Signer>, bool),
    /// It is a private key that cannot sign, and why.
    Unusable(String),
}

/// Why a key of a set is left out. Never shows key material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable(pub String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Unusable {
    fn because(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("usage", &self.usage).finish_non_exhaustive()
    }
}

impl Key {
    /// Reads one member of `keys`.
    pub(super) fn parse(jwk: &Value) -> Result<Self, Unusable> {
        let jwk = jwk.as_object().ok_or_else(|| Unusable::because("it is not an object"))?;
        let kty = text(jwk, "kty")?.ok_or_else(|| Unusable::because("`kty` is missing"))?;
        let kid = text(jwk, "kid")?.filter(|kid| !kid.is_empty());
        let usage = match text(jwk, "use")? {
            None | Some("") => Use::Unsaid,
            Some("sig") => Use::Signature,
            Some(_) => Use::Other,
        };
        let declared = Declared::read(jwk)?;
        let material = Material::read(kty, jwk)?;

        let natural = material.algorithms();
        let algorithms: Vec<Algorithm> = match &declared {
            Declared::Unsaid => natural,
            Declared::Known(algorithm) => natural.into_iter().filter(|a| a == algorithm).collect(),
            Declared::Unknown(_) => Vec::new(),
        };
        material.check()?;
        let verifiers = if allows(jwk, &["verify", "sign"]) {
            algorithms.iter().map(|a| material.verifier(*a)).collect::<Result<_, _>>()?
        } else {
            Vec::new()
        };
        let private = if material.is_private() && allows(jwk, &["sign"]) && usage != Use::Other {
            material.private(kid, &declared, algorithms.first().copied())
        } else {
            Private::Absent
        };
        let public = material.public().map(|members| {
            let mut all = Map::new();
            for name in ["use", "kty", "kid", "crv", "alg"] {
                let said = jwk.get(name).filter(|v| v.as_str().is_some_and(|s| !s.is_empty()));
                if let Some(value) = said {
                    all.insert(name.to_owned(), value.clone());
                }
            }
            for (name, bytes) in members {
                all.insert(name.to_owned(), Value::String(URL_SAFE_NO_PAD.encode(bytes)));
            }
            for name in ["x5c", "x5u", "x5t", "x5t#S256"] {
                if let Some(value) = jwk.get(name).filter(|v| is_certificate_member(v)) {
                    all.insert(name.to_owned(), value.clone());
                }
            }
            all
        });
        Ok(Self { kid: kid.map(str::to_owned), usage, verifiers, private, public })
    }

    /// The name of the key, where it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What it is for.
    pub fn usage(&self) -> Use {
        self.usage
    }

    /// Verifies with `algorithm`; `None` when the key is not for that algorithm. A key that declares an
    /// `alg` is for that one alone (RFC 8725 section 3.1).
    pub fn verifier(&self, algorithm: Algorithm) -> Option<&Verifier> {
        self.verifiers.iter().find(|v| v.algorithm() == algorithm)
    }

    /// The public half as `/.well-known/jwks.json` shows it; `None` for a shared secret.
    pub fn public(&self) -> Option<&Map<String, Value>> {
        self.public.as_ref()
    }

    pub(super) fn private(&self) -> &Private {
        &self.private
    }

    /// Whether both are halves of one key.
    pub(super) fn is_half_of(&self, other: &Self) -> bool {
        let (Some(one), Some(two)) = (&self.public, &other.public) else { return false };
        ["kty", "crv", "n", "e", "x", "y"].iter().all(|name| one.get(*name) == two.get(*name))
    }
}

/// What `alg` says.
enum Declared<'j> {
    Unsaid,
    Known(Algorithm),
    Unknown(&'j str),
}

impl<'j> Declared<'j> {
    fn read(jwk: &'j Map<String, Value>) -> Result<Self, Unusable> {
        Ok(match text(jwk, "alg")? {
            None | Some("") => Self::Unsaid,
            Some(name) => Algorithm::from_name(name).map_or(Self::Unknown(name), Self::Known),
        })
    }

    fn name(&self) -> &str {
        match self {
            Self::Unsaid => "",
            Self::Known(algorithm) => algorithm.name(),
            Self::Unknown(name) => name,
        }
    }
}

/// The numbers of a key, brought to their canonical length.
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8>, private: Option<Box<RsaPrivate>> },
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8>, d: Option<Vec<u8>> },
    Ed25519 { x: Vec<u8>, d: Option<Vec<u8>> },
    Secret { k: Vec<u8> },
}

/// Private numbers of an RSA key (RFC 7518 section 6.3.2).
struct RsaPrivate {
    d: Vec<u8>,
    p: Vec<u8>,
    q: Vec<u8>,
    dp: Vec<u8>,
    dq: Vec<u8>,
    qi: Vec<u8>,
}

impl Material {
    fn read(kty: &str, jwk: &Map<String, Value>) -> Result<Self, Unusable> {
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
    fn algorithms(&self) -> Vec<Algorithm> {
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
    fn check(&self) -> Result<(), Unusable> {
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

    fn is_private(&self) -> bool {
        match self {
            Self::Rsa { private, .. } => private.is_some(),
            Self::Ec { d, .. } | Self::Ed25519 { d, .. } => d.is_some(),
            Self::Secret { .. } => true,
        }
    }

    /// The members that are no secret, in the order they are shown.
    fn public(&self) -> Option<Vec<(&'static str, &[u8])>> {
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

    fn verifier(&self, algorithm: Algorithm) -> Result<Verifier, Unusable> {
        // What josekit says may show key material, so it is not repeated.
        Verifier::new(algorithm, &self.josekit(false)?)
            .map_err(|_| Unusable::because("its numbers are no key"))
    }

    fn private(&self, kid: Option<&str>, declared: &Declared<'_>, algorithm: Option<Algorithm>) -> Private {
        let name = kid.unwrap_or_default();
        let known = matches!(declared, Declared::Known(_));
        let Some(algorithm) = algorithm.filter(|_| known) else {
            return Private::Unusable(format!(
                "signing key `{name}` declares unsupported algorithm `{}`",
                declared.name()
            ));
        };
        let signer = self.josekit(true).ok().and_then(|jwk| Signer::new(algorithm, &jwk).ok());
        let verifier = self.verifier(algorithm).ok();
        // One signature now, so that halves that do not belong together are found before a request is.
        match (signer, verifier) {
            (Some(signer), Some(verifier))
                if signer.sign(b"probe").is_ok_and(|signature| verifier.verify(b"probe", &signature)) =>
            {
                Private::Ready(Arc::new(signer), matches!(self, Self::Secret { .. }))
            }
            _ => Private::Unusable(format!(
                "the private half of signing key `{name}` is broken or belongs to another key"
            )),
        }
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
fn text<'j>(jwk: &'j Map<String, Value>, name: &str) -> Result<Option<&'j str>, Unusable> {
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
pub(super) fn padded(name: &str, number: &[u8], size: usize) -> Result<Vec<u8>, Unusable> {
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

/// Whether `key_ops` (RFC 7517 section 4.3) is absent or holds one of `operations`.
fn allows(jwk: &Map<String, Value>, operations: &[&str]) -> bool {
    match jwk.get("key_ops") {
        None => true,
        Some(Value::Array(list)) => list.iter().any(|o| o.as_str().is_some_and(|o| operations.contains(&o))),
        Some(_) => false,
    }
}

/// Certificates are shown as they are, as long as they are text.
fn is_certificate_member(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty() && list.iter().all(Value::is_string),
        _ => false,
    }
}
