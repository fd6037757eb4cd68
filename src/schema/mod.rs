//! Schemas: what may be written in configurations and rules, and the findings where something else is.
//!
//! The files in `schemas/` are for editors as they are. Here each is made self-contained and compiled, once
//! and when it is first asked for. A new handler has its file there, a line in `HANDLERS` below, and
//! one in `config.schema.json`.
//!
//! Besides draft-07 the files use: `x-expected`, what a value must be, in words; `x-names`, what the keys
//! of an object name; `x-unknown-keys: ignored`, where unknown keys are a warning.

mod expand;
mod finding;
mod format;
mod shape;

use std::sync::{LazyLock, OnceLock};

use okgate_schemas::Validator;
use serde_json::Value;

pub use self::finding::dotted;
pub(crate) use self::shape::{Kind, Setting};
use crate::config::Stage;
use crate::diagnostic::Finding;

/// A compiled schema.
pub struct Schema {
    /// The file that has it, below `schemas/`.
    name: String,
    /// The document without conditions, for looking up what is known about a place.
    shape: Value,
    validator: Validator,
}

/// The whole configuration.
pub fn config() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::compile("config.schema.json"));
    &SCHEMA
}

/// One access rule.
pub fn rule() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::compile("rule.schema.json"));
    &SCHEMA
}

/// A document of access rules.
pub fn rules() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::compile("rules.schema.json"));
    &SCHEMA
}

/// The settings of one handler, global and rule's merged; `None` for an unknown one. Handlers without
/// settings take anything, as in Oathkeeper.
pub fn handler(stage: Stage, id: &str) -> Option<&'static Schema> {
    static SCHEMAS: LazyLock<Vec<OnceLock<Schema>>> =
        LazyLock::new(|| HANDLERS.iter().map(|_| OnceLock::new()).collect());
    let (index, _) = HANDLERS.iter().enumerate().find(|(_, known)| known.0 == stage && known.1 == id)?;
    let name = format!("pipeline/{stage}.{id}.schema.json");
    Some(SCHEMAS.get(index)?.get_or_init(|| Schema::compile(&name)))
}

/// The ids of all handlers that Oathkeeper's configuration knows, whether or not they are built yet.
pub fn handler_ids(stage: Stage) -> impl Iterator<Item = &'static str> {
    HANDLERS.iter().filter(move |known| known.0 == stage).map(|known| known.1)
}

/// Names of all settings, in whatever schema, that are booleans.
pub(crate) fn boolean_keys() -> &'static [String] {
    static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let mut keys = Vec::new();
        shape::boolean_keys(&config().shape, &mut keys);
        shape::boolean_keys(&rule().shape, &mut keys);
        keys.sort_unstable();
        keys.dedup();
        keys
    });
    &KEYS
}

impl Schema {
    #[expect(clippy::expect_used, reason = "the schemas are part of the program; a test compiles each")]
    fn compile(name: &str) -> Self {
        let document = expand::document(name).expect("a schema file that refers to what exists");
        let shape = shape::of(&document);
        let validator = Validator::compile(&document, format::FORMATS).expect("a valid schema");
        // The document itself is read anew where somebody wants to see it: a server does not.
        Self { name: name.to_owned(), shape, validator }
    }

    /// Everything that is wrong with `value`, sorted by place. Pointers count from `value`; values under
    /// secret keys are not repeated.
    pub fn check(&self, value: &Value) -> Vec<Finding> {
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        let mut findings: Vec<Finding> = self
            .validator
            .errors(value)
            .iter()
            .flat_map(|error| finding::from_error(error, &self.shape))
            .collect();
        findings.sort_by(|a, b| (&a.pointer, a.code, &a.message).cmp(&(&b.pointer, b.code, &b.message)));
        findings.dedup();
        findings
    }

    /// Puts in the defaults of absent settings.
    pub fn fill_defaults(&self, value: &mut Value) {
        shape::fill_defaults(&self.shape, value);
    }

    /// The schema as JSON, self-contained: what editors and other validators can use.
    pub fn document(&self) -> Value {
        expand::document(&self.name).unwrap_or_default()
    }

    /// Every place where something can be set, objects included.
    pub(crate) fn settings(&self) -> Vec<Setting<'_>> {
        shape::settings(&self.shape)
    }
}

/// A handler's stage and id and the schema of its settings.
type Known = (Stage, &'static str, &'static str);

macro_rules! handlers {
    ($($stage:ident $prefix:literal: $($id:literal)+;)+) => {
        &[$($((Stage::$stage, $id, include_str!(concat!("../../schemas/pipeline/", $prefix, ".", $id, ".schema.json")))),+),+]
    };
}

/// Every handler, in the order of the pipeline.
const HANDLERS: &[Known] = handlers! {
    Authenticators "authenticators": "anonymous" "noop" "unauthorized" "cookie_session" "bearer_token" "jwt"
        "oauth2_client_credentials" "oauth2_introspection" "basic" "api_key";
    Authorizers "authorizers": "allow" "deny" "allow_list" "keto_engine_acp_ory" "remote" "remote_json";
    Mutators "mutators": "noop" "cookie" "header" "hydrator" "id_token";
    Errors "errors": "json" "redirect" "www_authenticate";
};

#[cfg(test)]
mod tests;
