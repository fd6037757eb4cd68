//! A certificate that nobody vouches for.

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::{X509, X509NameBuilder};

/// One for `localhost`, good for a day, and its key, in PEM form.
///
/// # Panics
/// When OpenSSL cannot make one.
#[expect(clippy::expect_used, reason = "a test without a certificate ends there")]
pub fn certificate() -> (Vec<u8>, Vec<u8>) {
    make().expect("a certificate")
}

fn make() -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", "localhost")?;
    let name = name.build();
    let mut made = X509::builder()?;
    made.set_subject_name(&name)?;
    made.set_issuer_name(&name)?;
    made.set_pubkey(&key)?;
    made.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    made.set_not_after(&*Asn1Time::days_from_now(1)?)?;
    made.sign(&key, MessageDigest::sha256())?;
    Ok((made.build().to_pem()?, key.private_key_to_pem_pkcs8()?))
}
