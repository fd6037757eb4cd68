//! One JSON Web Key (RFC 7517), checked, and made ready to verify, to sign and to be shown.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::{Algorithm, Family};
use super::material::{Material, Unusable, text};
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
            private(&material, kid.unwrap_or_default(), &declared)
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

/// What a private key can sign with: only the algorithm it declares.
fn private(material: &Material, kid: &str, declared: &Declared<'_>) -> Private {
    let algorithm = match declared {
        Declared::Known(algorithm) if material.algorithms().contains(algorithm) => *algorithm,
        _ => {
            let alg = declared.name();
            return Private::Unusable(format!("signing key `{kid}` declares unsupported algorithm `{alg}`"));
        }
    };
    match material.signer(algorithm) {
        Some(signer) => Private::Ready(Arc::new(signer), algorithm.family() == Family::Symmetric),
        None => Private::Unusable(format!(
            "the private half of signing key `{kid}` is broken or belongs to another key"
        )),
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
