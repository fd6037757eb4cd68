//! Mutators: what does the upstream learn?

pub mod id_token;
