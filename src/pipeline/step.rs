//! Steps: handlers of a rule, built from registry, switch, schema and merged configuration.

use std::borrow::Cow;

use serde_json::Value;

use super::denial::{Denial, Detail};
use super::errors::select::{Broken, ErrorStep};
use super::errors::when::When;
use super::handler::{BuildContext, ErrorHandler, Registration};
use crate::config::{Handlers, Stage, merge};
use crate::diagnostic::Finding;
use crate::diagnostic::suggest::did_you_mean;
use crate::rule::spec::{HandlerSpec, OnFailure};
use crate::schema;

/// A handler of a rule, or the denial that stands in its place.
pub struct Step<T: ?Sized> {
    /// The handler id, for logs.
    pub id: String,
    /// The handler, or why there is none.
    pub handler: Result<Box<T>, Denial>,
    /// What follows when it is an authenticator and refuses credentials.
    pub on_failure: OnFailure,
}

impl<T: ?Sized> std::fmt::Debug for Step<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a handler could not be built.
enum Fault {
    Unknown,
    Disabled,
    BadConfig,
}

/// Builds one step. Findings have pointers below the handler entry of the rule (`/handler`, `/config/…`).
pub fn build<T: ?Sized>(
    stage: Stage,
    registry: &[Registration<T>],
    handlers: &Handlers,
    written: &HandlerSpec,
    context: &BuildContext<'_>,
) -> (Step<T>, Vec<Finding>) {
    let (built, findings) = try_build(stage, registry, handlers, written, context);
    let handler = built.map(|(handler, _)| handler).map_err(|fault| denial(stage, &fault, &written.handler));
    let on_failure = written.on_failure.unwrap_or_default();
    (Step { id: written.handler.clone(), handler, on_failure }, findings)
}

/// Builds one error step, with its conditions.
pub fn build_error(
    handlers: &Handlers,
    written: &HandlerSpec,
    context: &BuildContext<'_>,
) -> (ErrorStep, Vec<Finding>) {
    let stage = Stage::Errors;
    let (built, mut findings) =
        try_build::<dyn ErrorHandler>(stage, super::errors::REGISTRY, handlers, written, context);
    let (when, handler) = match built {
        Ok((handler, config)) => match When::build(&config) {
            Ok(when) => (when, Ok(handler)),
            Err(found) => {
                findings.extend(found.into_iter().map(|f| f.under("/config")));
                (When::default(), Err(Broken::BadConfig))
            }
        },
        Err(Fault::Unknown) => (When::default(), Err(Broken::Unknown)),
        Err(Fault::BadConfig) => (When::default(), Err(Broken::BadConfig)),
        Err(Fault::Disabled) => {
            (When::build(&merged(handlers, written)).unwrap_or_default(), Err(Broken::Disabled))
        }
    };
    (ErrorStep { id: written.handler.clone(), when, handler }, findings)
}

/// The handler's global configuration with the rule's own over it.
fn merged(handlers: &Handlers, written: &HandlerSpec) -> Value {
    let global = handlers.0.get(&written.handler).map(|h| h.config.clone());
    let global = global.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    match &written.config {
        None | Some(Value::Null) => global,
        Some(own) => merge(&global, own),
    }
}

type Built<T> = Result<(Box<T>, Value), Fault>;

fn try_build<T: ?Sized>(
    stage: Stage,
    registry: &[Registration<T>],
    handlers: &Handlers,
    written: &HandlerSpec,
    context: &BuildContext<'_>,
) -> (Built<T>, Vec<Finding>) {
    let id = written.handler.as_str();
    let Some(registration) = registry.iter().find(|r| r.id == id) else {
        return (Err(Fault::Unknown), vec![unknown(stage, registry.iter().map(|r| r.id), id)]);
    };
    if !handlers.0.get(id).is_some_and(|h| h.enabled) {
        let message = format!("{} `{id}` is switched off", stage.noun());
        let section = schema::dotted(stage.pointer());
        let finding = Finding::error("disabled-handler", "/handler", message)
            .help(format!("set `{section}.{id}.enabled: true` in the configuration"));
        return (Err(Fault::Disabled), vec![finding]);
    }
    let config = merged(handlers, written);
    let mut findings = schema::handler(stage, id).map(|s| s.check(&config)).unwrap_or_default();
    if findings.is_empty() {
        match (registration.build)(context, &config) {
            Ok(handler) => return (Ok((handler, config)), Vec::new()),
            Err(found) => findings = found,
        }
    }
    let findings = findings.into_iter().map(|f| f.under("/config")).collect();
    (Err(Fault::BadConfig), findings)
}

fn unknown<'r>(stage: Stage, ids: impl Iterator<Item = &'r str>, id: &str) -> Finding {
    if schema::handler_ids(stage).any(|known| known == id) {
        let message = format!("{} `{id}` is not there yet in this version", stage.noun());
        return Finding::error("handler-not-there-yet", "/handler", message);
    }
    let ids: Vec<&str> = ids.collect();
    let message = if id.is_empty() {
        format!("no {} is named", stage.noun())
    } else {
        format!("no {} is called `{id}`", stage.noun())
    };
    let help = did_you_mean(id, ids.iter().copied())
        .unwrap_or_else(|| format!("there are {}", crate::diagnostic::text::one_of(ids.iter().copied())));
    Finding::error("unknown-handler", "/handler", message).help(help)
}

/// What a request that reaches a step that could not be built is told, in Oathkeeper's words.
fn denial(stage: Stage, fault: &Fault, id: &str) -> Denial {
    match fault {
        Fault::Unknown => Denial::Misconfigured {
            message: Cow::Borrowed("requested pipeline handler does not exist"),
            why: Detail::id("unknown-handler").log(format_args!("no {} is called `{id}`", stage.noun())),
        },
        Fault::Disabled => Denial::Misconfigured {
            message: misconfigured(stage),
            why: Detail::id("disabled-handler")
                .public(format!("{} \"{id}\" is disabled per configuration.", capitalised(stage.noun()))),
        },
        Fault::BadConfig => Denial::Misconfigured {
            message: misconfigured(stage),
            why: Detail::id("bad-handler-config")
                .log(format_args!("the configuration of {} `{id}` was refused at load", stage.noun())),
        },
    }
}

fn misconfigured(stage: Stage) -> Cow<'static, str> {
    Cow::Owned(format!("{} matching this route is misconfigured or disabled", stage.noun()))
}

/// With an upper-case first letter, as Oathkeeper begins its reasons.
fn capitalised(noun: &str) -> String {
    let mut letters = noun.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::not_yet::is_handler_implemented;
    use crate::pipeline::{authn, authz, errors, mutate};

    #[test]
    fn every_known_handler_is_registered_or_listed_as_not_there_yet() {
        for stage in Stage::ALL {
            let registered: Vec<&str> = match stage {
                Stage::Authenticators => authn::REGISTRY.iter().map(|r| r.id).collect(),
                Stage::Authorizers => authz::REGISTRY.iter().map(|r| r.id).collect(),
                Stage::Mutators => mutate::REGISTRY.iter().map(|r| r.id).collect(),
                Stage::Errors => errors::REGISTRY.iter().map(|r| r.id).collect(),
            };
            for id in schema::handler_ids(stage) {
                assert_eq!(registered.contains(&id), is_handler_implemented(stage, id), "{stage} {id}");
            }
            for id in registered {
                assert!(schema::handler(stage, id).is_some(), "{stage} {id} has no schema");
            }
        }
    }
}
