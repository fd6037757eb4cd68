//! Which error handler answers: the rule's own, else the configured fallback.

use super::json::error_reply;
use super::when::When;
use crate::pipeline::denial::Denial;
use crate::pipeline::grant::Reply;
use crate::pipeline::handler::ErrorHandler;
use crate::request::AccessRequest;

/// An error handler with its conditions, or why it cannot be used.
pub struct ErrorStep {
    /// The handler id.
    pub id: String,
    /// When it answers.
    pub when: When,
    /// The handler, or what to say instead.
    pub handler: Result<Box<dyn ErrorHandler>, Broken>,
}

impl std::fmt::Debug for ErrorStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ErrorStep").field("id", &self.id).field("when", &self.when).finish_non_exhaustive()
    }
}

/// Why an error handler of a rule cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// No handler has this name.
    Unknown,
    /// It is switched off.
    Disabled,
    /// Its configuration does not fit its schema.
    BadConfig,
}

/// The answer to a denial: by the one handler of the rule whose conditions hold, else by the first
/// fallback whose conditions hold.
///
/// As in Oathkeeper two responsible handlers of one rule are a fault of the configuration; with
/// `first_match_wins` the first of them answers.
pub fn answer(
    rule_steps: &[ErrorStep],
    fallback: &[ErrorStep],
    first_match_wins: bool,
    denial: &Denial,
    request: &AccessRequest<'_>,
) -> Reply {
    let mut chosen: Option<&ErrorStep> = None;
    for step in rule_steps {
        match step.handler {
            Err(Broken::Unknown) => {
                return fault(
                    &format!(
                        "Unable to find error handler named: {}. This is a configuration issue and should be reported to the administrator.",
                        step.id
                    ),
                    request,
                );
            }
            Err(Broken::BadConfig) => return misconfigured(None, request),
            Ok(_) | Err(Broken::Disabled) => {}
        }
        if !step.when.holds(denial, request) {
            continue;
        }
        if chosen.is_some() {
            return fault(
                "Found more than one error handlers to be responsible for this request. This is a configuration error that needs to be resolved by the system administrator.\"",
                request,
            );
        }
        chosen = Some(step);
        if first_match_wins {
            break;
        }
    }
    if let Some(step) = chosen {
        if let Ok(handler) = &step.handler {
            return handler.handle(denial, request);
        }
        let reason = format!("Error handler \"{}\" is disabled per configuration.", step.id);
        return misconfigured(Some(&reason), request);
    }
    for step in fallback {
        let Ok(handler) = &step.handler else {
            return fault(
                &format!(
                    "Fallback error handler \"{}\" was requested but is disabled or unknown. This is a configuration issue and should be reported to the administrator.",
                    step.id
                ),
                request,
            );
        };
        if step.when.holds(denial, request) {
            return handler.handle(denial, request);
        }
    }
    fault(
        "Unable to handle HTTP request because no matching error handling strategy was found. This is a bug and should be reported to: http://github.com/ory/oathkeeper",
        request,
    )
}

/// Faults of this stage are told in full, whatever `verbose` says: nobody else could tell.
fn fault(reason: &str, request: &AccessRequest<'_>) -> Reply {
    error_reply(
        500,
        "An internal server error occurred, please contact the system administrator",
        Some(reason),
        request,
    )
}

fn misconfigured(reason: Option<&str>, request: &AccessRequest<'_>) -> Reply {
    error_reply(500, "error handler matching this route is misconfigured or disabled", reason, request)
}
