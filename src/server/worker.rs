//! Workers: what each thread serves with, for each of its listeners.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::{HttpRequest, HttpResponse};

use super::live::Live;
use super::metrics::Page;
use super::{api, metrics, proxy};
use crate::metrics::labels::Service;
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
    /// What was counted.
    Metrics(Arc<Page>),
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
    let path = request.uri().path();
    let service = match &worker.front {
        // Probes say nothing about who asks for what.
        Front::Api => (!matches!(path, "/health/alive" | "/health/ready")).then_some(Service::Api),
        Front::Proxy(_) => Some(Service::Proxy),
        Front::Metrics(_) => None,
    };
    let counted = service.zip(worker.context.tally.as_ref());
    let running = counted.map(|(service, tally)| tally.begin(service, request.method().as_str(), path));
    let response = match &worker.front {
        Front::Api => api::serve(request, payload, worker, tls).await,
        // Apart, so that decisions need not make room for all that this one remembers.
        Front::Proxy(pool) => Box::pin(proxy::serve(request, payload, (worker, pool), tls)).await,
        Front::Metrics(page) => metrics::serve(request, page).await,
    };
    if let Some(running) = running {
        running.answered(response.status().as_u16());
    }
    response
}
