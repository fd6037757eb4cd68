//! From rules as written to rules as run: every handler built, every pattern and template compiled, and
//! all findings collected.

mod made;

use std::sync::Arc;

use http::HeaderName;
use smallvec::SmallVec;

pub use self::made::Made;
use super::common::{Common, Pool};

use super::load::{Document, Written};
use super::set::RuleSet;
use super::spec::{HandlerSpec, MatchSpec, OnFailure, RuleSpec};
use super::{Conditions, MatchFault, Rule, across, pace};
use crate::config::{AccessRules, Config, Stage};
use crate::diagnostic::{Finding, Report, Severity, Source};
use crate::matcher::{ANY_METHOD, Pattern};
use crate::pipeline::errors::select::ErrorStep;
use crate::pipeline::handler::{Authorizer, BuildContext, Mutator, Registration};
use crate::pipeline::step::{self, Step};
use crate::pipeline::{Engine, Preflight, Shared, authn, authz, cors, mutate};

/// Compiles all documents into an engine.
pub fn engine<'d>(
    config: &Config,
    documents: impl IntoIterator<Item = &'d Document>,
    shared: &Shared,
) -> (Engine, Report) {
    let mut report = Report::default();
    let mut rules = Vec::new();
    let mut made = Made::default();
    shared.files.begin();
    for document in documents {
        report.extend(document.warnings.clone());
        for written in &document.rules {
            pace::pause();
            let (rule, findings) = rule(config, &document.source, written, shared, &mut made);
            let id = (!rule.id().is_empty()).then(|| rule.id().to_owned());
            for finding in findings {
                report.push(&document.source, id.as_deref(), finding.under(&format!("/{}", written.index)));
            }
            rules.push(Arc::new(rule));
        }
    }
    drop(made);
    rules.shrink_to_fit();
    across::check(&rules, &config.access_rules.policy, &mut report);
    if config.serve.proxy.is_some() {
        across::check_upstreams(&rules, &mut report);
    }
    let fallback = fallback(config, shared);
    let rules = RuleSet::new(rules, config.access_rules.policy.clone());
    if rules.is_partly_compared() {
        let name = "access_rules.on_multiple_matches".to_owned();
        let message = "there are too many rules that match the same requests to compare all of them";
        let finding = Finding::warning("not-compared", "", message)
            .help("where such rules meet, the answer is 500; use `priority`, or narrower patterns");
        report.push(&Arc::new(Source { name, path: None, text: None }), None, finding);
    }
    let engine = Engine::new(rules, fallback, config.first_error_handler_wins);
    (engine.with_preflight(config.access_rules.preflight), report)
}

/// Compiles one rule, with what was made for others of the same configuration and strategy. Findings have pointers
/// from the rule's root.
pub fn rule(
    config: &Config,
    source: &Arc<Source>,
    written: &Written,
    shared: &Shared,
    made: &mut Made,
) -> (Rule, Vec<Finding>) {
    let spec = &written.spec;
    let context = BuildContext {
        rule_id: &spec.id,
        strategy: config.access_rules.strategy,
        templates: config.templates,
        shared,
    };
    let mut findings = written.findings.clone();
    let Compiled { patterns, conditions, fault, methods } =
        matching(spec, &config.access_rules, &context, &mut made.methods, &mut findings);
    check_upstream(spec, &mut findings);
    let stage = Stage::Authenticators;
    let list = listed(stage, spec.authenticators.as_ref(), &mut findings);
    let authenticators = made.authenticators.of(list, &mut findings, |list, findings| {
        steps(stage, authn::REGISTRY, &config.authenticators, list, &context, findings)
    });
    check_guests(spec, &mut findings);
    let authorizers = authorizers(config, spec, &context, made, &mut findings);
    let stage = Stage::Mutators;
    let list = listed(stage, spec.mutators.as_ref(), &mut findings);
    let mutators = made.mutators.of(list, &mut findings, |list, findings| {
        steps(stage, mutate::REGISTRY, &config.mutators, list, &context, findings)
    });
    let errors = made
        .errors
        .of(spec.errors.as_ref(), &mut findings, |list, findings| errors(config, list, &context, findings));
    let cors = cors(spec, config.access_rules.preflight, &mut findings);
    let valid = findings.iter().all(|f| f.severity < Severity::Error);
    let uses_captures = authorizers.iter().filter_map(|s| s.handler.as_ref().ok()).any(|h| h.uses_captures())
        || mutators.iter().filter_map(|s| s.handler.as_ref().ok()).any(|h| h.uses_captures());
    let rule = Rule {
        spec: Arc::clone(spec),
        source: Arc::clone(source),
        index: written.index,
        patterns,
        conditions,
        match_fault: fault,
        methods,
        authenticators,
        identity_headers: made.headers.share_new(identity_headers(&authorizers, &mutators)),
        authorizers,
        mutators,
        errors,
        cors,
        upstream: config.serve.proxy.as_ref().and_then(|_| made.upstreams.of(&spec.upstream)),
        valid,
        uses_captures,
    };
    (rule, findings)
}

