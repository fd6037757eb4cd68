//! New keys, as `okctl credentials generate` prints them and Oathkeeper reads them.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jwk::{Jwk, KeyPair as _};
use serde_json::{Map, Value};

use super::algorithm::{Algorithm, Family};

/// Members of a key in the order they are written; those that a key lacks are left out.
const MEMBERS: [&str; 16] =
    ["use", "kty", "kid", "crv", "alg", "k", "x", "y", "n", "e", "d", "p", "q", "dp", "dq", "qi"];
const SECRET_MEMBERS: [&str; 7] = ["k", "d", "p", "q", "dp", "dq", "qi"];

const MOST_RSA_BITS: u32 = 16384;
const MOST_SECRET_BITS: u32 = 65536;

/// Why there is no new key, in Oathkeeper's words where it has some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum GenerateError {
    #[error(r#"jwksx: available algorithms are "[{known}]" but unknown algorithm was requested: "{asked}""#, known = available())]
    UnknownAlgorithm { asked: String },
    #[error(r#"jwksx: "{0}" does not support arbitrary key length"#)]
    FixedLength(Algorithm),
    #[error(r#"jwksx: key size must be at least {least} bit for algorithm "{algorithm}""#)]
    TooShort { algorithm: Algorithm, least: u32 },
    #[error(r#"jwksx: key size must be at most {most} bit for algorithm "{algorithm}""#)]
    TooLong { algorithm: Algorithm, most: u32 },
    #[error(r#"jwksx: key size must be a multiple of 8 for algorithm "{algorithm}" but got: {bits}"#)]
    NotBytes { algorithm: Algorithm, bits: u32 },
    #[error("OpenSSL made no key: {0}")]
    Failed(String),
}

fn available() -> String {
    Algorithm::ALL.map(Algorithm::name).join(" ")
}

/// A new private key, or a shared secret. Does not print itself.
pub struct NewKey {
    members: Map<String, Value>,
}

impl NewKey {
    /// Makes a key. `bits` of 0 means the default of the algorithm; without a `kid` it gets a random one.
    /// While a slow key is being made, `progress` hears about ten times a second how long it has taken.
    pub fn generate(
        algorithm: &str,
        kid: Option<&str>,
        bits: u32,
        progress: &mut dyn FnMut(Duration),
    ) -> Result<Self, GenerateError> {
        let algorithm = Algorithm::from_name(algorithm)
            .ok_or_else(|| GenerateError::UnknownAlgorithm { asked: algorithm.to_owned() })?;
        let bits = length(algorithm, bits)?;
        let jwk = match algorithm.family() {
            Family::Symmetric => secret(bits)?,
            Family::Rsa => in_background(move || rsa(bits), progress)?,
            Family::Ec => ec(algorithm)?,
            Family::Ed25519 => EdKeyPair::generate(EdCurve::Ed25519).map_err(failed)?.to_jwk_key_pair(),
        };
        let kid = match kid.filter(|kid| !kid.is_empty()) {
            Some(kid) => kid.to_owned(),
            None => uuid::Uuid::new_v4().to_string(),
        };
        let mut members = Map::new();
        for name in MEMBERS {
            let value = match name {
                "use" => Some(Value::from("sig")),
                "kid" => Some(Value::from(kid.as_str())),
                "alg" => Some(Value::from(algorithm.name())),
                other => jwk.as_ref().get(other).cloned(),
            };
            members.extend(value.map(|value| (name.to_owned(), value)));
        }
        Ok(Self { members })
    }

    /// The key set with the private key, or the shared secret.
    pub fn private_set(&self) -> Value {
        set(self.members.clone())
    }

    /// The key set with the public half; `None` for a shared secret, which has none.
    pub fn public_set(&self) -> Option<Value> {
        if self.members.contains_key("k") {
            return None;
        }
        let public = self.members.iter().filter(|(name, _)| !SECRET_MEMBERS.contains(&name.as_str()));
        Some(set(public.map(|(name, value)| (name.clone(), value.clone())).collect()))
    }

    /// The key's name.
    pub fn kid(&self) -> &str {
        self.members.get("kid").and_then(Value::as_str).unwrap_or_default()
    }
}

fn set(key: Map<String, Value>) -> Value {
    Value::Object(Map::from_iter([("keys".to_owned(), Value::Array(vec![Value::Object(key)]))]))
}

/// The length of the key, checked.
fn length(algorithm: Algorithm, bits: u32) -> Result<u32, GenerateError> {
    use Algorithm as A;
    let (default, least, most) = match algorithm {
        A::Es256 | A::EdDsa => (256, 256, 256),
        A::Es384 => (384, 384, 384),
        A::Es512 => (521, 521, 521),
        A::Hs256 => (256, 256, MOST_SECRET_BITS),
        A::Hs384 => (384, 384, MOST_SECRET_BITS),
        A::Hs512 => (1024, 512, MOST_SECRET_BITS),
        A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512 => (2048, 2048, MOST_RSA_BITS),
    };
    match bits {
        0 => Ok(default),
        _ if least == most && bits != least => Err(GenerateError::FixedLength(algorithm)),
        _ if bits < least => Err(GenerateError::TooShort { algorithm, least }),
        _ if bits > most => Err(GenerateError::TooLong { algorithm, most }),
        _ if algorithm.family() == Family::Symmetric && !bits.is_multiple_of(8) => {
            Err(GenerateError::NotBytes { algorithm, bits })
        }
        _ => Ok(bits),
    }
}

