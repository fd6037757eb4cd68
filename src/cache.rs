//! The one bounded cache: everything that is remembered between requests shares one byte budget.

/// The byte budget that all caches draw on.
#[derive(Debug)]
pub struct CacheBudget {}
