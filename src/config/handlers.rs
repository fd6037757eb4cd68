//! Handlers: which may be used, and what rules build on.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// The handlers of one stage, by id.
#[derive(Debug, Clone, Default)]
pub struct Handlers(pub BTreeMap<String, HandlerConfig>);

/// One handler's switch and global configuration, schema defaults filled in.
#[derive(Clone, Default)]
pub struct HandlerConfig {
    /// Whether rules may use it.
    pub enabled: bool,
    /// What every rule's own configuration is merged over; an empty object where there is none.
    pub config: Value,
}

/// Leaves the values out: some are secrets.
impl fmt::Debug for HandlerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerConfig").field("enabled", &self.enabled).finish_non_exhaustive()
    }
}