/// Names of headers that the handlers may set, each once.
fn identity_headers(authorizers: &[Step<dyn Authorizer>], mutators: &[Step<dyn Mutator>]) -> Vec<HeaderName> {
    let of_authorizers =
        authorizers.iter().filter_map(|step| step.handler.as_ref().ok()).flat_map(|h| h.header_names());
    let of_mutators =
        mutators.iter().filter_map(|step| step.handler.as_ref().ok()).flat_map(|h| h.header_names());
    let mut names: Vec<HeaderName> = of_authorizers.chain(of_mutators).collect();
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names
}

/// Stands for all methods where the configuration says so.
const WILDCARD: &str = "*";

/// What is compiled of a rule's `match`.
#[derive(Default)]
struct Compiled {
    patterns: SmallVec<[Pattern; 1]>,
    conditions: Option<Box<Conditions>>,
    fault: Option<MatchFault>,
    methods: Option<Common<[String]>>,
}

fn matching(
    spec: &RuleSpec,
    AccessRules { policy, method_wildcard: wildcard, .. }: &AccessRules,
    context: &BuildContext<'_>,
    known: &mut Pool<[String]>,
    findings: &mut Vec<Finding>,
) -> Compiled {
    let mut compiled = Compiled::default();
    let (methods, more) = match &spec.matches {
        None if policy.is_default(&spec.id) => return compiled,
        None => {
            findings.push(
                Finding::error("missing-match", "", "the rule has no `match`")
                    .help("say which `methods` and which `url` it is for"),
            );
            return compiled;
        }
        // Middleware rules are listed, but no HTTP request can meet them.
        Some(MatchSpec::Rpc { .. }) => return compiled,
        Some(MatchSpec::Http { methods, more, .. }) => (methods.as_deref().unwrap_or_default(), more),
    };
    if methods.is_empty() {
        findings.push(
            Finding::warning("never-matches", "/match", "the rule lists no methods and never matches")
                .help("add `methods: [GET, …]`"),
        );
    }
    let asterisk = methods.iter().any(|method| method == WILDCARD);
    if asterisk && !wildcard {
        findings.push(
            Finding::warning("odd-method", "/match/methods", "`*` stands for no method but one of that name")
                .help("set `access_rules.method_wildcard` to `true` to let it stand for all"),
        );
    }
    if asterisk && *wildcard {
        compiled.methods = Some(known.share_new(vec![ANY_METHOD.to_owned()]));
    } else if methods.iter().any(|method| method.eq_ignore_ascii_case(ANY_METHOD)) {
        // No request has such a method.
        let methods: Vec<String> = methods.iter().filter(|m| !m.contains(' ')).cloned().collect();
        compiled.methods = Some(known.share_new(methods));
    }
    let urls = spec.matches.as_ref().map(MatchSpec::urls).unwrap_or_default();
    if urls.is_empty() {
        findings.push(
            Finding::error("missing-match", "/match", "`url` must not be empty")
                .help("write a pattern such as `https://app.example.com/<.*>`"),
        );
        return compiled;
    }
    let before = findings.len();
    compiled.conditions = Conditions::compile(more, context.strategy, findings);
    for finding in findings.iter_mut().skip(before) {
        finding.pointer.insert_str(0, "/match");
    }
    if compiled.conditions.as_ref().map_or(0, |conditions| conditions.len()) < more.len() {
        compiled.fault = Some(MatchFault::Condition);
    }
    for (pointer, url) in urls {
        let pointer = format!("/match{pointer}");
        if url.is_empty() {
            findings.push(Finding::error("missing-match", pointer, "a pattern must not be empty"));
            continue;
        }
        match Pattern::compile(context.strategy, url) {
            Ok((pattern, warnings)) => {
                findings.extend(warnings.into_iter().map(|f| f.under(&pointer)));
                compiled.patterns.push(pattern);
            }
            Err(finding) => {
                findings.push(finding.under(&pointer));
                // Where another rule could take them over, its requests stay closed.
                if policy.resolves() {
                    compiled.patterns.extend(Pattern::stand_in(context.strategy, url));
                    compiled.fault = Some(MatchFault::StandIn);
                }
            }
        }
    }
    compiled
}

