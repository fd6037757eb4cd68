//! Keys: JSON Web Key Sets, tokens signed and verified with them, and new keys.

/// Key sets by URL, shared by all workers.
#[derive(Default)]
pub struct JwksStore {}
impl JwksStore {
    /// stub
    pub fn new() -> Self {
        Self {}
    }
    /// stub
    pub async fn warm(&self, _: &dyn crate::upstream::Fetch) {}
}
/// stub
pub async fn public_set(
    _: &JwksStore,
    _: &[String],
    _: &dyn crate::upstream::Fetch,
) -> Result<serde_json::Value, ()> {
    Ok(serde_json::json!({"keys": []}))
}
