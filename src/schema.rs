//! Schemas: every JSON Schema of `schemas/`, compiled once, and the whole configuration schema composed
//! from them and the registries.
/// stub
pub fn check_handler(_: &str, _: &str, _: &serde_json::Value) -> Vec<crate::diagnostic::Finding> {
    vec![]
}
/// stub
pub fn check_rule(_: &serde_json::Value) -> Vec<crate::diagnostic::Finding> {
    vec![]
}
