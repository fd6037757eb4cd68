//! Sprig: the functions that Go templates may call, by theme.
//!
//! The names and behaviour are those of Sprig 3.3.0, which Oathkeeper offers to its templates. What reads
//! the environment or the network, and what makes or uses keys, is not offered: a rule's author shall not
//! reach this machine's secrets, and a rendering shall depend on nothing but the request.

#![expect(clippy::unnecessary_wraps, reason = "all functions have one signature")]

mod dates;
mod decimal;
mod defaults;
mod dicts;
mod encoding;
mod layout;
mod lists;
mod math;
pub mod paths;
pub mod pattern;
mod random;
mod reflect;
mod regexes;
pub mod semver;
mod strings;
pub mod time;
mod urls;
mod words;
mod zone;

use super::go::builtin;
use super::go::function::Function;

/// Every theme.
const THEMES: &[&[Function]] = &[
    builtin::FUNCTIONS,
    dates::FUNCTIONS,
    defaults::FUNCTIONS,
    dicts::FUNCTIONS,
    encoding::FUNCTIONS,
    lists::FUNCTIONS,
    math::FUNCTIONS,
    paths::FUNCTIONS,
    random::FUNCTIONS,
    reflect::FUNCTIONS,
    regexes::FUNCTIONS,
    semver::FUNCTIONS,
    strings::FUNCTIONS,
    urls::FUNCTIONS,
    words::FUNCTIONS,
];

const ENVIRONMENT: &str = "it reads the environment of this server";
const NETWORK: &str = "it asks the network";
const KEYS: &str = "it makes or uses keys, which takes long and is no work for a request";
const PASSWORDS: &str = "it hashes passwords, which takes long and is no work for a request";

/// What Sprig has and templates here do not, with the reason.
const NOT_OFFERED: &[(&str, &str)] = &[
    ("env", ENVIRONMENT),
    ("expandenv", ENVIRONMENT),
    ("getHostByName", NETWORK),
    ("genPrivateKey", KEYS),
    ("genCA", KEYS),
    ("genCAWithKey", KEYS),
    ("genSelfSignedCert", KEYS),
    ("genSelfSignedCertWithKey", KEYS),
    ("genSignedCert", KEYS),
    ("genSignedCertWithKey", KEYS),
    ("buildCustomCert", KEYS),
    ("encryptAES", KEYS),
    ("decryptAES", KEYS),
    ("derivePassword", PASSWORDS),
    ("htpasswd", PASSWORDS),
    ("bcrypt", PASSWORDS),
    ("call", "nothing that a template sees can be called by it"),
];

/// The function of a name.
pub fn function(name: &str) -> Option<&'static Function> {
    THEMES.iter().flat_map(|theme| theme.iter()).find(|function| function.name == name)
}

/// Why a function that Sprig has is not offered.
pub fn not_offered(name: &str) -> Option<&'static str> {
    NOT_OFFERED.iter().find(|(n, _)| *n == name).map(|(_, why)| *why)
}

/// The names of all functions.
pub fn names() -> impl Iterator<Item = &'static str> {
    THEMES.iter().flat_map(|theme| theme.iter()).map(|function| function.name).chain(["and", "or"])
}