fn secret(bits: u32) -> Result<Jwk, GenerateError> {
    let mut bytes = vec![0; bits as usize / 8];
    openssl::rand::rand_bytes(&mut bytes).map_err(failed)?;
    let mut jwk = Jwk::new("oct");
    jwk.set_parameter("k", Some(URL_SAFE_NO_PAD.encode(bytes).into())).map_err(failed)?;
    Ok(jwk)
}

fn ec(algorithm: Algorithm) -> Result<Jwk, GenerateError> {
    let curve = match algorithm {
        Algorithm::Es256 => EcCurve::P256,
        Algorithm::Es384 => EcCurve::P384,
        _ => EcCurve::P521,
    };
    Ok(EcKeyPair::generate(curve).map_err(failed)?.to_jwk_key_pair())
}

fn rsa(bits: u32) -> Result<Jwk, GenerateError> {
    Ok(RsaKeyPair::generate(bits).map_err(failed)?.to_jwk_key_pair())
}

fn failed(error: impl std::fmt::Display) -> GenerateError {
    GenerateError::Failed(error.to_string())
}

/// Runs slow work beside this thread, which tells how long it takes.
fn in_background(
    work: impl FnOnce() -> Result<Jwk, GenerateError> + Send + 'static,
    progress: &mut dyn FnMut(Duration),
) -> Result<Jwk, GenerateError> {
    let start = Instant::now();
    let (done, result) = sync_channel(1);
    std::thread::spawn(move || {
        // Nobody listens any more when the program has given up.
        let _ = done.send(work());
    });
    loop {
        match result.recv_timeout(Duration::from_millis(100)) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) => progress(start.elapsed()),
            Err(RecvTimeoutError::Disconnected) => return Err(failed("the thread that made it ended")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Algorithm, KeySet};

    fn generate(algorithm: &str, bits: u32) -> Result<NewKey, GenerateError> {
        NewKey::generate(algorithm, Some("k1"), bits, &mut |_| ())
    }

    #[test]
    fn every_algorithm_makes_a_key_that_signs_and_verifies() {
        for (algorithm, members) in [
            ("HS256", "use kty kid alg k"),
            ("HS384", "use kty kid alg k"),
            ("HS512", "use kty kid alg k"),
            ("ES256", "use kty kid crv alg x y d"),
            ("ES384", "use kty kid crv alg x y d"),
            ("ES512", "use kty kid crv alg x y d"),
            ("EdDSA", "use kty kid crv alg x d"),
            ("RS256", "use kty kid alg n e d p q dp dq qi"),
            ("PS512", "use kty kid alg n e d p q dp dq qi"),
        ] {
            let new = generate(algorithm, 0).unwrap();
            assert_eq!(new.members.keys().cloned().collect::<Vec<_>>().join(" "), members, "{algorithm}");
            let set = KeySet::parse(new.private_set().to_string().as_bytes()).unwrap();
            let token = set.signing_key(None).unwrap().token(b"{}").unwrap();
            let token = crate::keys::verify::Token::parse(token.as_bytes()).unwrap();
            let shown = new.public_set();
            assert_eq!(shown.is_none(), algorithm.starts_with("HS"), "{algorithm}");
            let public = shown.unwrap_or_else(|| new.private_set());
            let public = KeySet::parse(public.to_string().as_bytes()).unwrap();
            let key = public.find("k1", false).unwrap();
            let algorithm = Algorithm::from_name(algorithm).unwrap();
            assert!(token.is_signed_by(key.verifier(algorithm).unwrap()), "{algorithm}");
        }
    }

    #[test]
    fn lengths_are_those_of_oathkeeper() {
        let bytes = |algorithm, bits| {
            let new = generate(algorithm, bits).unwrap();
            let k = new.members.get("k").unwrap().as_str().unwrap();
            URL_SAFE_NO_PAD.decode(k).unwrap().len()
        };
        assert_eq!([bytes("HS256", 0), bytes("HS384", 0), bytes("HS512", 0)], [32, 48, 128]);
        assert_eq!([bytes("HS256", 264), bytes("HS512", 512)], [33, 64]);

        for (algorithm, bits, message) in [
            (
                "foo",
                0,
                r#"jwksx: available algorithms are "[HS256 HS384 HS512 ES256 ES384 ES512 EdDSA RS256 RS384 RS512 PS256 PS384 PS512]" but unknown algorithm was requested: "foo""#,
            ),
            ("none", 0, ""),
            ("es256", 0, ""),
            ("ES256", 384, r#"jwksx: "ES256" does not support arbitrary key length"#),
            ("EdDSA", 255, r#"jwksx: "EdDSA" does not support arbitrary key length"#),
            ("RS256", 1024, r#"jwksx: key size must be at least 2048 bit for algorithm "RS256""#),
            ("PS256", 99999, r#"jwksx: key size must be at most 16384 bit for algorithm "PS256""#),
            ("HS384", 256, r#"jwksx: key size must be at least 384 bit for algorithm "HS384""#),
            ("HS256", 257, r#"jwksx: key size must be a multiple of 8 for algorithm "HS256" but got: 257"#),
        ] {
            let error = generate(algorithm, bits).map(|_| ()).unwrap_err().to_string();
            assert!(error == message || message.is_empty(), "{algorithm} {bits}: {error}");
        }
        assert!(generate("ES512", 521).is_ok());
    }

    #[test]
    fn a_key_without_a_name_gets_a_random_one() {
        let names: Vec<String> = [None, Some("")]
            .map(|kid| NewKey::generate("ES256", kid, 0, &mut |_| ()).unwrap().kid().to_owned())
            .into();
        assert!(names.iter().all(|name| uuid::Uuid::parse_str(name).is_ok()));
        assert_ne!(names.first(), names.get(1));
    }
}
