//! Keys: JSON Web Key Sets, tokens signed and verified with them, and new keys.
//!
//! A [`KeySet`] is a parsed set with everything ready to sign and verify; a [`JwksStore`] keeps the sets of
//! all URLs, shared by all workers, and a [`KeyRing`] is what one handler sees of it. [`verify`] reads
//! tokens, [`sign`] makes them, [`public_set`] is what `/.well-known/jwks.json` shows and [`generate`] what
//! `okctl credentials generate` prints.

mod algorithm;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod generate;
mod jwk;
mod jwks;
mod material;
mod place;
mod public;
mod ring;
pub mod sign;
mod source;
mod store;
pub mod verify;

pub use algorithm::{Algorithm, Family};
pub use jwk::{Key, Use};
pub use jwks::{KeySet, NoSigningKey, SigningKey};
pub use place::UrlError;
pub use public::{NoKeySet, public_set};
pub use ring::{Currency, KeyRing, Picked};
pub use store::{JwksStore, SourceStatus, Times};
