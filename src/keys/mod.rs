//! Keys: JSON Web Key Sets, tokens signed and verified with them, and new keys.

/// Key sets by URL, shared by all workers.
pub struct JwksStore {}
