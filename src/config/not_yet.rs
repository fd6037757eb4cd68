//! Settings that are known and checked, but do nothing yet. Whoever builds one takes its line out here.

use serde_json::Value;

use super::Stage;
use super::layers::Documents;
use crate::diagnostic::text::quote;
use crate::diagnostic::{Finding, Report};
use crate::schema::dotted;

/// JSON pointers; one stands for all below it.
const SETTINGS: &[&str] = &[
    "/profiling",
    "/log/leak_sensitive_values",
    "/log/redaction_text",
    "/log/additional_redacted_headers",
    "/serve/api/timeout/write",
    "/tracing",
];

const HANDLERS: &[(Stage, &str)] = &[];

/// Settings that are only accepted because Oathkeeper, or its documentation, knows them.
const WITHOUT_EFFECT: &[&str] = &[
    "/serve/api/cors/debug",
    "/serve/proxy/cors/debug",
    "/mutators/hydrator/config/cache/max_cost",
    "/mutators/id_token/config/cache/max_cost",
];

/// Whether a handler can be built.
pub fn is_handler_implemented(stage: Stage, id: &str) -> bool {
    !HANDLERS.contains(&(stage, id))
}

/// Warns of every one of them that is set.
pub(super) fn check(documents: &Documents, report: &mut Report) {
    let mut warn = |pointer: &str, code, message: String| {
        report.push(&documents.source_of(pointer), None, Finding::warning(code, pointer, message));
    };
    for pointer in SETTINGS.iter().filter(|pointer| documents.is_set(pointer)) {
        let what = quote(&dotted(pointer));
        warn(pointer, "not-implemented-yet", format!("{what} is not implemented yet and has no effect"));
    }
    for pointer in WITHOUT_EFFECT.iter().filter(|pointer| documents.is_set(pointer)) {
        warn(pointer, "without-effect", format!("{} has no effect", quote(&dotted(pointer))));
    }
    for (stage, id) in HANDLERS {
        let pointer = format!("{}/{id}/enabled", stage.pointer());
        if documents.effective.pointer(&pointer) == Some(&Value::Bool(true)) {
            let message = format!(
                "the {} {} is not implemented yet: rules that use it refuse every request",
                stage.noun(),
                quote(id)
            );
            warn(&pointer, "not-implemented-yet", message);
        }
    }
}
