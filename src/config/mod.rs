//! Configuration: Oathkeeper's format, from files and environment, checked before anything starts.
//!
//! [`load`] reads [`Sources`] into a [`Config`]. What is known but not built yet is listed in [`not_yet`].

mod access_rules;
mod check;
mod decode;
pub mod document;
mod env;
mod handlers;
mod http_client;
pub mod layers;
mod load;
mod log;
mod merge;
pub mod not_yet;
mod secret;
mod serve;
mod sources;
mod stage;
mod tls;
mod units;
mod validation;

pub use self::access_rules::{AccessRules, Reload};
pub use self::handlers::{HandlerConfig, Handlers};
pub use self::http_client::{ClientTls, HttpClient};
pub use self::layers::Documents;
pub use self::load::{Loaded, load};
pub use self::log::{Log, LogFormat, LogLevel};
pub use self::merge::merge;
pub use self::secret::Secret;
pub use self::serve::{
    Answering, Cors, EndpointConfig, Forwarding, Grpc, Listener, Prometheus, Proxy, Serve, Tls,
};
pub use self::sources::Sources;
pub use self::stage::Stage;
pub use self::units::{parse_bytes, parse_duration};
pub use crate::matcher::Strategy;
use crate::template;

/// Everything the server runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Listeners.
    pub serve: Serve,
    /// Log output.
    pub log: Log,
    /// Where rules come from and how they match.
    pub access_rules: AccessRules,
    /// `authenticators.*`
    pub authenticators: Handlers,
    /// `authorizers.*`
    pub authorizers: Handlers,
    /// `mutators.*`
    pub mutators: Handlers,
    /// `errors.handlers.*`
    pub error_handlers: Handlers,
    /// `errors.fallback`: handler ids, tried in order when no handler of the rule is responsible.
    pub fallback: Vec<String>,
    /// `errors.first_match_wins`: of several responsible error handlers of a rule the first one answers,
    /// instead of a 500 as in Oathkeeper.
    pub first_error_handler_wins: bool,
    /// `template_engine` and `templates.*`: how templates are read where their handler does not choose.
    pub templates: template::Settings,
    /// `http_client.*`: how okgate itself calls out.
    pub http_client: HttpClient,
    /// `cache.max_bytes`: the budget of everything remembered between requests.
    pub cache_max_bytes: usize,
}
