//! Signed tokens in answers: which key of the fixtures signed them.

use crate::placeholder::FIXTURES;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer, Verifier};
use regex::{Captures, Regex};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::LazyLock;

static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\beyJ[\w-]+\.[\w-]*\.[\w-]*").expect("a regular expression"));

/// Tokens the suites send themselves: they are compared as they are.
static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    FIXTURES["tokens"].as_object().into_iter().flatten().filter_map(|(_, v)| v.as_str()).collect()
});

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A token taken apart.
pub struct Token {
    pub header: Value,
    pub claims: Value,
    signature: Vec<u8>,
    signed: String,
}

impl Token {
    /// Takes a token apart, `None` when it is none.
    pub fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, signature] = parts[..] else { return None };
        let json = |part| serde_json::from_slice(&BASE64.decode(part).ok()?).ok();
        Some(Self {
            header: json(header)?,
            claims: json(claims)?,
            signature: BASE64.decode(signature).ok()?,
            signed: format!("{header}.{claims}"),
        })
    }

    /// `SET#KID` of the key of the fixtures that signed it.
    pub fn signed_by(&self) -> Option<String> {
        let alg = self.header.get("alg")?.as_str()?;
        let mut sets: Vec<(&String, &Value)> = FIXTURES["jwks"].as_object()?.iter().collect();
        sets.sort_by_key(|(name, _)| *name);
        for (name, set) in sets {
            for key in set.get("keys").and_then(Value::as_array).into_iter().flatten() {
                if self.is_signed_with(key, alg).unwrap_or(false) {
                    return Some(format!(
                        "{name}#{}",
                        key.get("kid").and_then(Value::as_str).unwrap_or("None")
                    ));
                }
            }
        }
        None
    }

    fn is_signed_with(&self, key: &Value, alg: &str) -> Result<bool, ErrorStack> {
        let part = |name: &str| {
            let text = key.get(name).and_then(Value::as_str).unwrap_or_default();
            BASE64.decode(text).unwrap_or_default()
        };
        let number = |name: &str| BigNum::from_slice(&part(name));
        let message = self.signed.as_bytes();
        let digest = match alg.get(2..) {
            Some("256") => MessageDigest::sha256(),
            Some("384") => MessageDigest::sha384(),
            Some("512") => MessageDigest::sha512(),
            _ if alg == "EdDSA" => MessageDigest::null(),
            _ => return Ok(false),
        };
        match (key.get("kty").and_then(Value::as_str), alg.get(..2)) {
            (Some("oct"), Some("HS")) => {
                let key = PKey::hmac(&part("k"))?;
                let made = Signer::new(digest, &key)?.sign_oneshot_to_vec(message)?;
                Ok(made.len() == self.signature.len() && openssl::memcmp::eq(&made, &self.signature))
            }
            (Some("RSA"), Some(family @ ("RS" | "PS"))) => {
                let key = PKey::from_rsa(Rsa::from_public_components(number("n")?, number("e")?)?)?;
                let mut verifier = Verifier::new(digest, &key)?;
                if family == "PS" {
                    verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
                    verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
                }
                verifier.verify_oneshot(&self.signature, message)
            }
            (Some("EC"), Some("ES")) => {
                let curve = match key.get("crv").and_then(Value::as_str) {
                    Some("P-256") => Nid::X9_62_PRIME256V1,
                    Some("P-384") => Nid::SECP384R1,
                    Some("P-521") => Nid::SECP521R1,
                    _ => return Ok(false),
                };
                let group = EcGroup::from_curve_name(curve)?;
                let (x, y) = (number("x")?, number("y")?);
                let key = EcKey::from_public_key_affine_coordinates(&group, &x, &y)?;
                let (r, s) = self.signature.split_at(self.signature.len() / 2);
                let signature =
                    EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
                signature.verify(&openssl::hash::hash(digest, message)?, &key)
            }
            (Some("OKP"), Some("Ed")) => {
                let key = PKey::public_key_from_raw_bytes(&part("x"), Id::ED25519)?;
                Verifier::new_without_digest(&key)?.verify_oneshot(&self.signature, message)
            }
            _ => Ok(false),
        }
    }
}

/// The tokens in a header's value that no suite sent.
pub fn found_in(value: &str) -> Vec<&str> {
    TOKEN.find_iter(value).map(|found| found.as_str()).filter(|token| is_new(token)).collect()
}

/// A text with every token that no suite sent written as `${JWT}`.
pub fn masked(text: &str) -> String {
    TOKEN
        .replace_all(text, |found: &Captures<'_>| {
            if is_new(&found[0]) { "${JWT}" } else { &found[0] }.to_owned()
        })
        .into_owned()
}

fn is_new(token: &str) -> bool {
    !KNOWN.contains(token) && Token::read(token).is_some()
}

/// What must hold of this module.
pub fn self_checks() -> Vec<(&'static str, fn())> {
    fn signer(name: &str) -> Option<String> {
        Token::read(FIXTURES["tokens"][name].as_str()?)?.signed_by()
    }
    vec![
        ("the signer of a token is found for every family of algorithms", || {
            for (name, kid) in [
                ("rs256", "#rsa-1"),
                ("rs384", "#rsa-1"),
                ("ps256", "#ps-1"),
                ("ps384", "#ps-1"),
                ("es256", "#ec-1"),
                ("es384", "#ec-384"),
                ("es512", "#ec-521"),
                ("eddsa", "#ed-1"),
                ("hs256", "#hs-1"),
                ("hs512", "#hs-512"),
            ] {
                assert!(signer(name).is_some_and(|found| found.ends_with(kid)), "{name}: {:?}", signer(name));
            }
        }),
        ("a token that was tampered with has no signer", || {
            for name in
                ["rs256_tampered", "rs256_no_signature", "none", "es256_zero_signature", "hs_with_rsa_pem"]
            {
                assert_eq!(signer(name), None, "{name}");
            }
        }),
        ("only tokens that no suite sent are masked", || {
            let known = FIXTURES["tokens"]["rs256"].as_str().expect("a token");
            let new = "eyJhbGciOiJub25lIn0.e30.";
            assert_eq!(
                masked(&format!("Bearer {known}, Bearer {new}, eyJ.x.y")),
                format!("Bearer {known}, Bearer ${{JWT}}, eyJ.x.y")
            );
        }),
    ]
}
