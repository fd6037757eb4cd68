//! The configuration to check rules with where there is none.

use serde_json::{Map, Value};

use super::{Config, HandlerConfig, Handlers, Sources, Stage, Strategy, load, merge};
use crate::diagnostic::Report;
use crate::pipeline::handler::Registration;
use crate::pipeline::{authn, authz, errors, mutate};
use crate::schema;

impl Config {
    /// Defaults, with every handler that exists switched on. What a handler cannot do without has an example
    /// in its place: in a rule it may be missing, since the global configuration may supply it. Only for
    /// checking: a server with it would let strangers in.
    pub fn for_validation(strategy: Strategy) -> Result<Self, Report> {
        let mut config = load(&Sources::default())?.config;
        config.access_rules.strategy = strategy;
        switch_on(&mut config.authenticators, Stage::Authenticators, authn::REGISTRY);
        switch_on(&mut config.authorizers, Stage::Authorizers, authz::REGISTRY);
        switch_on(&mut config.mutators, Stage::Mutators, mutate::REGISTRY);
        switch_on(&mut config.error_handlers, Stage::Errors, errors::REGISTRY);
        Ok(config)
    }
}

fn switch_on<T: ?Sized>(handlers: &mut Handlers, stage: Stage, registry: &[Registration<T>]) {
    for registration in registry {
        let HandlerConfig { enabled, config } = handlers.0.entry(registration.id.to_owned()).or_default();
        *enabled = true;
        if !config.is_object() {
            *config = Value::Object(Map::new());
        }
        let schema = schema::handler(stage, registration.id);
        if let (Some(settings), Some(schema)) = (config.as_object_mut(), schema) {
            for (key, example) in indispensable(&schema.document()) {
                let setting = settings.entry(key).or_insert_with(|| example.clone());
                // Of an object there may be defaults already.
                *setting = merge(&example, setting);
            }
        }
    }
}

/// The settings that a schema requires, with the first example of each, and of an object with what that
/// requires. Where people name the keys it is empty: what is in it would be mixed with what a rule says.
fn indispensable(schema: &Value) -> impl Iterator<Item = (&str, Value)> {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    required.filter_map(Value::as_str).filter_map(|key| {
        let setting = schema.get("properties")?.get(key)?;
        if setting.get("properties").is_some() {
            let inner = indispensable(setting).map(|(key, example)| (key.to_owned(), example));
            return Some((key, Value::Object(inner.collect::<Map<_, _>>())));
        }
        let example = match setting.get("examples")?.get(0)? {
            Value::Object(_) => Value::Object(Map::new()),
            example => example.clone(),
        };
        Some((key, example))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Shared;
    use crate::pipeline::handler::BuildContext;
    use crate::pipeline::step;
    use crate::rule::spec::HandlerSpec;

    #[test]
    fn every_handler_can_be_built_without_a_setting_of_its_own() {
        let config = Config::for_validation(Strategy::Regexp).unwrap();
        let shared = Shared::new(1 << 20);
        let context = BuildContext {
            rule_id: "",
            strategy: Strategy::Regexp,
            templates: config.templates,
            shared: &shared,
        };
        let bare = |id: &str| HandlerSpec { handler: id.to_owned(), ..HandlerSpec::default() };
        for r in authn::REGISTRY {
            let stage = Stage::Authenticators;
            let (_, found) =
                step::build(stage, authn::REGISTRY, &config.authenticators, &bare(r.id), &context);
            assert_eq!(found, [], "{}", r.id);
        }
        for r in authz::REGISTRY {
            let stage = Stage::Authorizers;
            let (_, found) = step::build(stage, authz::REGISTRY, &config.authorizers, &bare(r.id), &context);
            assert_eq!(found, [], "{}", r.id);
        }
        for r in mutate::REGISTRY {
            let stage = Stage::Mutators;
            let (_, found) = step::build(stage, mutate::REGISTRY, &config.mutators, &bare(r.id), &context);
            assert_eq!(found, [], "{}", r.id);
        }
        for r in errors::REGISTRY {
            let (_, found) = step::build_error(&config.error_handlers, &bare(r.id), &context);
            assert_eq!(found, [], "{}", r.id);
        }
    }
}
