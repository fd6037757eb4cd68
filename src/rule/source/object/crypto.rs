//! What requests to object stores are signed with: OpenSSL, as everything else here.

use object_store::client::{
    CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, Signer, SigningAlgorithm,
};
use object_store::{Error, Result};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sha::Sha256;
use openssl::sign;

/// SHA-256, HMAC and RS256 of OpenSSL.
#[derive(Debug)]
pub(super) struct OpenSsl;

fn error(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Generic { store: "OpenSSL", source: Box::new(source) }
}

/// The algorithm is one that object stores came to use later.
fn unknown() -> Error {
    Error::NotImplemented { operation: "an unknown algorithm".to_owned(), implementer: "OpenSSL".to_owned() }
}

impl CryptoProvider for OpenSsl {
    fn digest(&self, algorithm: DigestAlgorithm) -> Result<Box<dyn DigestContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Digest { hash: Sha256::new(), digest: [0; 32] })),
            _ => Err(unknown()),
        }
    }

    fn hmac(&self, algorithm: DigestAlgorithm, secret: &[u8]) -> Result<Box<dyn HmacContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => {
                let key = PKey::hmac(secret).map_err(error)?;
                Ok(Box::new(Hmac { key, text: Vec::new(), code: Vec::new() }))
            }
            _ => Err(unknown()),
        }
    }

    fn sign(&self, algorithm: SigningAlgorithm, pem: &[u8]) -> Result<Box<dyn Signer>> {
        match algorithm {
            SigningAlgorithm::RS256 => Ok(Box::new(Rs256(PKey::private_key_from_pem(pem).map_err(error)?))),
            _ => Err(unknown()),
        }
    }
}

struct Digest {
    hash: Sha256,
    digest: [u8; 32],
}

impl DigestContext for Digest {
    fn update(&mut self, data: &[u8]) {
        self.hash.update(data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        self.digest = self.hash.clone().finish();
        Ok(&self.digest)
    }
}

struct Hmac {
    key: PKey<Private>,
    text: Vec<u8>,
    code: Vec<u8>,
}

impl HmacContext for Hmac {
    fn update(&mut self, data: &[u8]) {
        self.text.extend_from_slice(data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        let mut signer = sign::Signer::new(MessageDigest::sha256(), &self.key).map_err(error)?;
        self.code = signer.sign_oneshot_to_vec(&self.text).map_err(error)?;
        Ok(&self.code)
    }
}

struct Rs256(PKey<Private>);

impl Signer for Rs256 {
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>> {
        let mut signer = sign::Signer::new(MessageDigest::sha256(), &self.0).map_err(error)?;
        signer.sign_oneshot_to_vec(text).map_err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::repository::hex;

    #[test]
    fn digests_and_codes_are_those_of_the_standards() {
        let mut digest = OpenSsl.digest(DigestAlgorithm::Sha256).unwrap();
        digest.update(b"a");
        digest.update(b"bc");
        // FIPS 180-4, example B.1
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(digest.finish().unwrap()), abc);
        // RFC 4231, test case 2
        let mut hmac = OpenSsl.hmac(DigestAlgorithm::Sha256, b"Jefe").unwrap();
        hmac.update(b"what do ya want ");
        hmac.update(b"for nothing?");
        let code = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(hmac.finish().unwrap()), code);
    }

    #[test]
    fn a_key_that_is_none_is_an_error() {
        assert!(OpenSsl.sign(SigningAlgorithm::RS256, b"-----BEGIN").is_err());
    }
}
