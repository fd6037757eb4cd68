//! Workers: what each thread serves with, for each of its listeners.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::{HttpRequest, HttpResponse};

use super::live::Live;
use super::{api, proxy};
use crate::pipeline::Context;
use crate::upstream::pool::Pool;

/// What one worker serves a listener with.
pub struct Worker {
    /// What a reload swaps.
    pub live: Arc<Live>,
    /// Client, clock and caches of the worker.
    pub context: Context,
    /// What the listener is there for.
    pub front: Front,
}

/// What a listener is there for.
pub enum Front {
    /// Decisions and management.
    Api,
    /// Requests of clients, with the connections to where they go.
    Proxy(Pool),
}

/// Makes what each worker serves a listener with.
pub type MakeWorker = Arc<dyn Fn() -> Rc<Worker> + Send + Sync>;

/// Answers one request, which may have come over TLS.
pub async fn serve(
    request: &HttpRequest,
    payload: Payload,
    worker: &Worker,
    tls: bool,
) -> HttpResponse<BoxBody> {
    match &worker.front {
        Front::Api => api::serve(request, payload, worker, tls).await,
        // Apart, so that decisions need not make room for all that this one remembers.
        Front::Proxy(pool) => Box::pin(proxy::serve(request, payload, (worker, pool), tls)).await,
    }
}
