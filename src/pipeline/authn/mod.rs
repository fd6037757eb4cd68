//! Authenticators: who is calling?

pub mod jwt;
pub mod scope;
pub mod token_from;
