//! Does a value follow a JSON Schema? The only place that names the validator.
//!
//! It is a crate of its own for the size of the server: the validator is generic, so its code is made anew in
//! the crate that calls it. Here that is optimised for size, as it runs when files are read; in the crate that
//! decides requests it would be made for speed, and take 1.5 MB more.

use jsonschema::{Draft, PatternOptions};
pub use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value;

/// The name of a form of text, as `format` in a schema has it, and whether a text has that form.
pub type Format = (&'static str, fn(&str) -> bool);

/// A compiled schema of draft 7.
pub struct Validator(jsonschema::Validator);

impl Validator {
    /// Compiles a self-contained schema.
    ///
    /// # Errors
    /// What is wrong with the schema itself.
    pub fn compile(document: &Value, formats: &[Format]) -> Result<Self, ValidationError<'static>> {
        let mut options = jsonschema::options()
            .with_draft(Draft::Draft7)
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex());
        for &(name, has_form) in formats {
            options = options.with_format(name, has_form);
        }
        options.build(document).map(Self)
    }

    /// Whether nothing is wrong with `value`.
    pub fn is_valid(&self, value: &Value) -> bool {
        self.0.is_valid(value)
    }

    /// Everything that is wrong with `value`.
    pub fn errors<'value>(&'value self, value: &'value Value) -> Vec<ValidationError<'value>> {
        self.0.iter_errors(value).collect()
    }
}

/// Whether a document is itself a valid schema.
pub fn is_schema(document: &Value) -> bool {
    jsonschema::meta::is_valid(document)
}
