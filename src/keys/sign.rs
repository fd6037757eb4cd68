//! Signing: a key that is ready to sign, and JSON as Oathkeeper writes it into tokens.

use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::JoseError;
use josekit::jwk::Jwk;
use josekit::jws::{self, JwsSigner};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CharEscape, Formatter, Serializer};

use super::algorithm::Algorithm;

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

/// Compact JSON as Go's encoder writes it: `<`, `>`, `&`, U+2028 and U+2029 escaped, whole floats without
/// a point. Members stay in the order they have.
pub fn go_json(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    // Writing a `Value` to memory cannot fail: its keys are strings.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut out, Go));
    out
}

struct Go;

impl Formatter for Go {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let size = value.abs();
        if size == 0.0 || (1e-6..1e21).contains(&size) {
            return write!(writer, "{value}");
        }
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => write!(writer, "{digits}e+{exponent}"),
            _ => writer.write_all(text.as_bytes()),
        }
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, odd) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut chars = odd.chars();
            if let Some(c) = chars.next() {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let text: &[u8] = match escape {
            CharEscape::Quote => b"\\\"",
            CharEscape::ReverseSolidus => b"\\\\",
            CharEscape::Solidus => b"/",
            CharEscape::Backspace => b"\\b",
            CharEscape::FormFeed => b"\\f",
            CharEscape::LineFeed => b"\\n",
            CharEscape::CarriageReturn => b"\\r",
            CharEscape::Tab => b"\\t",
            CharEscape::AsciiControl(byte) => return write!(writer, "\\u{byte:04x}"),
        };
        writer.write_all(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_as_go_writes_it() {
        for (text, want) in [
            (r#""<a href='x'>&\u2028\"""#, r#""\u003ca href='x'\u003e\u0026\u2028\"""#),
            (r#"{"b":1,"a":[true,null,"Zürich"]}"#, r#"{"b":1,"a":[true,null,"Zürich"]}"#),
            ("1e3", "1000"),
            ("1.5", "1.5"),
            ("-0.25", "-0.25"),
            ("20.0", "20"),
            ("1e21", "1e+21"),
            ("1.5e300", "1.5e+300"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("123456789012345680000.0", "123456789012345680000"),
            ("18446744073709551615", "18446744073709551615"),
            ("9007199254740993", "9007199254740993"),
            (r#""\u0001\b\f\n\r\t\\/""#, r#""\u0001\b\f\n\r\t\\/""#),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(String::from_utf8(go_json(&value)).unwrap(), want, "{text}");
        }
    }
}