fn check_upstream(spec: &RuleSpec, findings: &mut Vec<Finding>) {
    let url = &spec.upstream.url;
    if url.is_empty() || url.starts_with('/') || url::Url::parse(url).is_ok_and(|u| u.has_host()) {
        return;
    }
    let message = format!("`{url}` is not the address of an upstream");
    findings.push(
        Finding::error("bad-url", "/upstream/url", message)
            .help("write an absolute URL such as `http://app:8080`"),
    );
}

fn cors(spec: &RuleSpec, preflight: Preflight, findings: &mut Vec<Finding>) -> Option<Box<cors::Policy>> {
    let cors = spec.cors.as_ref()?;
    if cors.allowed_origins.is_empty() && !findings.iter().any(|f| f.pointer == "/cors/allowed_origins") {
        let message = "the key `allowed_origins` is missing in `cors`";
        findings.push(
            Finding::error("missing-key", "/cors", message)
                .at_key()
                .help("list the origins whose pages may send requests, such as `https://app.example.com`"),
        );
    }
    if cors.allow_credentials && cors.allowed_origins.iter().any(|origin| origin == "*") {
        let message = "`cors.allow_credentials` has no effect while any origin is allowed";
        findings.push(
            Finding::warning("any-origin-with-credentials", "/cors/allow_credentials", message)
                .help("list the origins in `cors.allowed_origins`"),
        );
    }
    if preflight != Preflight::Answer {
        let message = "preflights are not answered by the rule's `cors`";
        findings.push(Finding::warning("preflight-not-answered", "/cors", message).at_key().help(
            "set `access_rules.preflight` to `answer`; without that, it only adds headers to refusals",
        ));
    }
    let settings = cors.settings();
    settings.enabled.then(|| Box::new(cors::Policy::new(&settings)))
}

/// Whoever shows wrong credentials becomes a guest who may everything: seldom what `on_failure` is for.
fn check_guests(spec: &RuleSpec, findings: &mut Vec<Finding>) {
    let authorizers = spec.authorizers.as_deref().unwrap_or(std::slice::from_ref(&spec.authorizer));
    if authorizers.iter().any(|authorizer| authorizer.handler != "allow") {
        return;
    }
    let written = spec.authenticators.as_deref().unwrap_or_default();
    for (index, step) in written.iter().enumerate().filter(|(_, s)| s.on_failure == Some(OnFailure::Next)) {
        let mut after = written.iter().skip(index + 1);
        if let Some(guest) = after.find(|s| matches!(s.handler.as_str(), "anonymous" | "noop")) {
            let message =
                format!("whoever `{}` refuses gets in as a guest of `{}`", step.handler, guest.handler);
            findings.push(
                Finding::warning(
                    "refused-becomes-guest",
                    format!("/authenticators/{index}/on_failure"),
                    message,
                )
                .help("use an authorizer that knows guests, or leave `on_failure` at `stop`"),
            );
        }
    }
}

