//! The pipeline: authenticators, authorizer, mutators, and for refusals the error handlers.

pub mod authn;
pub mod context;
pub mod denial;
pub mod grant;
pub mod handler;
pub mod mutate;
pub mod session;

pub use context::{Context, Shared};
pub use denial::{Denial, Detail};
pub use grant::{Grant, Reply};
pub use handler::{Answer, Authentication, Exchange};
pub use session::Session;