/// A list of handlers, which must not be empty.
fn listed<'s>(
    stage: Stage,
    written: Option<&'s Common<[HandlerSpec]>>,
    findings: &mut Vec<Finding>,
) -> Option<&'s Common<[HandlerSpec]>> {
    let list = written.filter(|list| !list.is_empty());
    if list.is_none() {
        let message = format!("the rule has no {stage}");
        findings.push(
            Finding::error("missing-handlers", "", message)
                .help(format!("add `{stage}: [{{handler: noop}}]` if there is nothing to do")),
        );
    }
    list
}

fn steps<T: ?Sized>(
    stage: Stage,
    registry: &[Registration<T>],
    handlers: &crate::config::Handlers,
    written: &[HandlerSpec],
    context: &BuildContext<'_>,
    findings: &mut Vec<Finding>,
) -> Vec<Step<T>> {
    let mut steps = Vec::with_capacity(written.len());
    for (index, spec) in written.iter().enumerate() {
        let (step, found) = step::build(stage, registry, handlers, spec, context);
        findings.extend(found.into_iter().map(|f| f.under(&format!("/{stage}/{index}"))));
        steps.push(step);
    }
    steps
}

/// `authorizer`, or all of `authorizers`. A rule without either gets a step that lets nobody pass.
fn authorizers(
    config: &Config,
    spec: &RuleSpec,
    context: &BuildContext<'_>,
    made: &mut Made,
    findings: &mut Vec<Finding>,
) -> Common<[Step<dyn Authorizer>]> {
    let (stage, handlers) = (Stage::Authorizers, &config.authorizers);
    let Some(written) = spec.authorizers.as_ref().filter(|list| !list.is_empty()) else {
        if spec.authorizers.is_some() {
            let message = "`authorizers` must not be empty";
            findings.push(
                Finding::error("missing-handlers", "/authorizers", message)
                    .help("add `handler: allow` to let everybody pass who is authenticated"),
            );
        }
        return made.authorizer.of(Some(&spec.authorizer), findings, |written, findings| {
            let (step, found) = step::build(stage, authz::REGISTRY, handlers, written, context);
            findings.extend(found.into_iter().map(|f| f.under("/authorizer")));
            vec![step]
        });
    };
    if *spec.authorizer != HandlerSpec::default() {
        let message = "the rule has both `authorizer` and `authorizers`";
        findings.push(
            Finding::error("two-of-one-kind", "/authorizers", message)
                .at_key()
                .help("put the single one into the list as well"),
        );
    }
    made.authorizers.of(Some(written), findings, |written, findings| {
        steps(stage, authz::REGISTRY, handlers, written, context, findings)
    })
}

fn errors(
    config: &Config,
    written: &[HandlerSpec],
    context: &BuildContext<'_>,
    findings: &mut Vec<Finding>,
) -> Vec<ErrorStep> {
    let mut steps = Vec::new();
    for (index, written) in written.iter().enumerate() {
        let (step, found) = step::build_error(&config.error_handlers, written, context);
        findings.extend(found.into_iter().map(|f| f.under(&format!("/errors/{index}"))));
        steps.push(step);
    }
    steps
}

/// The configured fallback handlers, built with their global configuration alone.
fn fallback(config: &Config, shared: &Shared) -> Vec<ErrorStep> {
    let context = BuildContext {
        rule_id: "",
        strategy: config.access_rules.strategy,
        templates: config.templates,
        shared,
    };
    config
        .fallback
        .iter()
        .map(|id| {
            let written = HandlerSpec { handler: id.clone(), ..HandlerSpec::default() };
            step::build_error(&config.error_handlers, &written, &context).0
        })
        .collect()
}

#[cfg(test)]
mod tests;
